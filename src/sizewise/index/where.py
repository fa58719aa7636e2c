"""Which documents a search is about: those whose fields have certain values."""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.core.text import clipped, encodable

Value = str | float | bool
Mask = npt.NDArray[np.bool_]

MOST_CONDITIONS, MOST_VALUES = 64, 10_000
"""Of one filter: an engine looks every one of them up."""
KEPT_APART = frozenset('"\\\0')
"""What the name of a field cannot hold: engines write them in quotes."""
SHOWN = 100
"""Characters of a name or value in an error."""
_CONDITION = re.compile(r"\s*(.+?)\s*(>=|<=|=)\s*(.*?)\s*", re.DOTALL)
_FORM = 'write FIELD=VALUE, FIELD>=NUMBER, FIELD<=NUMBER or FIELD=["ONE", "OTHER"]'


@dataclass(frozen=True, slots=True)
class Condition:
    """One of `values` is the field's, or one of its several; or its number lies within bounds, themselves included."""

    field: str
    values: tuple[Value, ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def is_range(self) -> bool:
        return self.least is not None or self.most is not None


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions that must all hold. Without any, every document is meant."""

    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """`["lang=en", "year>=2020"]`. Nothing says there whether 2020 is a number or a text: either is found.

        Raises InputError for anything else.
        """
        conditions = tuple(map(_parsed, texts))
        _bounded([len(one.values) for one in conditions])
        return cls(conditions)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """`{"lang": "en", "tag": ["a", "b"], "year": {">=": 2020, "<=": 2024}}`; values are of the type that they have.

        Raises InputError for anything else.
        """
        if not isinstance(value, Mapping):
            raise InputError('a filter is an object of fields and values, as in {"lang": "en"}')
        _bounded([len(wanted) if isinstance(wanted, list) else 1 for wanted in value.values()])
        return cls(tuple(_from_json(_named(str(field)), wanted) for field, wanted in value.items()))

    def narrowed(self, columns: Collection[tuple[str, str]]) -> "Where":
        """The same for documents whose fields have these kinds: what is typed may be a text or a number, and an engine
        that was asked for both would read through all documents for the one that no document has."""
        return Where(tuple(_narrowed(one, columns) for one in self.conditions))


class Within:
    """The documents that one search may find: where they are known by their positions, and as a filter for engines."""

    def __init__(self, where: Where, places: Callable[[Where], Mask]) -> None:
        self.where = where
        self._places = places

    @cached_property
    def mask(self) -> Mask:
        """bool [n], by position; looked up when it is needed first."""
        return self._places(self.where)


def kind_of(value: Value) -> str:
    """What values are compared with each other: "truth", "text" or "number"."""
    if isinstance(value, bool):
        return "truth"
    return "text" if isinstance(value, str) else "number"


def is_name(text: str) -> bool:
    """Whether a field can be called so."""
    return bool(text) and not KEPT_APART & set(text)


def plain_number(text: str) -> float | None:
    """The number that `text` writes in the one usual way: 007 and 1e3 are names."""
    number = _number(text)
    return number if number is not None and text in (str(number), f"{number:.0f}") else None


def _narrowed(condition: Condition, columns: Collection[tuple[str, str]]) -> Condition:
    values = tuple(value for value in condition.values if (condition.field, kind_of(value)) in columns)
    return replace(condition, values=values) if values else condition


def _parsed(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if not found:
        raise InputError(f"{text!r} is no condition; {_FORM}")
    field, sign, value = _named(found[1]), found[2], encodable(found[3])
    if sign == "=":
        if value.startswith("["):
            try:
                return _from_json(field, json.loads(value))
            except json.JSONDecodeError:
                raise InputError(f"{text!r}: {value} is no JSON list; {_FORM}") from None
        either: dict[str, Value] = {"true": True, "false": False}
        other = either.get(value, plain_number(value))
        return Condition(field, (value,) if other is None else (value, other))
    number = _number(value)
    if number is None:
        raise InputError(f"{text!r}: {value!r} is no number; {_FORM}")
    return Condition(field, least=number) if sign == ">=" else Condition(field, most=number)


def _from_json(field: str, wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        if not wanted or set(wanted) - {">=", "<="}:
            raise InputError(f"the filter on {field!r} has bounds other than >= and <=; use these")
        bounds = {sign: _finite(field, bound) for sign, bound in wanted.items()}
        return Condition(field, least=bounds.get(">="), most=bounds.get("<="))
    values = wanted if isinstance(wanted, list) else [wanted]
    if not values:
        raise InputError(f"the filter on {field!r} names no value; name one, or leave the field out")
    return Condition(field, tuple(_value(field, value) for value in values))


def _bounded(counts: Sequence[int]) -> None:
    """Raises InputError for conditions with so many values that looking them up takes minutes."""
    if len(counts) > MOST_CONDITIONS or sum(counts) > MOST_VALUES:
        raise InputError(
            f"the filter has {len(counts):,} conditions with {sum(counts):,} values, of {MOST_CONDITIONS} with "
            f"{MOST_VALUES:,} at most; ask for fewer"
        )


def _named(field: str) -> str:
    if not is_name(field):
        raise InputError(
            f"the filter is on {clipped(repr(field), SHOWN)}, and no field has an empty name, or one with a quote or a "
            "backslash; use the name that the corpus has"
        )
    return encodable(field)


def _value(field: str, value: Any) -> Value:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bool):
        return value
    return _finite(field, value)


def _finite(field: str, value: Any) -> float:
    try:
        if not isinstance(value, bool) and math.isfinite(found := float(value)) and not isinstance(value, str):
            return found
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(
        f"the filter on {clipped(repr(field), SHOWN)} has {clipped(repr(value), SHOWN)}, which is no text, number or "
        "truth value"
    )


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
