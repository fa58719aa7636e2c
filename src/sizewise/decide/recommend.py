"""The decision: the cheapest candidate within the limits that is not worse than any feasible one by the margin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sizewise.cost.figures import MORE_IS_BETTER, Figures
from sizewise.decide.evidence import Evidence
from sizewise.decide.terms import Terms, breach
from sizewise.stats.compare import units_needed

Floats = npt.NDArray[np.float64]
Verdict = Literal["proven", "best guess", "none"]


@dataclass(frozen=True)
class OnTask:
    """How the chosen candidate stands on one task, in x100 points."""

    task: str
    metric: str
    score: float
    low: float
    high: float
    best: str
    """The feasible candidate that scores best."""
    best_score: float
    loss: float
    """Point estimate against the best."""
    bound: float | None
    """95% upper bound on the loss against any feasible candidate; None where the task has too few units for one."""
    margin: float
    units_needed: float | None
    """About how many units would prove the margin; None when proven or when no number would."""


@dataclass(frozen=True)
class Choice:
    """One decision under one set of terms."""

    verdict: Verdict
    candidate: str | None
    cost: float | None
    tasks: tuple[OnTask, ...]
    provable_margin: float | None
    """The smallest margin, common or scaled from the tasks' own, at which these data prove the candidate."""
    proven_at_that_margin: str | None
    """The cheapest candidate that is proven at `provable_margin`."""
    within_margin: bool
    """Whether the point estimates are within the margin on every task."""
    tied: tuple[str, ...]
    """Others at the same cost, up to drift, that would have done too."""
    feasible: int
    """Candidates within the limits: with one, there was nothing to compare it with."""


@dataclass(frozen=True)
class Board:
    """The arrays of one decision: feasible candidates only, deciding tasks only."""

    names: tuple[str, ...]
    costs: Floats
    """[F], smaller is better."""
    loss: Floats
    """[T, F]: point loss against the best feasible candidate."""
    bound: Floats
    """[T, F]: largest upper bound on the loss against a feasible candidate; inf where none can be trusted."""
    margins: Floats
    """[T]."""
    drift: float

    @property
    def worst_bound(self) -> Floats:
        """[F]: the factor by which all margins must be multiplied for the candidate to be proven."""
        return np.asarray((self.bound / self.margins[:, None]).max(axis=0))

    @property
    def worst_loss(self) -> Floats:
        """[F]: the same for point estimates."""
        return np.asarray((self.loss / self.margins[:, None]).max(axis=0))


def infeasible(evidence: Evidence, terms: Terms) -> dict[str, str]:
    """Candidates out of the running and why: a limit broken or unmeasured, no cost to minimise, a task not done,
    or made by training and not shown to hold up against what it was made from."""
    reasons: dict[str, str] = {}
    for at, name in enumerate(evidence.candidates):
        figures = evidence.figures[name]
        undone = [evidence.tasks[t].name for t in evidence.deciding if np.isnan(evidence.compared[t].points[at])]
        broken = _broken(terms, figures, evidence.end_to_end.get(name))
        if undone:
            reasons[name] = f"it does not apply to {', '.join(undone)}"
        elif broken:
            reasons[name] = "; ".join(broken)
        elif figures.value(terms.minimise) is None:
            reasons[name] = f"{terms.minimise} was not measured"
        elif withheld := _withheld(evidence, terms, name):
            reasons[name] = withheld
    return reasons


def _withheld(evidence: Evidence, terms: Terms, name: str) -> str | None:
    """Why the units that a made model never saw do not speak for it; None where they do, or where it was not made.

    The bound on its loss against what it was made from must be below the margin, for fine-tuned models below zero.
    """
    if (origin := evidence.origins.get(name)) is None:
        return None
    if origin.start is None:
        return f"it was made from {origin.named}, which is not here to be compared with"
    at, start = evidence.candidates.index(name), evidence.candidates.index(origin.start)
    failed = []
    for t in evidence.deciding:
        facts, compared = evidence.tasks[t], evidence.compared[t]
        allowed = 0.0 if origin.must_gain else terms.margin_of(facts.name, facts.margin)
        if not (facts.can_prove and compared.bounds[at, start] < allowed):
            failed.append(facts.name)
    if not failed:
        return None
    what = "no gain" if origin.must_gain else "no loss within the margin"
    return f"made from {origin.start}, it shows {what} against it on {', '.join(failed)}"


def _broken(terms: Terms, figures: Figures, end_to_end: Figures | None) -> list[str]:
    """The limits that a candidate breaks by its figures or, where it was measured end to end, by those."""
    found = []
    for name, limit in terms.limits.items():
        if why := breach(name, limit, figures.value(name)):
            found.append(why)
        elif end_to_end and (value := end_to_end.value(name)) is not None and (why := breach(name, limit, value)):
            found.append(f"measured end to end, {why}")
    return found


def board(evidence: Evidence, terms: Terms) -> Board:
    """The arrays to decide on."""
    out = infeasible(evidence, terms)
    rows = np.array([at for at, name in enumerate(evidence.candidates) if name not in out], dtype=np.int64)
    names = tuple(evidence.candidates[at] for at in rows)
    sign = -1.0 if terms.minimise in MORE_IS_BETTER else 1.0
    costs = np.array([sign * (evidence.figures[name].value(terms.minimise) or 0.0) for name in names])
    loss, bound, margins = [], [], []
    for t in evidence.deciding:
        facts, compared = evidence.tasks[t], evidence.compared[t]
        points = compared.points[rows]
        loss.append(points.max(initial=-np.inf) - points)
        worst = compared.bounds[np.ix_(rows, rows)].max(axis=1, initial=0.0)
        bound.append(worst if facts.can_prove else np.full(len(rows), np.inf))
        margins.append(terms.margin_of(facts.name, facts.margin))
    return Board(names, costs, np.array(loss), np.array(bound), np.array(margins), evidence.drift(terms.minimise))


def choose(evidence: Evidence, terms: Terms) -> Choice:
    """The candidate to use under `terms`: proven where the data allow it, else a best guess, never dressed as proof."""
    found = board(evidence, terms)
    if not found.names:
        return Choice("none", None, None, (), None, None, within_margin=False, tied=(), feasible=0)
    proven = found.worst_bound < 1.0
    guess = found.worst_loss < 1.0
    verdict: Verdict = "proven" if proven.any() else "best guess"
    allowed = proven if proven.any() else guess if guess.any() else found.worst_loss <= found.worst_loss.min()
    chosen, tied = cheapest(found, allowed)
    factor = float(found.worst_bound[chosen])
    at_factor, _ = cheapest(found, found.worst_bound <= factor) if np.isfinite(factor) else (None, ())
    return Choice(
        verdict=verdict,
        candidate=found.names[chosen],
        cost=evidence.figures[found.names[chosen]].value(terms.minimise),
        tasks=_on_tasks(evidence, found, chosen),
        provable_margin=factor * terms.margin if np.isfinite(factor) else None,
        proven_at_that_margin=None if at_factor is None else found.names[at_factor],
        within_margin=bool(guess[chosen]),
        tied=tuple(found.names[at] for at in tied),
        feasible=len(found.names),
    )


def cheapest(found: Board, allowed: npt.NDArray[np.bool_]) -> tuple[int, tuple[int, ...]]:
    """The cheapest allowed candidate and those tied with it; among costs within drift of the least, the better wins.

    Better is the one that needs the smallest margin; without bounds, the one that loses least.
    """
    least = found.costs[allowed].min()
    tied = np.flatnonzero(allowed & (found.costs <= least + found.drift * abs(least)))
    better = np.lexsort((found.costs[tied], found.worst_loss[tied], found.worst_bound[tied]))
    return int(tied[better[0]]), tuple(int(at) for at in tied[better[1:]])


def _on_tasks(evidence: Evidence, found: Board, chosen: int) -> tuple[OnTask, ...]:
    name = found.names[chosen]
    at = evidence.candidates.index(name)
    result = []
    for row, t in enumerate(evidence.deciding):
        facts, compared = evidence.tasks[t], evidence.compared[t]
        best = found.names[int(found.loss[row].argmin())]
        loss, bound, margin = (
            float(x) for x in (found.loss[row, chosen], found.bound[row, chosen], found.margins[row])
        )
        needed = units_needed(loss, bound, margin, facts.units) if np.isfinite(bound) and bound >= margin else None
        result.append(
            OnTask(
                task=facts.name,
                metric=facts.metric,
                score=float(compared.points[at]),
                low=float(compared.low[at]),
                high=float(compared.high[at]),
                best=best,
                best_score=float(compared.points[evidence.candidates.index(best)]),
                loss=loss,
                bound=bound if np.isfinite(bound) else None,
                margin=margin,
                units_needed=needed if needed is not None and np.isfinite(needed) else None,
            )
        )
    return tuple(result)


def alike(evidence: Evidence, terms: Terms) -> Mapping[str, str]:
    """Tasks that tell no candidates apart, and how: all within the margin of each other, or saturated."""
    found: dict[str, str] = {}
    for t in evidence.deciding:
        facts, compared = evidence.tasks[t], evidence.compared[t]
        points = compared.points[~np.isnan(compared.points)]
        if len(points) < 2:
            continue
        margin = terms.margin_of(facts.name, facts.margin)
        if points.min() >= SATURATED:
            found[facts.name] = f"saturated: every candidate scores {points.min():.1f} or more"
        elif facts.can_prove and np.nanmax(compared.bounds) < margin:
            found[facts.name] = f"all candidates are alike: proven within {margin:g} points of each other"
        elif np.ptp(points) == 0:
            found[facts.name] = "all candidates score the same"
    return found


SATURATED = 99.0
"""A score from which a task says no more about differences."""


def closest(evidence: Evidence, terms: Terms) -> Sequence[tuple[str, str]]:
    """When nothing is feasible: for up to three candidates, which limits they break, those that break least first."""
    reasons = infeasible(evidence, terms)

    def severity(name: str) -> float:
        worst = 0.0
        for figure, limit in terms.limits.items():
            value = evidence.figures[name].value(figure)
            if value is None:
                return np.inf
            over, under = (limit, value) if figure in MORE_IS_BETTER else (value, limit)
            worst = max(worst, over / under if under else np.inf)
        return worst

    return [(name, reasons[name]) for name in sorted(reasons, key=severity)[:3]]
