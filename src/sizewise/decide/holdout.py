"""Units held out of the decision, to confirm it once: chosen by name, so that every candidate and every run agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.task import Raw, Task, hashed
from sizewise.stats.compare import difference
from sizewise.stats.statistics import bootstrap
from sizewise.stats.subset import Subset

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Holdout:
    """Which units are held out: a share of the groups (or units), or those that a file names, one id a line; or, with
    `tune`, all that are tested, where a task keeps others to choose by."""

    share: float = 0.0
    file: Path | None = None
    tune: bool = False

    def __bool__(self) -> bool:
        return self.share > 0 or self.file is not None or self.tune

    def split(self, task: Task) -> tuple[Positions, Positions]:
        """Positions of the task's units to decide on, and of those held out.

        Raises InputError when either part would have fewer than two groups (nothing follows from one), when the file
        names only a part of a group, or when it cannot be read.
        """
        everything = np.arange(len(task.units))
        if not self or self.tune:
            return everything, everything[:0]
        held = self._named(task) if self.file is not None else hashed(task) < self.share * 2**64
        if self.file is not None and not held.any():
            return everything, everything[:0]  # the file is about other tasks
        names = everything if task.units.groups is None else task.units.groups
        inside, outside = np.unique(names[held]), np.unique(names[~held])
        what = "units" if task.units.groups is None else "groups"
        if min(len(inside), len(outside)) < 2:
            raise InputError(
                f"confirm holds out {len(inside)} of the {len(inside) + len(outside)} {what} of {task.name}; at "
                "least two must be held out and two be left"
            )
        if len(np.intersect1d(inside, outside)):
            raise InputError(
                f"confirm: {self.file} holds out some units of a group of {task.name} and not the others, which are "
                "not independent of them; name all units of a group or none"
            )
        return everything[~held], everything[held]

    def _named(self, task: Task) -> npt.NDArray[np.bool_]:
        assert self.file is not None
        try:
            lines = self.file.read_text(encoding="utf-8-sig").splitlines()
            named = {line.strip() for line in lines if line.strip()}
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"confirm: {self.file} cannot be read ({error}); it holds unit ids, one a line") from None
        return np.isin(np.array(task.units.ids, dtype=object), list(named))


def confirmation(
    task: Task, chosen: Raw, best: Raw, held: Positions, margin: float, reference: Raw | None
) -> Mapping[str, Any]:
    """What the held-out units say of the chosen candidate against the one that was best on the others, x100 points."""
    statistic = Subset(task.statistic([chosen, best], reference), held)
    groups = None if task.units.groups is None else task.units.groups[held]
    points, draws = bootstrap(statistic, groups)
    count = None if groups is None else len(np.unique(groups))
    loss = difference(points, draws, 1, 0, len(held), count)
    return {
        "task": task.name,
        "units": len(held),
        "score": 100 * float(points[0]),
        "best_score": 100 * float(points[1]),
        "loss": 100 * float(points[1] - points[0]),
        "low": 100 * loss.low,
        "high": 100 * loss.high,
        "approximate": loss.why,
        "margin": margin,
        "holds": bool(100 * loss.high < margin),
    }
