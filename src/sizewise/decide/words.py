"""A recommendation in words: what to use, what it gives up and how surely, what it saves, what would change it."""

from collections.abc import Iterator
from math import floor

from sizewise.cost.figures import written
from sizewise.decide.presets import explained, limits_in_words
from sizewise.decide.recommend import OnTask
from sizewise.decide.recommendation import Recommendation
from sizewise.stats.compare import MIN_GROUPS_FOR_PROOF

UNITS = {
    "mean_ms": "ms mean latency",
    "p50_ms": "ms median latency",
    "p95_ms": "ms 95th-percentile latency",
    "p99_ms": "ms 99th-percentile latency",
    "texts_per_s": "texts a second in bulk",
    "tokens_per_s": "tokens a second in bulk",
    "load_s": "s to start",
    "peak_memory_mb": "MB of memory",
    "memory_mb": "MB of memory with the index",
    "device_memory_mb": "MB of device memory",
    "disk_mb": "MB on disk",
    "bytes_per_vector": "bytes a vector",
    "parameters": "parameters",
    "monthly_cost": "a month",
    "serving_cost": "a month for serving",
    "bulk_cost": "a month for bulk encoding",
    "storage_cost": "a month for storage",
}
MONEY = ("monthly_cost", "serving_cost", "bulk_cost", "storage_cost")
TOLD = ("monthly_cost", "p95_ms", "memory_mb", "bytes_per_vector", "texts_per_s")
"""Savings worth a sentence."""
MOST_NAMES = 5
"""Candidates named in one sentence."""


def sentences(found: Recommendation) -> list[str]:
    """The recommendation, one sentence or two to an entry."""
    if found.candidate is None:
        return [*_none(found), *_changes(found), *_preset(found)]
    what = (_answer, _gives_up, _saves, _alike, _left_out, _changes, _preset)
    return [sentence for part in what for sentence in part(found)]


def amount(name: str, value: float) -> str:
    """A figure with its unit."""
    return f"{written(value)} {UNITS[name]}"


def _none(found: Recommendation) -> Iterator[str]:
    limits = ", ".join(limits_in_words(found.terms.limits))
    if limits:
        yield f"No candidate is within the limits ({limits}), so there is nothing to recommend."
    else:
        yield f"No candidate has a score on every task and a figure for {found.terms.minimise}: nothing to recommend."
    if found.terms.minimise in MONEY and not any(point.cost for point in found.frontier):
        yield "Money is worked out from your prices: give at least the price of a machine hour."
    for name, why in found.closest:
        yield f"{name} is out: {why}."


def _answer(found: Recommendation) -> Iterator[str]:
    choice = found.choice
    cost = f"{amount(found.terms.minimise, choice.cost)}" if choice.cost is not None else "an unknown cost"
    noun = "agreement with the reference" if found.fidelity_only else "quality"
    scores = "agreement with the reference is" if found.fidelity_only else "measured scores are"
    if choice.feasible == 1:
        opening = "Use" if choice.verdict == "proven" else "Best guess:"
        yield f"{opening} {choice.candidate} ({cost}). It is the only candidate left, so nothing was compared with it."
    elif choice.verdict == "proven":
        yield (
            f"Use {choice.candidate}. It is the cheapest candidate within the limits ({cost}) that is proven, with 95% "
            f"confidence, to lose less {noun} than the margin against any other, on every task."
        )
    elif choice.within_margin:
        yield (
            f"Best guess: {choice.candidate} ({cost}). It is the cheapest whose {scores} within the margin "
            "on every task, but these data do not prove it."
        )
    else:
        yield (
            f"Best guess: {choice.candidate} ({cost}). No candidate within the limits is within the margin on every "
            "task; this one loses least where it loses most."
        )
    if found.fidelity_only:
        yield "No task has labels: agreement with a reference candidate was measured, not quality."
    if choice.tied:
        yield f"As cheap, within what two measurements of the same thing differ: {', '.join(choice.tied)}."


def _gives_up(found: Recommendation) -> Iterator[str]:
    for one in found.choice.tasks:
        yield f"{one.task}: {_score(one)}{_loss(one)}"
    choice = found.choice
    if choice.verdict != "best guess":
        return
    if choice.provable_margin is None:
        short = ", ".join(one.task for one in choice.tasks if one.bound is None)
        yield (
            f"{short}: too few units to prove anything; at least {MIN_GROUPS_FOR_PROOF} that are independent of each "
            "other are needed."
        )
        return
    also = choice.proven_at_that_margin
    rest = f"; at that margin the cheapest proven candidate is {also}" if also != choice.candidate else ""
    yield f"These data would prove it {_at_margin(found, choice.provable_margin)}{rest}."
    for one in choice.tasks:
        if one.units_needed is not None:
            yield f"{one.task}: about {one.units_needed:,.0f} units would settle the margin of {one.margin:g}."


def _at_margin(found: Recommendation, provable: float) -> str:
    """The margin that would prove the choice, rounded up so that it really does."""
    common = found.terms.margin
    if any(one.margin != common for one in found.choice.tasks):
        return f"if every margin were {(floor(100 * provable / common) + 1) / 100:.2f} times as wide"
    return f"at a margin of {(floor(10 * provable) + 1) / 10:.1f} points"


def _score(one: OnTask) -> str:
    return f"{one.metric} {one.score:.1f} (95% interval {one.low:.1f} to {one.high:.1f})"


def _loss(one: OnTask) -> str:
    bound = (
        "too few units to bound its loss"
        if one.bound is None
        else f"with 95% confidence it loses at most {one.bound:.2f}"
    )
    if one.loss <= 0:
        return f", the best score; {bound} (margin {one.margin:g})."
    return f", {one.loss:.1f} below {one.best} ({one.best_score:.1f}); {bound} (margin {one.margin:g})."


def _saves(found: Recommendation) -> Iterator[str]:
    if found.end_to_end:
        names = ("p50_ms", "p95_ms", "memory_mb")
        parts = [amount(name, found.end_to_end[name]) for name in names if found.end_to_end[name] is not None]
        yield f"Measured end to end, from query to ranking in a fresh process: {', '.join(parts)}."
    parts = [
        f"{written(found.savings[name][1])} instead of {amount(name, found.savings[name][0])}"
        for name in TOLD
        if name in found.savings
    ]
    if parts:
        yield f"Against {found.best} it takes {'; '.join(parts)}."
    if found.break_even:
        times = ", ".join(f"{one.shape} {one.times:,.1f}" for one in found.break_even)
        scores = found.break_even[0].scores
        needed = ", ".join(f"{needed:.1f} on {task}" for task, needed, _ in scores if needed <= 100)
        yield (
            f"Shapes, in times its cost: {times}. To be worth more, a model of such a shape would have to score "
            f"above {needed or '100'}, on one task at least."
        )


def _alike(found: Recommendation) -> Iterator[str]:
    for task, what in found.alike.items():
        yield f"{task} does not tell candidates apart: {what}; they are not ranked on it."


def _left_out(found: Recommendation) -> Iterator[str]:
    """Those that no limit speaks against: a task that they cannot do, or a figure that nobody measured."""
    by_reason: dict[str, list[str]] = {}
    for name, why in found.infeasible.items():
        if "was not measured" in why or "does not apply" in why:
            by_reason.setdefault(why, []).append(name)
    for why, names in by_reason.items():
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield f"Left out: {', '.join(names[:MOST_NAMES])}{more} ({why})."


def _changes(found: Recommendation) -> Iterator[str]:
    for one in found.sensitivity:
        answer = f"{one.candidate} ({one.verdict})" if one.candidate else "no candidate at all"
        yield f"With {one.change}, the answer would be {answer}."


def _preset(found: Recommendation) -> Iterator[str]:
    """The preset that the terms began with, and what was changed."""
    if sentence := explained(found.terms):
        yield sentence
