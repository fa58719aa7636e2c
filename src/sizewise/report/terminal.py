"""A run on the terminal: what was measured, the ladder, and the recommendation in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console, ConsoleRenderable
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sizewise.certify.certificate import Certificate
from sizewise.core.text import printable
from sizewise.cost.figures import Figures, written
from sizewise.decide.evidence import Evidence
from sizewise.decide.recommendation import Recommendation
from sizewise.decide.words import UNITS, sentences

MOST_ROWS = 24
"""Candidates in the table; the run folder has all of them."""
MOST_NAME = 80
"""Characters of a slice's name."""
SHORT = {
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "texts_per_s": "texts/s",
    "memory_mb": "memory MB",
    "bytes_per_vector": "bytes/vector",
    "monthly_cost": "cost/month",
    "parameters": "parameters",
    "disk_mb": "disk MB",
}
END_TO_END = ("p50_ms", "p95_ms", "memory_mb")
COLUMNS = ("monthly_cost", "p95_ms", "texts_per_s", "memory_mb", "bytes_per_vector")
NAME_WIDTH, SCORE_WIDTH, COST_WIDTH = 32, 13, 12
"""Characters that a column needs, about: on a narrow terminal fewer costs are shown, the minimised one first."""


def show_recommendation(console: Console, found: Recommendation) -> None:
    """The answer in words."""
    lines = sentences(found)
    title = {
        "proven": "Recommendation: proven",
        "best guess": "Recommendation: best guess",
        "none": "No recommendation",
    }
    style = {"proven": "green", "best guess": "yellow", "none": "red"}[found.verdict]
    body = Text("\n\n").join([Text(lines[0], style="bold"), Text("\n".join(lines[1:]))])
    console.print(Panel(body, title=title[found.verdict], border_style=style, padding=(1, 2)))


def show_run(console: Console, evidence: Evidence, found: Recommendation, about: Mapping[str, Any]) -> None:
    """Tasks, candidates by cost, shapes, steps up the ladder, and the answer."""
    for part in (
        *_tasks(evidence, about),
        _candidates(evidence, found, console.width),
        *_end_to_end(evidence),
        *_shapes(evidence),
        *_engines(about),
        *_marginal(found),
        *_slices(evidence, found, about),
    ):
        console.print(Padding(part, (0, 0, 1, 0)))
    show_recommendation(console, found)
    if about.get("confirmation"):
        console.print(Text("\n".join(_confirmation(about["confirmation"]))))


def _confirmation(logged: Mapping[str, Any]) -> Iterator[str]:
    yield f"Held-out units were opened on {logged['opened']} for {logged['candidate']}:"
    for one in logged["tasks"]:
        verdict = "within the margin" if one["holds"] else "not shown to be within the margin"
        mark = " ~" if one["approximate"] else ""
        yield (
            f"{one['task']}: {one['score']:.1f} on {one['units']} units, loss {one['loss']:+.1f} "
            f"({one['low']:+.1f} to {one['high']:+.1f}{mark}), {verdict} of {one['margin']:g}."
        )


def _end_to_end(evidence: Evidence) -> Iterator[ConsoleRenderable]:
    if not evidence.end_to_end:
        return
    table = Table("finalist", title="Measured end to end, query to ranking", title_justify="left")
    for name in END_TO_END:
        table.add_column(f"{SHORT[name]}\n(composed)", justify="right")
    for name, figures in evidence.end_to_end.items():
        pairs = [(_figure(figures, one), _figure(evidence.figures[name], one)) for one in END_TO_END]
        table.add_row(name, *(f"{measured} ({composed})" for measured, composed in pairs))
    yield table


def _tasks(evidence: Evidence, about: Mapping[str, Any]) -> Iterator[ConsoleRenderable]:
    table = Table("task", "kind", "metric", "units", "groups", "texts cut off", title="Tasks", title_justify="left")
    for task in evidence.tasks:
        groups = str(task.groups) if task.groups != task.units else "-"
        table.add_row(task.name, task.kind, task.metric, f"{task.units:,}", groups, _cut(task.name, about))
    yield table
    notes = [f"{task.name}: {note}" for task in evidence.tasks for note in task.notes]
    if notes:
        yield Text("\n".join(notes), style="dim")


def _cut(task: str, about: Mapping[str, Any]) -> str:
    """The largest share of texts that a model's limit cuts off on the task."""
    shares = [
        one["truncated_texts"] / one["texts"]
        for one in about.get("truncation", ())
        if one["task"] == task and one["texts"]
    ]
    return f"{100 * max(shares):.1f}%" if shares else "not known"


def _candidates(evidence: Evidence, found: Recommendation, width: int) -> Table:
    shown = _shown(evidence, found)
    first = dict.fromkeys((found.terms.minimise, *COLUMNS))
    known = [name for name in first if any(evidence.figures[one].value(name) is not None for one in shown)]
    costs = known[: max(1, (width - NAME_WIDTH - SCORE_WIDTH * len(evidence.tasks)) // COST_WIDTH)]
    count = f"{len(shown)} of {len(evidence.candidates)}"
    minimised = SHORT.get(found.terms.minimise, UNITS[found.terms.minimise])
    title = f"Candidates by {minimised} ({count}; > recommended, * frontier)"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("candidate", overflow="fold")
    for name in costs:
        table.add_column(SHORT.get(name, name), justify="right", overflow="fold")
    for task in evidence.tasks:
        table.add_column(f"{task.name}\n{task.metric}", justify="right", overflow="fold")
    frontier = {point.candidate for point in found.frontier if point.on_frontier}
    for name in shown:
        mark = ">" if name == found.candidate else "*" if name in frontier else ""
        at = evidence.candidates.index(name)
        scores = [_score(one.points[at], one.low[at], one.high[at], one.approximate[at]) for one in evidence.compared]
        figures = [_figure(evidence.figures[name], column) for column in costs]
        table.add_row(mark, name, *figures, *scores, style="bold" if mark == ">" else "")
    return table


def _shown(evidence: Evidence, found: Recommendation) -> Sequence[str]:
    """The recommended candidate, the frontier and the plainest others, by the cost that is minimised."""
    ranked = {point.candidate: not point.on_frontier for point in found.frontier}
    wanted = sorted(
        evidence.candidates, key=lambda one: (one != found.candidate, ranked.get(one, True), one.count("+"))
    )
    cost = {name: evidence.figures[name].value(found.terms.minimise) for name in evidence.candidates}
    return sorted(wanted[:MOST_ROWS], key=lambda one: np.inf if cost[one] is None else float(cost[one] or 0.0))


def _shapes(evidence: Evidence) -> Iterator[ConsoleRenderable]:
    if not evidence.shapes:
        return
    columns = ("parameters", "p50_ms", "p95_ms", "texts_per_s", "memory_mb", "disk_mb", "monthly_cost")
    table = Table("shape", title="Shapes (random weights: cost only)", title_justify="left")
    for name in columns:
        table.add_column(SHORT[name], justify="right")
    for shape in evidence.shapes:
        table.add_row(shape, *(_figure(evidence.figures[shape], name) for name in columns))
    yield table


def _engines(about: Mapping[str, Any]) -> Iterator[ConsoleRenderable]:
    """A line for each engine: cosines with the reference's vectors, and the verdict."""
    found = [Certificate.from_json(one) for one in about.get("engines", ())]
    if not found:
        return
    headings = ("worst", "1%", "5%", "mean", "alone and\nin batches", "same\ntop 10")
    table = Table("engine", title="Engines: cosine with float32 on torch", title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_column("offered")
    for one in found:
        cosines = [f"{value:.4f}" for value in (one.worst, one.p1, one.p5, one.mean, one.neighbours.worst)]
        shared = [on.top10 for on in one.tasks if on.top10 is not None]
        top10 = f"{100 * min(shared):.1f}%" if shared else "-"
        table.add_row(one.engine, *cosines, top10, "yes" if one.offered else "no, left out")
    yield table
    if refused := [f"{one.sentence}." for one in found if not one.offered]:
        yield Text("\n".join(refused))


def _slices(evidence: Evidence, found: Recommendation, about: Mapping[str, Any]) -> Iterator[ConsoleRenderable]:
    """The recommended candidate on each slice, beside the one that scores best on average."""
    if not about.get("slices") or found.candidate is None:
        return
    names = list(dict.fromkeys(name for name in (found.candidate, found.best) if name is not None))
    table = Table("task", "slice", "units", title="Slices", title_justify="left")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for part in about["slices"]:
        rows = [evidence.candidates.index(name) for name in names]
        scores = [
            _score(part["scores"][at], part["low"][at], part["high"][at], part["approximate"][at])
            if part["scores"][at] is not None
            else "-"
            for at in rows
        ]
        table.add_row(part["task"], printable(part["name"], MOST_NAME), f"{part['units']:,}", *scores)
    yield table


def _marginal(found: Recommendation) -> Iterator[ConsoleRenderable]:
    if not found.marginal:
        return
    table = Table(
        "step up", "cost", title="What each step up the frontier gains (points, 95% interval)", title_justify="left"
    )
    for change in found.marginal[0].gains:
        table.add_column(change.task, justify="right", overflow="fold")
    for step in found.marginal:
        gains = [
            f"{one.gain:+.1f} ({one.low:+.1f} to {one.high:+.1f}){'~' if one.approximate else ''}" for one in step.gains
        ]
        table.add_row(f"{step.start}\n-> {step.to}", f"{written(step.cost_from)}\n-> {written(step.cost_to)}", *gains)
    yield table


def _score(point: float, low: float, high: float, approximate: str) -> str:
    if np.isnan(point):
        return "-"
    return f"{point:.1f}\n{low:.1f}-{high:.1f}{'~' if approximate else ''}"


def _figure(figures: Figures, name: str) -> str:
    value = figures.value(name)
    if value is None:
        return "-"
    if name == "parameters":
        return f"{value / 1e6:,.1f}M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
