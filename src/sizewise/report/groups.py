"""The groups of units (one contract, one paragraph, one word) in which the recommended candidate loses most."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.core.text import printable
from sizewise.data.task import Task
from sizewise.decide.recommend import OnTask
from sizewise.decide.recommendation import Recommendation
from sizewise.report.again import NOTHING_BETTER, Tasks, decided_on, group_names, opponent, reread
from sizewise.report.cases import DIGITS, LEFT_OUT, MOST_CHARACTERS
from sizewise.stats.intervals import Interval, interval
from sizewise.stats.statistics import Mean, bootstrap
from sizewise.study.records import RecordFile
from sizewise.study.run import Run

FEWEST = 10
"""Units of a group; with fewer there is no interval."""
RESAMPLES = 1000
WITHIN = "the units of one group are not independent of each other"


@dataclass(frozen=True)
class Group:
    """One group of a task, x100 points."""

    name: str
    """As the data call it; its number where texts are left out or the task cannot be read again."""
    units: int
    score: float
    """Mean of the recommended candidate."""
    other_score: float
    difference: float
    """`score - other_score`: below zero, a loss."""
    low: float | None
    """The 95% interval of the difference, paired; None with fewer than FEWEST units."""
    high: float | None
    approximate: str
    """Why the interval cannot be relied on; empty where there is none."""
    part: float
    """What the group takes from the task's mean, in points (x100): its difference by its share of the units."""


@dataclass(frozen=True)
class TaskGroups:
    """The groups of one task that lose most."""

    task: str
    candidate: str
    other: str | None
    groups: int = 0
    """All groups of the task; 0 where nothing could be compared."""
    lost: int = 0
    gained: int = 0
    """Groups in which the recommended candidate is worse, and better."""
    shown: tuple[Group, ...] = ()
    """Those that take most from the task's mean first."""
    note: str = ""
    """Why there is nothing, or no name; empty where there is all."""

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def groups(
    run: Run, found: Recommendation, most: int = 30, text: bool = True, tasks: Tasks | None = None
) -> list[TaskGroups]:
    """For each deciding task with groups and a value per unit, the groups that lose most against the best candidate.

    Other tasks are left out of the list. What it is compared with, where names come from and what `text` and `tasks`
    mean: as for `cases.breaks`.
    """
    if found.candidate is None:
        return []
    tasks, file = reread(run) if tasks is None else tasks, RecordFile(run.folder)
    results = [_of_task(run, found, one, tasks.get(one.task), file, most, text) for one in found.choice.tasks]
    return [result for result in results if result is not None]


def _of_task(
    run: Run, found: Recommendation, stands: OnTask, task: Task | str | None, file: RecordFile, most: int, text: bool
) -> TaskGroups | None:
    """The groups of one task; None where it has none, or no value per unit."""
    other = opponent(found, stands)
    result = TaskGroups(stands.task, str(found.candidate), other)
    try:
        mine = file.of(stands.task, str(found.candidate), raw=False)
        if mine is None or mine.groups is None or mine.values is None:
            return None
        theirs = None if other is None else file.of(stands.task, other, raw=False)
        if theirs is None or theirs.values is None:
            return replace(result, note=NOTHING_BETTER)
        kept = decided_on(run, stands.task, mine)
    except InputError as error:
        return replace(result, note=str(error))
    codes, of_unit = np.unique(mine.groups[kept], return_inverse=True)
    values = np.stack([mine.values[kept], theirs.values[kept]])
    change = np.bincount(of_unit, values[0] - values[1]).round(DIGITS)
    worst = np.argsort(change, kind="stable")[: min(most, int((change < 0).sum()))]
    names = group_names(task, codes[worst].tolist(), text, MOST_CHARACTERS)
    return replace(
        result,
        groups=len(codes),
        lost=int((change < 0).sum()),
        gained=int((change > 0).sum()),
        shown=tuple(_group(name, values[:, of_unit == at], len(kept)) for name, at in zip(names, worst, strict=True)),
        note=LEFT_OUT if not text else printable(task) if isinstance(task, str) else "",
    )


def _group(name: str, values: npt.NDArray[np.float64], total: int) -> Group:
    """One group from the values float64 [2, units] of the recommended candidate and the other, of `total` units."""
    units = values.shape[1]
    difference = values[0] - values[1]
    found = _interval(difference) if units >= FEWEST else None
    return Group(
        name=name,
        units=units,
        score=100 * float(values[0].mean()),
        other_score=100 * float(values[1].mean()),
        difference=100 * float(difference.mean()),
        low=None if found is None else 100 * found.low,
        high=None if found is None else 100 * found.high,
        approximate="" if found is None else "; ".join(filter(None, (WITHIN, found.why))),
        part=100 * float(difference.sum()) / total,
    )


def _interval(difference: npt.NDArray[np.float64]) -> Interval:
    """Of the mean of paired differences float64 [units], which are resampled one by one."""
    points, draws = bootstrap(Mean(difference[None, None]), resamples=RESAMPLES)
    return interval(float(points[0]), draws[0], len(difference), bounds=(-1.0, 1.0))
