"""The two files that retrieval and fidelity share: documents and queries, as BEIR writes them."""

from dataclasses import dataclass
from pathlib import Path

from sizewise.data.fields import bad, name, optional_text, text
from sizewise.data.formats import rows
from sizewise.data.kinds import required_table
from sizewise.data.settings import Settings
from sizewise.data.units import UnitReader


@dataclass(frozen=True)
class Documents:
    """Ids in file order with their positions, and the text of each: title and text, joined."""

    positions: dict[str, int]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Queries:
    """Ids in file order with their positions, the text of each, and their optional groups and slices."""

    positions: dict[str, int]
    texts: tuple[str, ...]
    units: UnitReader


def read_documents(folder: Path, settings: Settings) -> Documents:
    """Read `corpus.*`. Raises InputError: no such file, an id twice, a document without any text."""
    path = required_table(folder, "corpus")
    id_column, title_column, text_column = map(settings.column, ("_id", "title", "text"))
    positions: dict[str, int] = {}
    texts: list[str] = []
    for line, row in rows(path):
        _add(positions, path, line, name(path, line, row, id_column))
        title = optional_text(path, line, row, title_column)
        if title:
            texts.append(f"{title} {optional_text(path, line, row, text_column)}".strip())
        else:
            texts.append(text(path, line, row, text_column).strip())
        if not texts[-1]:
            raise bad(path, line, "title and text are empty; fill one or remove the line")
    return Documents(positions, tuple(texts))


def read_queries(folder: Path, settings: Settings) -> Queries:
    """Read `queries.*`. Raises InputError: no such file, an id twice, an empty query, a group in some lines only."""
    path = required_table(folder, "queries")
    id_column, text_column = settings.column("_id"), settings.column("text")
    positions: dict[str, int] = {}
    texts: list[str] = []
    units = UnitReader(path, settings)
    for line, row in rows(path):
        _add(positions, path, line, name(path, line, row, id_column))
        texts.append(text(path, line, row, text_column))
        units.add(line, row)
    return Queries(positions, tuple(texts), units)


def _add(positions: dict[str, int], path: Path, line: int, identifier: str) -> None:
    if identifier in positions:
        raise bad(path, line, f"the id {identifier!r} was used before; give every line an id of its own")
    positions[identifier] = len(positions)
