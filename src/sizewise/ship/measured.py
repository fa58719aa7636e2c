"""The scores that a certificate carries: those of the pipeline that is served, and of nothing else.

A run's score is that of the served pipeline where the transforms need no fitting or were fitted on that very task, and
the prompts are those of the bundle. Elsewhere the study fitted each task's transforms on its own text, and so the
bundle is scored again, with what it carries, on the vectors that the store has.
"""

from collections.abc import Sequence
from typing import Any

from sizewise.bundle.score import points, served_record
from sizewise.bundle.tolerance import tolerance
from sizewise.core.candidate import Candidate, is_tuned
from sizewise.core.errors import RunError
from sizewise.core.grammar import parse
from sizewise.data.task import Task
from sizewise.decide.evidence import Compared, compare
from sizewise.evaluate import applies, record, record_key
from sizewise.pipeline.bench import Bench, is_fitted
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.pipeline.parts import encoded
from sizewise.ship.source import Chosen
from sizewise.study.space import reference_of
from sizewise.study.work import reference_record

Row = dict[str, Any]
AGREES = 0.01
"""Points: two computations of one record are equal but for rounding."""


def measured(bench: Bench, chosen: Chosen, pipeline: Pipeline, base: Task | None) -> list[Row]:
    """A row for each task that the candidate applies to. `base` is the task that transforms were fitted on.

    Raises RunError when the model is not the one that the run measured.
    """
    rows = []
    for at, task in enumerate(chosen.tasks):
        if not applies(chosen.candidate, task):
            bench.progress.say(f"{chosen.candidate} does not apply to {task.name} ({task.kind}); left out")
            continue
        fitted_here = not is_fitted(chosen.candidate) or task is base
        cross_fitted = is_tuned(chosen.candidate) and task is base and task.tune is None
        if chosen.run is not None and fitted_here and _same_prompts(pipeline, task):
            row = _from_run(bench, chosen, pipeline, at, cross_fitted=cross_fitted)
        else:
            row = _now(bench, chosen, pipeline, task, cross_fitted=cross_fitted)
        rows.append(row | {"fitted_here": fitted_here} | ({"cross_fitted": True} if cross_fitted else {}))
    return rows


def _same_prompts(pipeline: Pipeline, task: Task) -> bool:
    """Whether the task's texts were encoded in the study as the bundle encodes them."""
    parts = encoded(pipeline)
    if isinstance(pipeline, EmbedPipeline):
        parts = ((pipeline.encoder, role, pipeline.prompts[role]) for role in {part.role for part in task.text_sets()})
    return all(encoder.prompt(role, task.prompts) == prompt for encoder, role, prompt in parts)


def _from_run(bench: Bench, chosen: Chosen, pipeline: Pipeline, at: int, *, cross_fitted: bool) -> Row:
    """The run's own score. It is measured again where the store has no record of it: models change, and so do versions.

    Units that are held out stay closed: then the run's score is taken as it is.
    """
    run, task = chosen.run, chosen.tasks[at]
    assert run is not None
    facts, compared = run.evidence.tasks[at], run.evidence.compared[at]
    row = _row(task, compared, run.evidence.candidates.index(str(chosen.candidate)), _reference(chosen, task))
    row |= {"units": facts.units, "groups": facts.groups, "measured": "in the run"}
    raw = bench.store.find_record(record_key(bench, task, chosen.candidate))
    if facts.units < len(task.units):
        return row
    if raw is not None and task.is_quality:
        _check(chosen, row, points(task, raw), AGREES)
    if raw is None:
        bench.progress.say(f"{task.name}: the store has no record of {chosen.candidate} as it is now; measured again")
        again = _now(bench, chosen, pipeline, task, cross_fitted=cross_fitted)
        _check(chosen, row, again["value"], tolerance(chosen.candidate).points)
        return again
    return row


def _check(chosen: Chosen, row: Row, now: float, allowed: float) -> None:
    if abs(now - row["value"]) > allowed:
        raise RunError(
            f"{chosen.candidate} scores {now:.2f} on {row['task']}, and {row['value']:.2f} in the run: the model is "
            "not the one that was measured; run the study again"
        )


def _now(bench: Bench, chosen: Chosen, pipeline: Pipeline, task: Task, *, cross_fitted: bool) -> Row:
    """Scored with what the bundle carries; where that was tuned on the very queries, each with what others chose."""
    raw = (
        record(bench, task, chosen.candidate)
        if cross_fitted
        else served_record(pipeline, task, bench.store, bench.progress)
    )
    reference = reference_record(bench, task, _candidates(chosen))
    row = _row(task, compare(task, [raw], reference), 0, _reference(chosen, task))
    return row | {"units": len(task.units), "groups": task.units.group_count, "measured": "when built"}


def row_now(bench: Bench, chosen: Chosen, pipeline: Pipeline, task: Task) -> Row:
    """The score of `pipeline`, as it would be served."""
    return _now(bench, chosen, pipeline, task, cross_fitted=False)


def _row(task: Task, compared: Compared, at: int, reference: str | None) -> Row:
    return {
        "task": task.name,
        "kind": task.kind,
        "metric": task.metric,
        "value": float(compared.points[at]),
        "ci95": [float(compared.low[at]), float(compared.high[at])],
        "approximate": compared.approximate[at],
        "fingerprint": task.fingerprint,
        "protocol": getattr(task, "protocol", None),
        "reference": reference,
    }


def _reference(chosen: Chosen, task: Task) -> str | None:
    """What a fidelity task compares with."""
    found = reference_of(task, _candidates(chosen))
    return None if found is None else str(found)


def _candidates(chosen: Chosen) -> Sequence[Candidate]:
    return [chosen.candidate] if chosen.run is None else [parse(name) for name in chosen.run.evidence.candidates]
