"""Labelled texts: the rows that classification and clustering share."""

from dataclasses import dataclass
from pathlib import Path

from sizewise.data.fields import name, text
from sizewise.data.formats import rows
from sizewise.data.settings import Settings
from sizewise.data.task import Units
from sizewise.data.units import UnitReader, numbered

LABELLED_FIELDS = frozenset({"text", "label"})


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with a label each, and their units."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    units: Units


def read_labelled(path: Path, settings: Settings) -> Labelled:
    """Read `text` and `label` of every row of `path`. Raises InputError naming the line."""
    text_column, label_column = settings.column("text"), settings.column("label")
    texts, labels, reader = [], [], UnitReader(path, settings)
    for line, row in rows(path):
        texts.append(text(path, line, row, text_column))
        labels.append(name(path, line, row, label_column))
        reader.add(line, row)
    return Labelled(tuple(texts), tuple(labels), reader.units(numbered(len(texts))))
