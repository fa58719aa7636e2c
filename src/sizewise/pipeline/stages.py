"""Rankings of candidates of every kind, stage by stage, from stored vectors and scores."""

from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Asym, Candidate, Cross, Embed, Fuse, Lexical, Rerank
from sizewise.core.errors import InputError
from sizewise.core.registry import TRANSFORMS
from sizewise.data.task import Task
from sizewise.encode.cross import pair
from sizewise.encode.encoder import Encoder
from sizewise.encode.numeric import versions
from sizewise.encode.stored import stored_vectors
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.index.lexical import BM25
from sizewise.pipeline.bench import Bench, fit_sample
from sizewise.pipeline.hybrid import POOL
from sizewise.rank.again import margins, reranked
from sizewise.rank.fusion import by_ranks, by_scores
from sizewise.store.files import digest
from sizewise.store.vectors import text_keys
from sizewise.transform.align import Alignment
from sizewise.transform.chain import needs_fit, unit

STAGES = 1
"""Part of every stage's key. Raise it when the same vectors would give other rankings."""
QUERIES = 64
"""Whose pairs are made at a time."""
Ranking = tuple[Ids, Scores]
"""Positions int32 [q, depth] (-1: no more) and scores float32 [q, depth], the best first."""


def ranking(bench: Bench, task: Task, candidate: Candidate, depth: int) -> Ranking:
    """What `candidate` ranks for the queries of a task that needs rankings."""
    documents = len(_texts(task)["documents"])
    match candidate:
        case Lexical():
            return lexical(task, depth)
        case Embed():
            rows = {part.name: bench.vectors(candidate.model, task, part) for part in task.text_sets()}
            index = DenseIndex(bench.chain(candidate, task), rows["documents"], candidate.rescore)
            return index.search(rows["queries"].block(0, len(rows["queries"])), depth, task.tie_rank)
        case Asym(queries, kept):
            texts = {part.name: part for part in task.text_sets()}
            asked = bench.vectors(queries.model, task, texts["queries"])
            aligned = aligner(bench, task, candidate).apply(asked.block(0, len(asked)))
            index = DenseIndex(
                bench.chain(kept, task), bench.vectors(kept.model, task, texts["documents"]), kept.rescore
            )
            return index.search(aligned, depth, task.tie_rank)
        case Fuse(parts, weight):
            found = [stage(bench, task, part, max(POOL, depth)) for part in parts]
            if weight is None:
                return by_ranks([ids for ids, _ in found], depth, documents, task.tie_rank)
            return by_scores(found, (weight, 1 - weight), depth, documents, task.tie_rank)
        case Rerank(first, second, again, margin):
            again = min(again, max(POOL, documents))
            ids, scores = stage(bench, task, first, max(POOL, depth, again))
            deep = again if isinstance(second, Cross) else max(POOL, depth, again)
            others = scored(bench, task, second, ids[:, :deep])
            which = None if margin is None else margins(ids, scores) < margin
            ids, scores = reranked(ids, scores, others, again, which)
            return ids[:, :depth], scores[:, :depth]


def stage(bench: Bench, task: Task, candidate: Candidate, depth: int) -> Ranking:
    """`ranking`, from the store where it is known."""
    key = digest({"stages": STAGES, "depth": depth, "task": task.fingerprint, **about(bench, task, candidate)})

    def make() -> dict[str, npt.NDArray[Any]]:
        ids, scores = ranking(bench, task, candidate, depth)
        return {"ids": ids, "scores": scores}

    found = bench.store.record(key, make)
    return found["ids"], found["scores"]


def scored(bench: Bench, task: Task, second: Embed | Cross, ids: Ids) -> Scores:
    """What `second` gives to the documents `ids` int32 [q, k] that were found, float32 [q, k]; -inf for -1. From the
    store where it is known, so that one pass serves all depths and margins; of a cross-encoder every pair is."""
    key = digest(
        {
            "stages": STAGES,
            "task": task.fingerprint,
            "scored": sha256(ids.tobytes()).hexdigest(),
            "second": about(bench, task, second),
        }
    )

    def make() -> dict[str, npt.NDArray[Any]]:
        return {"scores": _scores(bench, task, second, ids)}

    return bench.store.record(key, make)["scores"]


def lexical(task: Task, depth: int) -> Ranking:
    """BM25's rankings on a task that needs rankings."""
    texts = _texts(task)
    return BM25(texts["documents"]).search(texts["queries"], depth, task.tie_rank)


def aligner(bench: Bench, task: Task, candidate: Asym) -> Alignment:
    """What brings vectors of the queries' encoder into the space of the documents' one, fitted on the task's texts for
    fitting. Raises InputError where it has too few of them."""
    source, target = (unit(bench.fit_vectors(one.model, task)) for one in (candidate.queries, candidate.documents))
    try:
        return Alignment.fit(source, target)
    except ValueError as error:
        raise InputError(f"{candidate} on {task.name} ({task.path}): {error}; add corpus or training text") from None


def about(bench: Bench, task: Task, candidate: Candidate | Cross) -> dict[str, Any]:
    """All that the rankings of `candidate` on `task` depend on, but for the task itself."""
    match candidate:
        case Lexical(method):
            return {"lexical": method, **versions("bm25s")}
        case Fuse(parts, weight):
            return {"fuse": [about(bench, task, part) for part in parts], "weight": weight}
        case Rerank(first, second, depth, margin):
            stages = [about(bench, task, one) for one in (first, second)]
            return {"rerank": stages, "first": depth, "margin": margin}
        case Asym(queries, documents):
            fitted = _fit_keys(bench.encoder(queries.model), task), _fit_keys(bench.encoder(documents.model), task)
            return {"asym": [about(bench, task, one) for one in (queries, documents)], "aligned": fitted}
        case Cross():
            return {"cross": bench.encoder(candidate.scorer).key("")}
        case Embed():
            return _about_vectors(bench.encoder(candidate.model), task, candidate)


def _about_vectors(encoder: Encoder, task: Task, candidate: Embed) -> dict[str, Any]:
    found = {
        "vectors": {part.name: _vectors_key(encoder, task, part.role) for part in task.text_sets()},
        "steps": [[str(step), _class_name(step.name)] for step in candidate.steps],
        "rescore": candidate.rescore,
    }
    return found | ({"fit": _fit_keys(encoder, task)} if needs_fit(candidate.steps) else {})


def _scores(bench: Bench, task: Task, second: Embed | Cross, ids: Ids) -> Scores:
    if isinstance(second, Cross):
        return _read(bench, task, bench.encoder(second.scorer), ids)
    rows = {part.name: bench.vectors(second.model, task, part) for part in task.text_sets()}
    index = DenseIndex(bench.chain(second, task), rows["documents"])
    return index.scores(rows["queries"].block(0, len(rows["queries"])), ids)


def _read(bench: Bench, task: Task, scorer: Encoder, ids: Ids) -> Scores:
    """The scores of a cross-encoder, some queries at a time: their pairs are texts, and long ones."""
    texts = _texts(task)
    found = np.full(ids.shape, -np.inf, np.float32)
    for start in range(0, len(ids), QUERIES):
        some = ids[start : start + QUERIES]
        there = some >= 0
        pairs = [
            pair(texts["queries"][start + row], texts["documents"][some[row, at]]) for row, at in np.argwhere(there)
        ]
        if pairs:
            rows = stored_vectors(bench.store, scorer, pairs, "text", "", bench.progress)
            found[start : start + QUERIES][there] = rows.block(0, len(rows))[:, 0]
    return found


def _texts(task: Task) -> dict[str, Any]:
    return {part.name: part.texts for part in task.text_sets()}


def _fit_keys(encoder: Encoder, task: Task) -> tuple[list[str], str]:
    return [_vectors_key(encoder, task, part.role) for part in fit_sample(task)], _fit_digest(task)


def _vectors_key(encoder: Encoder, task: Task, role: Any) -> str:
    return encoder.key(encoder.prompt(role, task.prompts), role)


def _class_name(transform: str) -> str:
    kind = TRANSFORMS.get(transform)
    return f"{kind.__module__}.{kind.__qualname__}"


@lru_cache(maxsize=64)
def _fit_digest(task: Task) -> str:
    return digest([[part.role, text_keys(part.texts).tobytes().hex()] for part in fit_sample(task)])
