"""Raw records of a finished run, read back from records.parquet: one candidate on one task at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sizewise.core.errors import InputError

FILE = "records.parquet"
RAW = ("score", "ids", "scores", "labels", "clusters")
"""The columns that `Task.columns` fills."""


@dataclass(frozen=True, eq=False)
class Records:
    """What one candidate did on one task, as it was written; everything is in the order of the task's units."""

    units: pa.Array
    """string [units]: ids."""
    groups: npt.NDArray[np.int64] | None
    """int64 [units]: codes."""
    slices: pa.Array | None
    """string [units]."""
    values: npt.NDArray[np.float64] | None
    """float64 [units] in [0, 1]: the main metric of each unit, where it is a mean over units."""
    columns: Mapping[str, Any]
    """Arrow arrays [units] by the names of RAW: those that the kind of task has."""

    def __len__(self) -> int:
        return len(self.units)


class RecordFile:
    """The records.parquet of the run folder `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def of(self, task: str, candidate: str, raw: bool = True) -> Records | None:
        """The records of `candidate` on `task`; None when there are none.

        Row groups of others are skipped, so memory is that of one candidate and task. `raw=False` leaves the columns of
        RAW unread. Raises InputError when the file is gone or damaged.
        """
        here = self._row_groups.get((task, candidate))
        if here is None:
            return None
        names = ["unit", "group", "slice", "value", *(RAW if raw else ())]
        with self._opened() as file:
            table = file.read_row_groups(here, names)
        found = {name: pa.concat_arrays(table[name].chunks) for name in names}
        known = {name: column for name, column in found.items() if column.null_count < len(column)}
        groups, values = known.get("group"), known.get("value")
        return Records(
            units=found["unit"],
            groups=None if groups is None else np.asarray(groups, np.int64),
            slices=known.get("slice"),
            values=None if values is None else np.asarray(values, np.float64),
            columns={name: known[name] for name in RAW if name in known},
        )

    @cached_property
    def _row_groups(self) -> dict[tuple[str, str], list[int]]:
        """Task and candidate of each row group: one never holds two."""
        found: dict[tuple[str, str], list[int]] = {}
        with self._opened() as file:
            for at in range(file.num_row_groups):
                first = next(file.iter_batches(batch_size=1, row_groups=[at], columns=["task", "candidate"]))
                task, candidate = (first.column(name)[0].as_py() for name in ("task", "candidate"))
                found.setdefault((task, candidate), []).append(at)
        return found

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self.path) as file:
                yield file
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path} cannot be read ({error}); run the study again, which writes it") from None
