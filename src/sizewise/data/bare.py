"""A corpus without queries or labels: a table, a folder of .txt and .md files, or one .txt with a text a line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sizewise.core.errors import InputError
from sizewise.data.fields import bad, name, optional_text
from sizewise.data.formats import SUFFIXES, find_table, raw_lines, rows

_HEADING = re.compile(r"\A\s*#+\s+(.+?)\s*#*\s*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Item:
    """One text of a bare corpus. `title` and `text` may be empty, `group` names items to be resampled together."""

    id: str
    title: str
    text: str
    group: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What else its table has of it, as it stands there."""


def read_corpus(path: str | Path, fields: Mapping[str, str] | None = None, *, remember: bool = True) -> Iterator[Item]:
    """The items of `path`, in order. `fields` maps `_id`, `title`, `text` and `group` to other column names.

    A table needs `text`; ids are line numbers where there is no `_id` (or `id`). A Markdown file's title is its first
    heading. Raises InputError naming file and line: nothing to read, not UTF-8, an id twice, a field that is no text.
    Without `remember`, an id that comes twice is not noticed, and memory does not grow with the corpus.
    """
    path = Path(path)
    if path.is_dir():
        table = find_table(path, "corpus")
        return _table(table, fields or {}, remember) if table else _files(path)
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder; check the path")
    if path.name.lower().endswith((".txt", ".txt.gz")):
        return _lines(path)
    if path.suffix.lower() == ".md":
        return iter([_file(path, path.name)])
    return _table(path, fields or {}, remember)


def _table(path: Path, fields: Mapping[str, str], remember: bool) -> Iterator[Item]:
    title, text, group = (fields.get(column, column) for column in ("title", "text", "group"))
    identifier = fields.get("_id")
    seen: set[str] = set()
    for number, (line, row) in enumerate(rows(path)):
        if not number:
            identifier = identifier or next((column for column in ("_id", "id") if column in row), None)
        if text not in row:
            there = ", ".join(map(repr, row))
            raise bad(path, line, f"{text!r} is missing (there are: {there}); say which column holds the text")
        item_id = name(path, line, row, identifier) if identifier else str(line)
        if item_id in seen:
            raise bad(path, line, f"the id {item_id!r} was used before; give every line an id of its own")
        if remember:
            seen.add(item_id)
        yield Item(
            item_id,
            optional_text(path, line, row, title).strip(),
            optional_text(path, line, row, text).strip(),
            name(path, line, row, group) if row.get(group) is not None else None,
            {column: value for column, value in row.items() if column not in (identifier, title, text)},
        )


def _files(folder: Path) -> Iterator[Item]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".txt", ".md") and path.is_file())
    if not paths:
        tables = ", ".join(f"corpus{suffix}" for suffix in SUFFIXES)
        raise InputError(f"{folder}: there are no .txt or .md files here, and none of {tables}; add some")
    return (_file(path, path.relative_to(folder).as_posix()) for path in paths)


def _file(path: Path, identifier: str) -> Item:
    text = _decoded(path, b"".join(raw for _, raw in raw_lines(path)))
    heading = _HEADING.match(text) if path.suffix.lower() == ".md" else None
    return Item(identifier, heading[1] if heading else "", (text[heading.end() :] if heading else text).strip())


def _lines(path: Path) -> Iterator[Item]:
    for line, raw in raw_lines(path):
        yield Item(str(line), "", _decoded(path, raw, line).strip())


def _decoded(path: Path, raw: bytes, line: int = 1) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise bad(path, line + raw.count(b"\n", 0, error.start), "not UTF-8; save the file as UTF-8") from error
