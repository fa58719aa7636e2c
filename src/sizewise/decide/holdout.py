"""Units held out of the decision, to confirm it once: chosen by name, so that every candidate and every run agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.task import Raw, Task
from sizewise.stats.compare import difference
from sizewise.stats.statistics import bootstrap
from sizewise.stats.subset import Subset

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Holdout:
    """Which units are held out: a share of the groups (or units), or those that a file names, one id a line."""

    share: float = 0.0
    file: Path | None = None

    def __bool__(self) -> bool:
        return self.share > 0 or self.file is not None

    def split(self, task: Task) -> tuple[Positions, Positions]:
        """Positions of the task's units to decide on, and of those held out.

        Raises InputError when either part would be empty of groups, or the file cannot be read.
        """
        everything = np.arange(len(task.units))
        if not self:
            return everything, everything[:0]
        held = self._named(task) if self.file is not None else self._drawn(task)
        if held.all() or (self.file is None and not held.any()):
            raise InputError(f"confirm holds out {held.sum()} of the {len(held)} units of {task.name}; change it")
        return everything[~held], everything[held]

    def _drawn(self, task: Task) -> npt.NDArray[np.bool_]:
        """By a hash of each group's or unit's name: adding units later moves none of the others."""
        codes = task.units.ids if task.units.groups is None else task.units.groups.tolist()
        hashes = [sha256(f"{task.name}\0{code}".encode()).digest()[:8] for code in codes]
        return np.array([int.from_bytes(one) < self.share * 2**64 for one in hashes], dtype=bool)

    def _named(self, task: Task) -> npt.NDArray[np.bool_]:
        assert self.file is not None
        try:
            named = set(self.file.read_text(encoding="utf-8").splitlines())
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
