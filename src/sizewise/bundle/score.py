"""A live pipeline's score on a task, with the transforms and prompts that it carries, whatever the task's own are."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.core.progress import Progress
from sizewise.data.load import load_task
from sizewise.data.task import DEPTH, Raw, Task
from sizewise.data.threads import single_threaded
from sizewise.encode.stored import stored_vectors
from sizewise.evaluate import record, refuse_shape, scored
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.live import EmbedPipeline, Given, Pipeline
from sizewise.pipeline.parts import encoded, with_documents_stored
from sizewise.store.store import Store

Row = Mapping[str, Any]
"""A measured score, as certificates have it."""


def served_record(pipeline: Pipeline, task: Task, store: Store, progress: Progress) -> Raw:
    """The raw record of `pipeline` on `task`, the encoders' vectors coming from the store where it has them."""
    if not isinstance(pipeline, EmbedPipeline):
        return _ranked(pipeline, task, store, progress)
    rows = {
        part.name: stored_vectors(store, pipeline.encoder, part.texts, part.role, pipeline.prompts[part.role], progress)
        for part in task.text_sets()
    }
    with single_threaded() if task.needs == "vectors" else nullcontext():
        return scored(task, rows, pipeline.chain, pipeline.rescore)


def _ranked(pipeline: Pipeline, task: Task, store: Store, progress: Progress) -> Raw:
    given = {part.role: (Given(part.texts), part) for part in task.text_sets()}
    for encoder, role, prompt in encoded(pipeline):
        known, part = given[role]
        rows = stored_vectors(store, encoder, part.texts, role, prompt, progress)
        known.know(encoder, role, prompt, rows.block(0, len(rows)))
    whole = with_documents_stored(pipeline)
    whole.keep(given["document"][0])
    ids, scores = whole.find(given["query"][0], DEPTH, task.tie_rank)
    return task.records({"ids": ids, "scores": scores})


def points(task: Task, raw: Raw, reference: Raw | None = None) -> float:
    """The main metric x100 over all units."""
    return 100 * float(task.statistic([raw], reference).point()[0])


def compare_score(
    pipeline: Pipeline,
    measured: Sequence[Row],
    path: Path | str,
    allowed: float,
    progress: Progress,
) -> tuple[bool | None, str, dict[str, Any]]:
    """Score the task in the folder `path` now and compare with the certificate's: whether it is within `allowed` points
    (None: nothing to compare with), in words, in numbers.

    Everything is encoded afresh. Raises InputError when the task cannot be read.
    """
    task, row = certified_task(path, measured)
    numbers: dict[str, Any] = {"task": task.name}
    if task.needs != "rankings" and not isinstance(pipeline, EmbedPipeline):
        return None, f"{task.name}: {task.kind} does not apply to what only ranks documents", numbers
    wanted = row["reference"] if row else getattr(task, "reference", None)
    if not task.is_quality and wanted is None:
        return None, f"{task.name}: it compares with a reference candidate, and none is known", numbers
    with tempfile.TemporaryDirectory(prefix="sizewise-") as folder, Store(folder) as store:
        try:
            reference = None if wanted is None else _reference(store, task, wanted, progress)
        except InputError as error:
            return None, f"{task.name}: its reference {wanted} cannot be run here ({error})", numbers
        now = points(task, served_record(pipeline, task, store, progress), reference)
    numbers |= {"now": now}
    score = f"{task.name}: {task.metric} {now:.2f} now"
    if row is None:
        return None, f"{score}; no score to compare with: the certificate has none on these data", numbers
    numbers |= {"certified": row["value"], "difference": now - row["value"], "allowed": allowed}
    score += f", {row['value']:.2f} in the certificate"
    if row.get("cross_fitted"):
        why = "then, each query was scored with what others had chosen; now, with what all of them chose"
        return None, f"{score}; not comparable: {why}", numbers
    if row["units"] != len(task.units):
        why = f"{row['units']:,} of its {len(task.units):,} units were scored then, the others held out"
        return None, f"{score}; not comparable: {why}", numbers
    passed = abs(now - row["value"]) <= allowed
    return passed, f"{score} ({abs(now - row['value']):.2f} apart, allowed: {allowed:g})", numbers


def certified_task(path: Path | str, measured: Sequence[Row]) -> tuple[Task, Row | None]:
    """The task in the folder `path`, and its row; it is read with the protocol that a row was measured with."""
    protocols = dict.fromkeys((None, *(row["protocol"] for row in measured)))
    tasks = []
    for protocol in protocols:
        loaded = load_task(path, protocol=protocol)
        tasks.append(loaded)
        for task, row in product((loaded, loaded.tune), measured):
            if task is not None and row["fingerprint"] == task.fingerprint:
                return task, row
    return tasks[0], None


def _reference(store: Store, task: Task, candidate: str, progress: Progress) -> Raw:
    reference = parse(candidate)
    refuse_shape(reference)
    return record(Bench(store, progress=progress), task, reference)
