"""A document as an index keeps it: its text, what it is called, and fields to filter by."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson

from sizewise.core.errors import InputError
from sizewise.core.text import encodable
from sizewise.data.bare import Item
from sizewise.index.where import Value, is_name, kind_of, plain_number

Fields = Mapping[str, Value | list[str]]
"""Texts, numbers, truth values, and lists of texts, of which any may be asked for."""

DIGEST_BYTES = 16
EXACT = 2**53
"""Whole numbers up to here are the same as floats."""


@dataclass(frozen=True)
class Document:
    """One document."""

    id: str
    title: str
    text: str
    fields: Fields = field(default_factory=dict)

    @property
    def whole(self) -> str:
        """As it is encoded: title and text, as in tasks."""
        return f"{self.title} {self.text}".strip()

    @cached_property
    def digest(self) -> bytes:
        """Of all that it says: a document with another one is another version of it."""
        what = orjson.dumps([self.title, self.text, self.fields], option=orjson.OPT_SORT_KEYS)
        return sha256(what).digest()[:DIGEST_BYTES]


def document(item: Item, delimited: bool) -> Document:
    """What a corpus says of it. Of files that are `delimited` (CSV) everything is text there, and what reads as a
    number becomes one.

    Raises InputError for a field whose name cannot be asked for.
    """
    columns = {encodable(name): _field(value, delimited) for name, value in item.columns.items()}
    if wrong := next((name for name in columns if not is_name(name)), None):
        raise InputError(f"the field {wrong!r} has a quote or a backslash in its name; rename the column")
    fields = {name: value for name, value in columns.items() if value is not None}
    return Document(encodable(item.id), encodable(item.title), encodable(item.text), fields)


def single(fields: Fields) -> Iterator[tuple[str, Value]]:
    """Every field with its value, and with each of several."""
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, one


def kinds(documents: Iterable[Document]) -> set[tuple[str, str]]:
    """The fields of these, each with the kinds of its values."""
    return {(name, kind_of(value)) for one in documents for name, value in single(one.fields)}


def _field(value: Any, delimited: bool) -> Value | list[str] | None:
    """None where there is nothing that could be asked for: it is null, an object, or not a number."""
    if isinstance(value, str):
        number = plain_number(value) if delimited else None
        return encodable(value) if number is None else _whole(number)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        return list(dict.fromkeys(map(encodable, value)))
    if hasattr(value, "isoformat"):  # dates of Parquet files
        return str(value.isoformat())
    return None


def _whole(number: float) -> float:
    """The same number, as an int where it is one."""
    return int(number) if number.is_integer() and abs(number) <= EXACT else number
