"""Two runs side by side: which scores and costs differ by more than noise.

Scores. Every run bootstraps with the same seed, so on the same units of the same data the draws of both runs are of
the same resamples, and their difference is paired: what is hard or easy in the data falls out of it. On other units or
other data it does not, and the draws are then put in an order of their own, as those of independent samples. All
intervals hold together with 95%: Bonferroni's inequality over the comparisons made (Dunn, "Multiple comparisons among
means", JASA 56, 1961).

Costs. A figure changed when it differs by more than the larger drift of the two runs; what is arithmetic, by anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sizewise.cost.figures import COSTS, EXACT, Figures
from sizewise.decide.evidence import Evidence
from sizewise.stats.compare import difference
from sizewise.stats.intervals import CONFIDENCE, expanded

Floats = npt.NDArray[np.float64]
How = Literal["paired", "other resamples", "other units", "other data"]
SEED = 3
"""Of the order that independent draws are put in."""
EQUAL = 1e-9
"""Relative: what rounding may do to a figure that is arithmetic."""


@dataclass(frozen=True)
class Side:
    """One of the two runs: what it measured, and on what."""

    evidence: Evidence
    fingerprints: Mapping[str, str]
    """By task: equal for equal data."""
    held_out: Mapping[str, Sequence[str]]
    """By task: the ids of the units that were not decided on; tasks that hold none out are missing."""

    @classmethod
    def of(cls, evidence: Evidence, about: Mapping[str, Any]) -> "Side":
        """From a run's evidence and the rest of its run.json."""
        return cls(evidence, {one["name"]: one["fingerprint"] for one in about["tasks"]}, about.get("held_out", {}))


@dataclass(frozen=True)
class ScoreChange:
    """One candidate on one task in both runs, x100 points."""

    candidate: str
    task: str
    metric: str
    how: How
    """paired: the same units; other units: of the same data, another part is held out; other data: of the same name;
    other resamples: the same units, but another number of resamples. Only what is paired is compared unit by unit."""
    before: float
    after: float
    change: float
    low: float
    """The interval of the change, which holds together with those of all other comparisons."""
    high: float
    changed: bool
    """Whether the interval leaves out zero."""
    approximate: str
    """Why the interval cannot be relied on; empty where it can."""


@dataclass(frozen=True)
class CostChange:
    """One figure of one candidate in both runs."""

    candidate: str
    figure: str
    end_to_end: bool
    """Measured on the whole pipeline, or (False) composed or measured apart."""
    before: float
    after: float
    ratio: float | None
    """after / before; None where that was 0."""
    drift: float
    """The larger of the two runs', a ratio; 0 for what is arithmetic."""
    changed: bool


@dataclass(frozen=True)
class Between:
    """What differs between two runs."""

    scores: tuple[ScoreChange, ...]
    costs: tuple[CostChange, ...]
    not_compared: Mapping[str, str]
    """Tasks in both whose scores do not mean the same, and why."""
    candidates_only_before: tuple[str, ...]
    candidates_only_after: tuple[str, ...]
    tasks_only_before: tuple[str, ...]
    tasks_only_after: tuple[str, ...]

    @property
    def comparisons(self) -> int:
        """How many scores were compared: what the intervals are corrected for."""
        return len(self.scores)


def between(before: Side, after: Side) -> Between:
    """What changed from `before` to `after`, in the candidates and tasks that are in both."""
    tasks = ({task.name: task.metric for task in side.evidence.tasks} for side in (before, after))
    measured, again = tasks
    other = {
        name: f"measured by {metric} before and by {again[name]} after"
        for name, metric in measured.items()
        if again.get(name, metric) != metric
    }
    one, two = (tuple(side.evidence.figures) for side in (before, after))
    return Between(
        scores=tuple(_scores(before, after, [name for name in measured if name in again and name not in other])),
        costs=tuple(_costs(before.evidence, after.evidence)),
        not_compared=other,
        candidates_only_before=_without(one, two),
        candidates_only_after=_without(two, one),
        tasks_only_before=_without(tuple(measured), tuple(again)),
        tasks_only_after=_without(tuple(again), tuple(measured)),
    )


def _without(names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def _scores(before: Side, after: Side, tasks: list[str]) -> Iterator[ScoreChange]:
    cells = []
    for task in tasks:
        at, then = _place(before.evidence, task), _place(after.evidence, task)
        for i, name in enumerate(before.evidence.candidates):
            if name not in after.evidence.candidates:
                continue
            j = after.evidence.candidates.index(name)
            points = before.evidence.compared[at].points[i], after.evidence.compared[then].points[j]
            if not np.isnan(points).any():
                cells.append((task, at, then, name, i, j))
    for task, at, then, name, i, j in cells:
        yield _score(before, after, task, at, then, name, i, j, len(cells))


def _place(evidence: Evidence, task: str) -> int:
    return next(at for at, one in enumerate(evidence.tasks) if one.name == task)


def _score(
    before: Side, after: Side, task: str, at: int, then: int, name: str, i: int, j: int, comparisons: int
) -> ScoreChange:
    facts, others = before.evidence.tasks[at], after.evidence.tasks[then]
    first, second = before.evidence.compared[at], after.evidence.compared[then]
    how = pairing(before, after, at, then)
    draws = np.asarray(first.draws[i], np.float64), np.asarray(second.draws[j], np.float64)
    points = np.array([first.points[i], second.points[j]])
    units, groups = min(facts.units, others.units), min(facts.groups, others.groups)
    both = np.stack(draws if how == "paired" else independent(*draws))
    one = difference(points / 100, both / 100, 1, 0, units, groups)
    change = float(points[1] - points[0])
    low, high = together(change, 100 * one.low, 100 * one.high, comparisons, groups)
    return ScoreChange(
        candidate=name,
        task=task,
        metric=facts.metric,
        how=how,
        before=float(points[0]),
        after=float(points[1]),
        change=change,
        low=low,
        high=high,
        changed=low > 0 or high < 0,
        approximate=one.why,
    )


def pairing(before: Side, after: Side, at: int, then: int) -> How:
    """How the task at place `at` before and `then` after can be compared.

    Paired takes the same data, the same units decided on, and as many resamples. Should resamples differ after all, as
    they would where two versions of numpy draw other numbers from a seed, the interval is too wide and not too narrow:
    it then leaves out what both runs share.
    """
    facts, others = before.evidence.tasks[at], after.evidence.tasks[then]
    name = facts.name
    if before.fingerprints.get(name) is None or before.fingerprints.get(name) != after.fingerprints.get(name):
        return "other data"
    held = (set(side.held_out.get(name, ())) for side in (before, after))
    if next(held) != next(held) or (facts.units, facts.groups) != (others.units, others.groups):
        return "other units"
    resamples = before.evidence.compared[at].draws.shape[1], after.evidence.compared[then].draws.shape[1]
    return "paired" if resamples[0] == resamples[1] else "other resamples"


def independent(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Draws [b] and [c] as those of independent samples, [min(b, c)] both.

    In their own order they would go together where both samples have as many units, since the seed is the same.
    """
    count = min(len(first), len(second))
    shuffled = np.random.default_rng(SEED).permutation(len(second))
    return first[:count], second[shuffled][:count]


def together(point: float, low: float, high: float, comparisons: int, groups: int) -> tuple[float, float]:
    """A 95% interval widened about its `point`, so that `comparisons` such intervals hold together with 95%.

    Each side grows as the quantiles do: the tails at 0.05 / comparisons are further out than 2,000 resamples reach.
    """
    alone, all_of_them = (
        expanded(float(ndtri(1 - (1 - CONFIDENCE) / (2 * count))), groups) for count in (1, max(comparisons, 1))
    )
    wider = all_of_them / alone
    # An interval corrected for bias may lie beside its point; it must not shrink then.
    low, high = min(low, point - wider * (point - low)), max(high, point + wider * (high - point))
    return max(low, min(-100.0, point)), min(high, max(100.0, point))


def _costs(before: Evidence, after: Evidence) -> Iterator[CostChange]:
    pairs = ((before.figures, after.figures, False), (before.end_to_end, after.end_to_end, True))
    for earlier, later, end_to_end in pairs:
        for name, figures in earlier.items():
            if name in later:
                yield from _figures(before, after, name, figures, later[name], end_to_end)


def _figures(
    before: Evidence, after: Evidence, name: str, earlier: Figures, later: Figures, end_to_end: bool
) -> Iterator[CostChange]:
    for figure in COSTS:
        first, second = earlier.value(figure), later.value(figure)
        if first is None or second is None:
            continue
        drift = 0.0 if figure in EXACT else max(before.drift(figure), after.drift(figure))
        least, most = sorted((abs(first), abs(second)))
        yield CostChange(
            candidate=name,
            figure=figure,
            end_to_end=end_to_end,
            before=first,
            after=second,
            ratio=second / first if first else None,
            drift=drift,
            changed=most > least * (1 + max(drift, EQUAL)),
        )
