"""The frontier of quality against cost, the steps up the ladder, and what a shape would have to be worth."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sizewise.cost.figures import MORE_IS_BETTER
from sizewise.decide.evidence import Compared, Evidence, TaskFacts
from sizewise.decide.recommend import Choice
from sizewise.decide.terms import Terms
from sizewise.stats.compare import difference

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A candidate on the plane of quality (mean over the deciding tasks, for plots only) and cost."""

    candidate: str
    quality: float
    low: float
    high: float
    cost: float
    on_frontier: bool
    probability: float
    """Share of joint resamples in which no cheaper candidate is as good."""


@dataclass(frozen=True)
class Change:
    """What a step gains on one task: x100 points with a 95% interval, paired."""

    task: str
    gain: float
    low: float
    high: float
    approximate: str
    """Why the interval cannot be relied on; empty where it can."""


@dataclass(frozen=True)
class MarginalStep:
    """One step up the ladder: from a frontier candidate to the next dearer one."""

    start: str
    to: str
    cost_from: float
    cost_to: float
    gains: tuple[Change, ...]


@dataclass(frozen=True)
class BreakEven:
    """What a shape would have to score before the chosen candidate were no longer good enough."""

    shape: str
    cost: float
    times: float
    """How many times dearer than the chosen candidate; of throughput, how many times slower."""
    scores: tuple[tuple[str, float, float], ...]
    """Task, score needed, score of the chosen candidate. Above 100: it could not be worth it there."""


def points(evidence: Evidence, terms: Terms) -> list[Point]:
    """All candidates with a score on every deciding task and a known cost, cheapest first."""
    sign = -1.0 if terms.minimise in MORE_IS_BETTER else 1.0
    rows = [
        at
        for at, name in enumerate(evidence.candidates)
        if evidence.figures[name].value(terms.minimise) is not None
        and not any(np.isnan(evidence.compared[t].points[at]) for t in evidence.deciding)
    ]
    if not rows:
        return []
    costs = np.array([sign * (evidence.figures[evidence.candidates[at]].value(terms.minimise) or 0.0) for at in rows])
    quality = np.mean([evidence.compared[t].points[rows] for t in evidence.deciding], axis=0)
    draws = np.mean([evidence.compared[t].draws[rows] for t in evidence.deciding], axis=0)
    order = np.lexsort((-quality, costs))
    here = undominated(quality[order, None], costs[order])[:, 0]
    often = undominated(draws[order], costs[order]).mean(axis=1)
    shift = quality - draws.mean(axis=1)  # the bootstrap's own bias, large for clusterings, is not the candidate's
    low, high = np.quantile(draws + shift[:, None], [0.025, 0.975], axis=1)
    return [
        Point(
            candidate=evidence.candidates[rows[at]],
            quality=float(quality[at]),
            low=float(low[at]),
            high=float(high[at]),
            cost=float(sign * costs[at]),
            on_frontier=bool(here[place]),
            probability=float(often[place]),
        )
        for place, at in enumerate(order)
    ]


def undominated(quality: Floats, costs: Floats) -> npt.NDArray[np.bool_]:
    """For quality [C, B] sorted by cost: whether no other is as cheap and better, or cheaper and as good."""
    best = np.full(quality.shape[1], -np.inf)
    result = np.zeros(quality.shape, dtype=bool)
    for cost in np.unique(costs):
        same = np.flatnonzero(costs == cost)
        top = quality[same].max(axis=0)
        result[same] = (quality[same] == top) & (top > best)
        best = np.maximum(best, top)
    return result


def steps(ladder: list[Point], drift: float) -> list[Point]:
    """The frontier with costs that drift cannot tell apart joined: of those, the one of highest quality."""
    result: list[Point] = []
    base = 0.0
    for point in (one for one in ladder if one.on_frontier):
        if result and abs(point.cost - base) <= drift * abs(base):
            result[-1] = point  # along the frontier quality rises
        else:
            result.append(point)
            base = point.cost
    return result


def marginal(evidence: Evidence, rungs: list[Point]) -> list[MarginalStep]:
    """Each step up the ladder: what it gains on every deciding task, with a paired interval, and what it costs."""
    result = []
    for start, to in pairwise(rungs):
        i, j = evidence.candidates.index(to.candidate), evidence.candidates.index(start.candidate)
        gains = [change(evidence.tasks[t], evidence.compared[t], i, j) for t in evidence.deciding]
        result.append(MarginalStep(start.candidate, to.candidate, start.cost, to.cost, tuple(gains)))
    return result


def change(facts: TaskFacts, compared: Compared, i: int, j: int) -> Change:
    """What candidate `i` gains over candidate `j` on one task."""
    one = difference(compared.points / 100, compared.draws / 100, i, j, facts.units, facts.groups)
    gain = float(compared.points[i] - compared.points[j])
    return Change(facts.name, gain, 100 * one.low, 100 * one.high, one.why)


def break_even(evidence: Evidence, terms: Terms, choice: Choice) -> list[BreakEven]:
    """For each shape with a known cost: the score that would unseat the chosen candidate, on each task."""
    result = []
    for shape in evidence.shapes:
        cost = evidence.figures[shape].value(terms.minimise)
        if not cost or not choice.cost:
            continue
        times = choice.cost / cost if terms.minimise in MORE_IS_BETTER else cost / choice.cost
        scores = tuple((one.task, one.score + one.margin, one.score) for one in choice.tasks)
        result.append(BreakEven(shape, cost, times, scores))
    return result
