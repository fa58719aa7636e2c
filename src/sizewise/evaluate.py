"""Candidates x tasks -> raw records, derived from stored vectors wherever that can be done."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Candidate, Embed, Lexical, Role, is_shape
from sizewise.core.errors import InputError
from sizewise.core.registry import TRANSFORMS
from sizewise.core.rows import Rows
from sizewise.data.task import DEPTH, Raw, Task
from sizewise.data.threads import single_threaded
from sizewise.encode.encoder import Encoder
from sizewise.encode.numeric import versions
from sizewise.index.dense import DenseIndex
from sizewise.index.lexical import BM25
from sizewise.pipeline.bench import Bench, fit_sample
from sizewise.store.files import digest
from sizewise.store.vectors import text_keys
from sizewise.transform.chain import Chain, needs_fit, unit

SIDE_BY_SIDE_BYTES = 2**30
"""Of float vectors that candidates scored at the same time may have between them, about."""
SCORING = 1
"""Part of every record's key. Raise it when the same vectors would give other records."""


def applies(candidate: Candidate, task: Task) -> bool:
    """Whether the candidate can do the task at all: lexical ranking has no vectors and no pair scores."""
    return isinstance(candidate, Embed) or task.needs == "rankings"


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
    apt.sort(key=lambda one: str(one.model) if isinstance(one, Embed) else "")
    workers = side_by_side(bench, task, apt, workers)
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
    widths = [bench.encoder(one.model).dimensions for one in candidates if isinstance(one, Embed)]
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
    key = record_key(bench, task, candidate)
    if isinstance(candidate, Lexical):
        return bench.store.record(key, lambda: lexical(task))
    return bench.store.record(key, lambda: derived(bench, task, candidate))


def record_key(bench: Bench, task: Task, candidate: Candidate) -> str:
    """What the store files a record under: all that it depends on."""
    about: dict[str, Any] = {"scoring": SCORING, "task": task.fingerprint, "depth": DEPTH}
    if isinstance(candidate, Lexical):
        return digest(about | {"lexical": candidate.method, **versions("bm25s")})
    encoder = bench.encoder(candidate.model)
    about["vectors"] = {part.name: _vectors_key(encoder, task, part.role) for part in task.text_sets()}
    about["steps"] = [[str(step), _class_name(step.name)] for step in candidate.steps]
    about["rescore"] = candidate.rescore
    if needs_fit(candidate.steps):
        about["fit"] = [_vectors_key(encoder, task, part.role) for part in fit_sample(task)], _fit_digest(task)
    return digest(about)


def lexical(task: Task) -> Raw:
    """BM25's rankings on a task that needs rankings."""
    texts = {part.name: part.texts for part in task.text_sets()}
    ids, scores = BM25(texts["documents"]).search(texts["queries"], DEPTH, task.tie_rank)
    return task.records({"ids": ids, "scores": scores})


def derived(bench: Bench, task: Task, candidate: Embed) -> Raw:
    """The record of an embedding candidate, from stored vectors."""
    rows = {part.name: bench.vectors(candidate.model, task, part) for part in task.text_sets()}
    return scored(task, rows, bench.chain(candidate, task), candidate.rescore)


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


def _vectors_key(encoder: Encoder, task: Task, role: Role) -> str:
    return encoder.key(encoder.prompt(role, task.prompts), role)


def _class_name(transform: str) -> str:
    kind = TRANSFORMS.get(transform)
    return f"{kind.__module__}.{kind.__qualname__}"


@lru_cache(maxsize=64)
def _fit_digest(task: Task) -> str:
    return digest([[part.role, text_keys(part.texts).tobytes().hex()] for part in fit_sample(task)])
