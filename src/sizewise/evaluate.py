"""Candidates x tasks -> raw records, derived from stored vectors wherever that can be done."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Candidate, Cross, Embed, encoders, is_hybrid, is_shape, is_tuned, leaves
from sizewise.core.errors import InputError
from sizewise.core.rows import Rows
from sizewise.data.task import DEPTH, Raw, Task
from sizewise.data.threads import single_threaded
from sizewise.index.dense import DenseIndex
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.stages import STAGES, about, ranking
from sizewise.store.files import digest
from sizewise.transform.chain import Chain, unit

SIDE_BY_SIDE_BYTES = 2**30
"""Of float vectors that candidates scored at the same time may have between them, about."""
FEWER = 20
SCORING = 1
"""Part of every record's key. Raise it when the same vectors would give other records."""


def applies(candidate: Candidate, task: Task) -> bool:
    """Whether the candidate can do the task at all: only a single encoder has vectors and scores of pairs, and only
    where quality is known is there something to tune by."""
    return isinstance(candidate, Embed) or (task.needs == "rankings" and (task.is_quality or not is_tuned(candidate)))


def evaluate(
    bench: Bench, task: Task, candidates: Sequence[Candidate], workers: int = 1
) -> Iterator[tuple[Candidate, Raw]]:
    """The raw record of each candidate that the task applies to, from the store where it is known.

    Candidates of one model follow each other, `workers` of them at a time. Vectors should be in the store already.
    Raises InputError for a shape (its weights are random: it has a cost but no quality).
    """
    for candidate in candidates:
        refuse_shape(candidate)
    apt = [candidate for candidate in candidates if applies(candidate, task)]
    apt.sort(key=lambda one: (not isinstance(one, Embed), str(one.model) if isinstance(one, Embed) else ""))
    workers = side_by_side(bench, task, apt, workers)
    readers = {part.scorer for one in apt for part in leaves(one) if isinstance(part, Cross)}
    if readers:  # their weights are loaded, and their pairs scored, one after another; then records are arithmetic
        for candidate in apt:
            if any(isinstance(part, Cross) for part in leaves(candidate)):
                record(bench, task, candidate)
        for model in readers:
            bench.forget(model)
    if task.needs != "vectors" and workers == 1:
        for candidate in apt:
            yield candidate, record(bench, task, candidate)
        return
    # Fits gain nothing from a second thread (see `single_threaded`), and of a search only the product does, so as many
    # run side by side as there are threads.
    with single_threaded(), ThreadPoolExecutor(workers) as pool:
        yield from zip(apt, pool.map(lambda candidate: record(bench, task, candidate), apt), strict=True)


def side_by_side(bench: Bench, task: Task, candidates: Sequence[Candidate], workers: int) -> int:
    """How many of `candidates` are scored at a time: `workers`, or fewer where their vectors are many and wide."""
    widths = [bench.encoder(plain.model).dimensions for one in candidates for plain in encoders(one)]
    each = 4 * max(widths, default=1) * sum(len(part.texts) for part in task.text_sets())
    return max(1, min(workers, SIDE_BY_SIDE_BYTES // max(1, each)))


def refuse_shape(candidate: Candidate) -> None:
    """Raises InputError when the candidate's weights are random."""
    if is_shape(candidate):
        raise InputError(
            f"{candidate} has random weights: its cost can be measured, its quality cannot; "
            "give a trained model of that shape, or use sizewise cost"
        )


def record(bench: Bench, task: Task, candidate: Candidate) -> Raw:
    """The raw record of one candidate on one task."""
    return bench.store.record(record_key(bench, task, candidate), lambda: derived(bench, task, candidate))


def record_key(bench: Bench, task: Task, candidate: Candidate) -> str:
    """What the store files a record under: all that it depends on."""
    known: dict[str, Any] = {
        "scoring": SCORING,
        **({"stages": STAGES} if is_hybrid(candidate) else {}),
        "task": task.fingerprint,
        "depth": kept(task, candidate),
    }
    return digest(known | about(bench, task, candidate))


def kept(task: Task, candidate: Candidate) -> int:
    """Documents kept of each ranking: hybrids are many, and theirs are kept as far as metrics and readers look."""
    return max(FEWER, min(DEPTH, task.looks_at + 1)) if is_hybrid(candidate) else DEPTH


def derived(bench: Bench, task: Task, candidate: Candidate) -> Raw:
    """The record of a candidate, from stored vectors."""
    if isinstance(candidate, Embed):
        rows = {part.name: bench.vectors(candidate.model, task, part) for part in task.text_sets()}
        return scored(task, rows, bench.chain(candidate, task), candidate.rescore)
    ids, scores = ranking(bench, task, candidate, kept(task, candidate))
    return task.records({"ids": ids, "scores": scores})


def scored(task: Task, rows: Mapping[str, Rows], chain: Chain, rescore: int) -> Raw:
    """The record that fitted transforms give on the encoder's vectors of each of the task's text sets."""
    if task.needs == "rankings":
        index = DenseIndex(chain, rows["documents"], rescore)
        queries = rows["queries"].block(0, len(rows["queries"]))
        ids, scores = index.search(queries, DEPTH, task.tie_rank)
        return task.records({"ids": ids, "scores": scores})
    if task.needs == "pairs":
        results: dict[str, npt.NDArray[Any]] = {"scores": pair_scores(chain, rows["first"], rows["second"])}
        if "train_first" in rows:
            results["train_scores"] = pair_scores(chain, rows["train_first"], rows["train_second"])
        return task.records(results)
    return task.records({name: unit(chain.documents(_all(part))) for name, part in rows.items()})


def pair_scores(chain: Chain, first: Rows, second: Rows) -> npt.NDArray[np.float64]:
    """Dot product of each pair of codes, float64 [n]: the first text as a query, the second as a document."""
    queries, documents = chain.queries(_all(first)), chain.documents(_all(second))
    return np.asarray(np.einsum("ij,ij->i", queries.astype(np.float64), documents.astype(np.float64)))


def _all(rows: Rows) -> npt.NDArray[Any]:
    return rows.block(0, len(rows))
