"""Two runs side by side, as data and on the terminal: what changed, what else differs, what each recommends."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console, ConsoleRenderable
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sizewise.cost.figures import written
from sizewise.decide.between import Between, CostChange, ScoreChange, Side, between
from sizewise.decide.recommendation import Recommendation
from sizewise.study.run import Run

MOST_ROWS = 24
"""Changed scores in the table, the largest first; `--json` has all."""
MOST_NAMES = 8
"""Candidates or tasks named in one sentence."""
CORRECTION = "Bonferroni (Dunn, JASA 56, 1961)"


@dataclass(frozen=True)
class Difference:
    """Something that is not the same in both runs and may be why scores or costs differ."""

    what: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Comparison:
    """Two runs, what changed between them, and what they recommend under their own terms."""

    before: Run
    after: Run
    found: Between
    surroundings: tuple[Difference, ...]
    recommended: tuple[Recommendation, Recommendation]

    @property
    def answers(self) -> tuple[tuple[str | None, str], tuple[str | None, str]]:
        """Candidate and verdict, before and after."""
        one, two = self.recommended
        return (one.candidate, one.verdict), (two.candidate, two.verdict)

    def to_json(self) -> dict[str, Any]:
        """The `--json` document."""
        return {
            "schema": 1,
            "before": _side(self.before, *self.answers[0]),
            "after": _side(self.after, *self.answers[1]),
            "recommendation_changed": self.answers[0] != self.answers[1],
            "surroundings": [asdict(one) for one in self.surroundings],
            "comparisons": self.found.comparisons,
            "correction": CORRECTION,
            **asdict(self.found),
        }


def _side(run: Run, candidate: str | None, verdict: str) -> dict[str, Any]:
    return {"folder": str(run.folder), "name": run.about["name"], "candidate": candidate, "verdict": verdict}


def compared(before: Run, after: Run) -> Comparison:
    """What changed from one run to the other, each under its own terms and prices."""
    found = between(Side.of(before.evidence, before.about), Side.of(after.evidence, after.about))
    return Comparison(before, after, found, tuple(surroundings(before, after)), (before.recommend(), after.recommend()))


def surroundings(before: Run, after: Run) -> Iterator[Difference]:
    """Hardware, versions, threads, prices and terms that are not the same."""
    one, two = (
        flat({**run.about["environment"], "cost texts": run.about["cost_texts"], "documents": run.about["documents"]})
        | flat({"prices": run.about["prices"], "terms": asdict(run.terms)})
        for run in (before, after)
    )
    for what in dict.fromkeys((*one, *two)):
        if one.get(what) != two.get(what):
            yield Difference(what, one.get(what), two.get(what))


def flat(found: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as one: `{"versions": {"torch": "2"}}` -> `{"versions torch": "2"}`."""
    result: dict[str, Any] = {}
    for name, value in found.items():
        path = f"{above} {name}".strip()
        result |= flat(value, path) if isinstance(value, Mapping) else {path: value}
    return result


def show(console: Console, comparison: Comparison) -> None:
    """The comparison on the terminal: tables, then what they come to."""
    found = comparison.found
    for part in (*_surroundings(comparison), *_scores(found), *_costs(found)):
        console.print(Padding(part, (0, 0, 1, 0)))
    for line in sentences(comparison):
        console.print(line, highlight=False, soft_wrap=True)


def sentences(comparison: Comparison) -> list[str]:
    """What the comparison comes to, one sentence or two to an entry."""
    parts = (_scores_in_words, _costs_in_words, _only, _recommendation)
    return [sentence for part in parts for sentence in part(comparison)]


def _scores_in_words(comparison: Comparison) -> Iterator[str]:
    found = comparison.found
    changed = [one for one in found.scores if one.changed]
    if not found.scores:
        yield "No candidate has a score on a task that is in both runs: no score was compared."
        return
    yield (
        f"Scores: {len(changed)} of {found.comparisons} changed beyond noise. The intervals hold for all of them "
        f"together with 95%: {CORRECTION}."
    )
    for how, words in HOW.items():
        tasks = dict.fromkeys(one.task for one in found.scores if one.how == how)
        if tasks:
            yield f"{_names(tuple(tasks))}: {words}."
    fidelity = tuple(task.name for task in comparison.before.evidence.tasks if not task.is_quality)
    if fidelity:
        yield f"{_names(fidelity)}: agreement with the reference candidate of each run, not quality."
    for task, why in found.not_compared.items():
        yield f"{task}: {why}, so its scores were not compared."


HOW = {
    "paired": "the same units in both runs, compared unit by unit",
    "other resamples": "the same units, but another number of resamples, compared as independent samples",
    "other units": "the same data, but other units are held out, compared as independent samples",
    "other data": "other data under the same name, compared as independent samples",
}


def _costs_in_words(comparison: Comparison) -> Iterator[str]:
    costs = comparison.found.costs
    if costs:
        yield (
            f"Costs: {sum(one.changed for one in costs)} of {len(costs)} figures changed by more than the larger drift "
            "of the two runs. Drift is what a figure moves within a run: that a machine was busy all through one of "
            "them is not in it."
        )


def _only(comparison: Comparison) -> Iterator[str]:
    found = comparison.found
    for folder, candidates, tasks in (
        (comparison.before.folder, found.candidates_only_before, found.tasks_only_before),
        (comparison.after.folder, found.candidates_only_after, found.tasks_only_after),
    ):
        if candidates:
            yield f"Candidates only in {folder}: {_names(candidates)}."
        if tasks:
            yield f"Tasks only in {folder}: {_names(tasks)}."


def _recommendation(comparison: Comparison) -> Iterator[str]:
    first, second = (
        f"{candidate} ({verdict})" if candidate is not None else "no candidate"
        for candidate, verdict in comparison.answers
    )
    if first == second:
        yield f"Both runs recommend {first}."
    else:
        yield f"The recommendation changed: {first} before, {second} after."
    if comparison.before.terms != comparison.after.terms:
        yield "Each run decides under its own terms, and these differ."


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"


def _surroundings(comparison: Comparison) -> Iterator[ConsoleRenderable]:
    if not comparison.surroundings:
        yield Text("Hardware, versions, threads, prices and terms are the same in both runs.")
        return
    table = Table("what else differs", title_justify="left")
    for folder in (comparison.before.folder, comparison.after.folder):
        table.add_column(str(folder), overflow="fold")
    for one in comparison.surroundings:
        table.add_row(one.what, *("-" if value is None else str(value) for value in (one.before, one.after)))
    yield table


def _scores(found: Between) -> Iterator[ConsoleRenderable]:
    changed = sorted((one for one in found.scores if one.changed), key=lambda one: -abs(one.change))
    if not changed:
        return
    count = f"{min(len(changed), MOST_ROWS)} of {len(changed)}"
    table = Table(title=f"Scores that changed beyond noise ({count}, the largest first)", title_justify="left")
    table.add_column("candidate", overflow="fold")
    for heading in ("task", "metric"):
        table.add_column(heading, overflow="fold")
    for heading in ("before", "after", "change (interval)"):
        table.add_column(heading, justify="right")
    for one in changed[:MOST_ROWS]:
        scores = (f"{one.before:.1f}", f"{one.after:.1f}", interval(one))
        table.add_row(one.candidate, one.task, one.metric, *scores)
    yield table


def interval(one: ScoreChange) -> str:
    """`-2.1 (-3.0 to -1.2)`, with a `~` where it is approximate."""
    return f"{one.change:+.2f} ({one.low:+.2f} to {one.high:+.2f}){'~' if one.approximate else ''}"


def _costs(found: Between) -> Iterator[ConsoleRenderable]:
    """One row a figure: candidates of one encoder change alike, and a row for each would hide that."""
    changed = [one for one in found.costs if one.changed]
    if not changed:
        return
    table = Table("figure", title="Costs that changed by more than drift", title_justify="left")
    for heading in ("drift", "candidates", "changed", "after / before, median", "least", "most"):
        table.add_column(heading, justify="right")
    for figure, end_to_end in dict.fromkeys((one.figure, one.end_to_end) for one in changed):
        same = [one for one in found.costs if (one.figure, one.end_to_end) == (figure, end_to_end)]
        name = f"{figure}, end to end" if end_to_end else figure
        table.add_row(name, f"{100 * same[0].drift:.0f}%", str(len(same)), *_ratios(same))
    yield table


def _ratios(same: Sequence[CostChange]) -> Iterator[str]:
    """How many changed, and by what: the median, least and most of those that did."""
    changed = [one for one in same if one.changed]
    ratios = [one.ratio for one in changed if one.ratio is not None]
    yield str(len(changed))
    for value in (np.median(ratios), np.min(ratios), np.max(ratios)) if ratios else (None, None, None):
        yield "-" if value is None else f"x {written(float(value))}"
