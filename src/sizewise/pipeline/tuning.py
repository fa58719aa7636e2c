"""Weights and thresholds chosen by what they did for queries: arithmetic on values of units, whoever made them."""

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Fuse, Part, When, awaits_tuning, stages
from sizewise.data.task import Task, hashed
from sizewise.stats.risk import certified, units_needed

WEIGHTS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Of the first of two rankings: the ones that are tried."""
FOLDS = 5
"""Where a task has no queries to tune on, each fifth of its own is ranked by what the others chose."""
APART = 10
"""One of so many queries says only which thresholds are tried, so that those are not chosen by what is tested."""
SHARES = np.linspace(0.95, 0.0, 20)
"""Of the queries that are ranked again: a threshold is tried for each, the most careful first."""
DELTA = 0.05
"""The risk of a threshold may be above its bound with this probability."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found for one stage, and on how much."""

    stage: str
    """As it is written."""
    found: str
    """What stands in it instead: `w=0.35`, `when=margin<0.04`, `always`."""
    queries: int
    """Independent ones: of a group of queries, one."""
    share: float | None = None
    """Of these queries, those that are ranked again."""
    needed: int | None = None
    """Where nothing could be certified: so many queries are needed, even if none of them loses anything."""


def best_weight(values: Floats) -> float:
    """The one of WEIGHTS whose `values` float64 [weights, units] are best on average; of equal ones the most even."""
    means = values.mean(axis=1)
    best = np.flatnonzero(means >= means.max() - 1e-12)
    return WEIGHTS[min(best, key=lambda at: abs(WEIGHTS[at] - 0.5))]


def settings(candidate: Part) -> int:
    """Among how many settings of `candidate` tuning chooses: what is certified after that must hold for each."""
    own = len(WEIGHTS) if isinstance(candidate, Fuse) else len(SHARES) + 1
    return (own if awaits_tuning(candidate) else 1) * prod(settings(part) for part in stages(candidate))


def threshold(
    when: When, signals: Floats, losses: Floats, groups: npt.NDArray[np.int64], chosen_among: int = 1
) -> tuple[When | None, Tuned]:
    """The lowest threshold whose expected loss is below `when.risk` points with confidence 1 - DELTA, by
    `stats.risk.certified`; None, for all queries, where no threshold can be certified.

    Where what comes first was chosen among several settings on the same queries, the risk of error is shared out among
    them (Bonferroni).

    `signals` float64 [units], what each unit loses, float64 [units] (0 to 1), if it is not ranked again, and what is
    drawn independently, int64 [units]: of a group of units the mean counts.
    """
    assert when.risk is not None
    sizes = np.bincount(groups)
    drawn = np.random.default_rng(0).permutation(len(sizes))
    apart, tested = np.split(drawn, [max(1, len(drawn) // APART)])
    tried = np.unique(np.quantile(signals[np.isin(groups, apart)], SHARES, method="higher"))[::-1]
    tried = tried[np.isfinite(tried)]
    kept = np.array([np.bincount(groups, np.where(signals >= one, losses, 0.0)) / sizes for one in tried])
    delta = DELTA / chosen_among
    count = certified(kept[:, tested], when.risk / 100, delta) if len(tried) else 0
    if not count:
        needed = units_needed(when.risk / 100, delta)
        short = len(tested) < needed
        return None, Tuned("", "always", len(sizes), 1.0, needed + needed // (APART - 1) + 1 if short else None)
    limit = float(tried[count - 1])
    below = float(str(np.float32(limit)))  # signals are float32, and so written shortest they are compared alike
    found = When(when.signal, below)
    return found, Tuned("", f"when={when.signal}<{below}", len(sizes), float((signals < limit).mean()))


def folds(task: Task) -> npt.NDArray[np.int64]:
    """int64 [units]: the fold of each; those of a group have the same."""
    return (hashed(task) % FOLDS).astype(np.int64)
