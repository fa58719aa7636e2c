"""The gate: a made model is worth shipping only if units that it never saw say so.

Distilled (and static) models must be shown to lose less than the margin against what they were made from, fine-tuned
ones to gain, by the 95% interval of the paired difference, on every task that they are judged on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sizewise.core.candidate import Candidate, Embed
from sizewise.core.rows import InMemory
from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import compare
from sizewise.decide.terms import DEFAULT_MARGIN
from sizewise.evaluate import applies, record, refuse_shape, scored
from sizewise.pipeline.bench import Bench
from sizewise.stats.compare import difference
from sizewise.train.adapter import Adapter
from sizewise.train.unseen import check_unseen
from sizewise.transform.chain import unit


@dataclass(frozen=True)
class OnTask:
    """A made model beside what it was made from, on one task, in x100 points."""

    task: str
    against: str
    """What it was made from, or a cheaper way to the same end."""
    metric: str
    units: int
    before: float
    after: float
    low: float
    high: float
    """95% interval of `after` - `before`."""
    approximate: str
    """Why the interval cannot be relied on; empty where it can."""
    must_gain: bool
    margin: float
    """What may be lost where nothing must be gained."""

    @property
    def passes(self) -> bool:
        """Whether the interval excludes what must not be."""
        return self.low > (0.0 if self.must_gain else -self.margin)

    def words(self) -> str:
        """The evidence in a line."""
        low, high, change = (f"{value:+.2f}" for value in (self.low, self.high, self.after - self.before))
        if self.passes:
            said = "a gain" if self.must_gain else f"no loss of {self.margin:g} points"
        elif self.must_gain:
            said = "a loss" if self.high < 0 else "no gain shown"
        else:
            said = f"a loss beyond {self.margin:g} points {'shown' if self.high < -self.margin else 'not excluded'}"
        doubt = f" (approximate: {self.approximate})" if self.approximate else ""
        return (
            f"{self.task}: {self.metric} {self.after:.2f} against {self.before:.2f} of {self.against}, {change} ({low} "
            f"to {high}) over {self.units:,} units: {said}{doubt}"
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a made model may be shipped, with the evidence."""

    start: str
    made: str
    tasks: tuple[OnTask, ...]

    @property
    def ships(self) -> bool:
        """Every task says so."""
        return bool(self.tasks) and all(one.passes for one in self.tasks)

    def words(self) -> list[str]:
        """The verdict, then a line a task."""
        failed = list(dict.fromkeys(one.task for one in self.tasks if not one.passes))
        verdict = "ship it" if self.ships else f"don't ship: {', '.join(failed)}"
        return [f"{self.made} against {self.start}: {verdict}", *(f"  {one.words()}" for one in self.tasks)]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "ships": self.ships, "passes": [one.passes for one in self.tasks]}


def gate(
    bench: Bench,
    start: Candidate,
    made: Candidate,
    gains: Sequence[Task] = (),
    keeps: Sequence[Task] = (),
    margin: float | None = None,
    adapter: Adapter | None = None,
    against: Sequence[Candidate] = (),
) -> Verdict:
    """Compare `made` with `start`: on `gains` it must be better, on `keeps` not worse by the margin (a task's own,
    else `margin`, else the default).

    On `gains` it must also be better than every candidate in `against`, and, where there are rankings, than the start
    with an `adapter` of its queries. Raises InputError for tasks with texts that `made` was trained on.
    """
    for other in against:
        refuse_shape(other)
    for note in check_unseen([made, *against], [*gains, *keeps]):
        bench.progress.say(note)
    found = []
    for task, must_gain in [*((one, True) for one in gains), *((one, False) for one in keeps)]:
        if not (applies(start, task) and applies(made, task)):
            bench.progress.say(f"{task.name} ({task.kind}) says nothing of {made}, which ranks documents; left out")
            continue
        allowed = next(one for one in (task.margin, margin, DEFAULT_MARGIN) if one is not None)
        arms = {str(start): record(bench, task, start)}
        if adapter is not None and must_gain and task.needs == "rankings" and isinstance(start, Embed):
            arms[f"{start} with a linear adapter of its queries"] = _adapted(bench, task, start, adapter)
        for other in against if must_gain else ():
            if applies(other, task):
                arms[str(other)] = record(bench, task, other)
            else:
                bench.progress.say(f"{other} does not apply to {task.name} ({task.kind}); not compared with")
        after = record(bench, task, made)
        found += [_on_task(task, name, raw, after, must_gain, allowed) for name, raw in arms.items()]
    return Verdict(str(start), str(made), tuple(found))


def _on_task(task: Task, against: str, before: Raw, after: Raw, must_gain: bool, margin: float) -> OnTask:
    compared = compare(task, [before, after])
    points, draws = compared.points / 100, compared.draws.astype(np.float64) / 100
    groups = None if task.units.groups is None else task.units.group_count
    apart = difference(points, draws, 1, 0, len(task.units), groups)
    first, second = map(float, compared.points)
    return OnTask(
        task=task.name,
        against=against,
        metric=task.metric,
        units=len(task.units),
        before=first,
        after=second,
        low=100 * apart.low,
        high=100 * apart.high,
        approximate=apart.why,
        must_gain=must_gain,
        margin=margin,
    )


def _adapted(bench: Bench, task: Task, start: Embed, adapter: Adapter) -> Raw:
    """The record of `start` on a task with rankings, its queries going through the adapter."""
    rows = {part.name: bench.vectors(start.model, task, part) for part in task.text_sets()}
    queries = unit(rows["queries"].block(0, len(rows["queries"])))
    changed = {**rows, "queries": InMemory(adapter.apply(queries))}
    return scored(task, changed, bench.chain(start, task), start.rescore)
