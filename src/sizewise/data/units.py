"""Units as they are read: ids, and the optional group and slice of each."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.data.fields import bad, name
from sizewise.data.formats import Row
from sizewise.data.settings import Settings
from sizewise.data.task import Units

OPTIONAL_FIELDS = frozenset({"group", "slice"})


class UnitReader:
    """Collects `group` and `slice` of each row of one file: every row has the field, or none has."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._columns = {field: settings.column(field) for field in ("group", "slice")}
        self._required = {field for field in self._columns if field in settings.fields}
        self._values: dict[str, list[str]] = {}
        self._rows = 0

    def add(self, line: int, row: Row) -> None:
        """Take the next row. Raises InputError when it lacks what the first row had, or the other way round."""
        for field, column in self._columns.items():
            present = row.get(column) is not None or field in self._required
            if self._rows == 0 and present:
                self._values[field] = []
            if field in self._values:
                self._values[field].append(name(self._path, line, row, column))
            elif present:
                raise bad(self._path, line, f"{column!r} is new here; give it in every line or in none")
        self._rows += 1

    def units(
        self, ids: Sequence[str], keep: Sequence[int] | None = None, groups: Sequence[str] | None = None
    ) -> Units:
        """The units called `ids`: the rows at `keep`, all when None. `groups` stand in where the file has none."""
        chosen = {
            field: values if keep is None else [values[at] for at in keep] for field, values in self._values.items()
        }
        by = chosen.get("group", groups)
        of_unit, names = (None, None) if by is None else codes(by)
        return Units(tuple(ids), of_unit, _tuple(chosen.get("slice")), names)


def codes(values: Iterable[str]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Each value's position among the sorted distinct ones, int64 [n], and those."""
    values = tuple(values)
    distinct = tuple(sorted(set(values)))
    position = {value: at for at, value in enumerate(distinct)}
    return np.array([position[value] for value in values], np.int64), distinct


def numbered(count: int) -> tuple[str, ...]:
    """Ids of units that have none of their own: their positions."""
    return tuple(map(str, range(count)))


def _tuple(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
