"""Scores on parts of a task: the slices that its data name, each with an interval of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import estimate

FEWEST = 2
"""Units of a slice; with fewer there is no interval."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Slice:
    """All candidates on one slice of one task, x100 points; None where a candidate does not apply."""

    task: str
    name: str
    units: int
    scores: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    approximate: tuple[str, ...]


def slices(task: Task, raws: Sequence[Raw | None], reference: Raw | None, kept: npt.NDArray[np.int64]) -> list[Slice]:
    """Every slice of the task's units at `kept`, in order of name; none where the data name no slices."""
    if task.units.slices is None or not any(raw is not None for raw in raws):
        return []
    names = np.array(task.units.slices, dtype=object)[kept]
    found = []
    for name in sorted(set(names)):
        units = kept[names == name]
        if len(units) < FEWEST or _one_group(task, units):
            continue
        one = estimate(task, raws, reference, units, RESAMPLES)
        known = dict(zip(one.rows.tolist(), zip(one.points, one.intervals, strict=True), strict=True))
        every = [known.get(row) for row in range(len(raws))]
        found.append(
            Slice(
                task.name,
                str(name),
                len(units),
                tuple(each and 100 * float(each[0]) for each in every),
                tuple(each and 100 * float(each[1].low) for each in every),
                tuple(each and 100 * float(each[1].high) for each in every),
                tuple(each[1].why if each else "" for each in every),
            )
        )
    return found


def _one_group(task: Task, units: npt.NDArray[np.int64]) -> bool:
    return task.units.groups is not None and len(np.unique(task.units.groups[units])) < FEWEST
