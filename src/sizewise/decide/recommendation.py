"""A recommendation: the choice with all its evidence, as data. `words` puts it in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sizewise.core.errors import InputError
from sizewise.cost.figures import COSTS, Figures
from sizewise.decide.evidence import Evidence
from sizewise.decide.frontier import BreakEven, MarginalStep, Point, break_even, marginal, points, steps
from sizewise.decide.recommend import Choice, alike, choose, closest, infeasible
from sizewise.decide.terms import Terms

OTHER_MARGINS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
"""Margins at which it is told whether the answer would change."""


@dataclass(frozen=True)
class Sensitivity:
    """What the answer would be if one thing were otherwise."""

    change: str
    verdict: str
    candidate: str | None


@dataclass(frozen=True)
class Recommendation:
    """The answer under some terms. Everything here is derived from the run's matrices and figures."""

    terms: Terms
    choice: Choice
    figures: Mapping[str, Any]
    """Of the chosen candidate; empty when there is none."""
    end_to_end: Mapping[str, Any]
    """The same, measured on the whole pipeline; empty when it was not."""
    best: str | None
    """Of the candidates without transforms, the one of highest mean score: what the savings are compared with."""
    savings: Mapping[str, tuple[float, float]]
    """By figure: value of `best`, value of the chosen one."""
    infeasible: Mapping[str, str]
    closest: tuple[tuple[str, str], ...]
    alike: Mapping[str, str]
    frontier: tuple[Point, ...]
    marginal: tuple[MarginalStep, ...]
    break_even: tuple[BreakEven, ...]
    sensitivity: tuple[Sensitivity, ...]
    fidelity_only: bool
    """No task has labels: what is decided on is agreement with a reference, not quality."""

    @property
    def candidate(self) -> str | None:
        """The candidate to use, in its string form."""
        return self.choice.candidate

    @property
    def verdict(self) -> str:
        """`proven`, `best guess` or `none`."""
        return self.choice.verdict

    def to_json(self) -> dict[str, Any]:
        return {"schema": 1, **asdict(self)}


def decide(evidence: Evidence, terms: Terms) -> Recommendation:
    """The recommendation under `terms`. Reads matrices and figures only; runs nothing.

    Raises InputError when `terms` give a margin for a task that the run does not have.
    """
    names = [task.name for task in evidence.tasks]
    if unknown := set(terms.margins) - set(names):
        raise InputError(f"there is no task {unknown.pop()!r} to have a margin; there are: {', '.join(names)}")
    choice = choose(evidence, terms)
    ladder = points(evidence, terms)
    best = _best_plain(evidence, ladder)
    return Recommendation(
        terms=terms,
        choice=choice,
        figures=_json(evidence.figures, choice.candidate),
        end_to_end=_json(evidence.end_to_end, choice.candidate),
        best=best,
        savings=_savings(evidence, choice.candidate, best),
        infeasible=infeasible(evidence, terms),
        closest=tuple(closest(evidence, terms)) if choice.candidate is None else (),
        alike=alike(evidence, terms),
        frontier=tuple(ladder),
        marginal=tuple(marginal(evidence, steps(ladder, evidence.drift(terms.minimise)))),
        break_even=tuple(break_even(evidence, terms, choice)),
        sensitivity=tuple(_sensitivity(evidence, terms, choice)),
        fidelity_only=bool(evidence.tasks) and not any(task.is_quality for task in evidence.tasks),
    )


def _best_plain(evidence: Evidence, ladder: Sequence[Point]) -> str | None:
    """What one would use without looking for savings; any candidate where all have transforms."""
    plain = [point for point in ladder if point.candidate in evidence.plain]
    best = max(plain or ladder, key=lambda point: point.quality, default=None)
    return None if best is None else best.candidate


def _json(figures: Mapping[str, Figures], candidate: str | None) -> dict[str, Any]:
    return figures[candidate].to_json() if candidate is not None and candidate in figures else {}


def _savings(evidence: Evidence, chosen: str | None, best: str | None) -> dict[str, tuple[float, float]]:
    if chosen is None or best is None or chosen == best:
        return {}
    found = {}
    for name in COSTS:
        before, after = evidence.figures[best].value(name), evidence.figures[chosen].value(name)
        if before is not None and after is not None and before != after:
            found[name] = (before, after)
    return found


def _sensitivity(evidence: Evidence, terms: Terms, choice: Choice) -> list[Sensitivity]:
    """Other margins, and each limit lifted: only what gives another answer."""
    own = any(terms.margin_of(task.name, task.margin) != terms.margin for task in evidence.tasks)
    where = " on every task" if own else ""
    names = [task.name for task in evidence.tasks] if own else []
    others = [
        (f"a margin of {margin:g} points{where}", replace(terms, margin=margin, margins=dict.fromkeys(names, margin)))
        for margin in OTHER_MARGINS
    ]
    for name in terms.limits:
        limits = {key: limit for key, limit in terms.limits.items() if key != name}
        others.append((f"no limit on {name}", replace(terms, limits=limits)))
    found = []
    for change, asked in others:
        other = choose(evidence, asked)
        if (other.candidate, other.verdict) != (choice.candidate, choice.verdict):
            found.append(Sensitivity(change, other.verdict, other.candidate))
    return found
