"""A finished run's units again: which candidate is compared with which, on which units, and the tasks behind them."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError, SizewiseError
from sizewise.core.text import printable
from sizewise.data.task import Task
from sizewise.decide.recommend import OnTask
from sizewise.decide.recommendation import Recommendation
from sizewise.study.records import Records
from sizewise.study.run import Run
from sizewise.study.source import Source

Tasks = Mapping[str, Task | str]
"""By name: a run's task, or why it cannot be read again."""

NOTHING_BETTER = (
    "the recommended candidate is the best one here and, on average, the best without transforms, so there is nothing "
    "to compare it with"
)


def reread(run: Run) -> Tasks:
    """The run's tasks from their folders, each as far as it is there and unchanged."""
    found: dict[str, Task | str] = {}
    for one in run.about.get("tasks", ()):
        try:
            found[one["name"]] = Source(**one).load()
        except SizewiseError as error:
            found[one["name"]] = f"{error}"
    return found


def opponent(found: Recommendation, on_task: OnTask) -> str | None:
    """What the recommended one is compared with on a task: the best there, or else the best without transforms."""
    for other in (on_task.best, found.best):
        if other is not None and other != found.candidate:
            return other
    return None


def decided_on(run: Run, task: str, records: Records) -> npt.NDArray[np.int64]:
    """Positions of the units that were not held out.

    Raises InputError when some were and the run does not say which: looking at them would use them up.
    """
    held: Sequence[str] | None = run.about.get("held_out", {}).get(task)
    units = next(facts.units for facts in run.evidence.tasks if facts.name == task)
    if held is None and units < len(records):
        raise InputError(
            f"{len(records) - units} units of {task} are held out, and this run does not say which; run the study "
            "again to see the others"
        )
    out = set(held or ())
    return np.flatnonzero([unit not in out for unit in records.units.to_pylist()])


def group_names(task: Task | str | None, codes: Sequence[int], text: bool, most: int) -> list[str]:
    """What the data call these groups; their numbers where texts are left out or the task is not there."""
    names = task.units.group_names if text and isinstance(task, Task) else None
    return [str(code) if names is None else printable(names[code], most) for code in codes]
