"""Rankings of candidates of every kind, stage by stage, from stored vectors and scores.

Weights and thresholds that are to be tuned are found here too, bottom up: on the queries that a task keeps for it, or
on four fifths of its own for each fifth, so that no unit is scored by what was chosen on it.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Asym, Candidate, Cross, Embed, Fuse, Lexical, Part, Rerank, awaits_tuning, is_tuned
from sizewise.core.errors import InputError
from sizewise.core.registry import TRANSFORMS
from sizewise.data.task import Task
from sizewise.encode.encoder import Encoder
from sizewise.encode.numeric import versions
from sizewise.encode.pairs import pair
from sizewise.encode.stored import stored_vectors
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.pipeline.bench import Bench, check_fit, fit_sample
from sizewise.pipeline.hybrid import POOL
from sizewise.pipeline.tuning import FOLDS, WEIGHTS, Tuned, best_weight, folds, settings, threshold
from sizewise.rank.again import agreements, margins, reranked
from sizewise.rank.fusion import by_each, by_ranks, by_scores
from sizewise.store.files import digest
from sizewise.store.vectors import text_keys
from sizewise.transform.align import Alignment
from sizewise.transform.chain import needs_fit, unit

STAGES = 3
"""Part of every stage's key. Raise it when the same vectors would give other rankings."""
TUNING = 2
"""Part of the key of what is tuned. Raise it when the same values would give other weights or thresholds."""
QUERIES = 256
"""Whose pairs are made at a time."""
Positions = npt.NDArray[np.int64]
Ranking = tuple[Ids, Scores]
"""Positions int32 [q, depth] (-1: no more) and scores float32 [q, depth], the best first."""


def ranking(bench: Bench, task: Task, candidate: Candidate, depth: int) -> Ranking:
    """What `candidate` ranks for the queries of a task that needs rankings."""
    match candidate:
        case Lexical():
            return lexical(bench, task, depth)
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
        case Fuse() | Rerank() if awaits_tuning(candidate):
            return _tuned_ranking(bench, task, candidate, depth)
        case Fuse() | Rerank():
            return _of_stages(bench, task, candidate, depth, np.arange(len(task.units)))


def _of_stages(bench: Bench, task: Task, candidate: Fuse | Rerank, depth: int, units: Positions) -> Ranking:
    """What a hybrid with nothing left to tune ranks for the queries at `units`."""
    match candidate:
        case Fuse(parts, weight):
            each = [stage(bench, task, part, max(POOL, depth)) for part in parts]
            found = [(ids[units], scores[units]) for ids, scores in each]
            if weight is None:
                return by_ranks([ids for ids, _ in found], depth, task.tie_rank)
            assert isinstance(weight, float)
            return by_scores(found, (weight, 1 - weight), depth, task.tie_rank)
        case Rerank(first, second, again, when):
            again = min(again, pool(task, again))
            every_id, every_score = stage(bench, task, first, max(depth, pool(task, again)))
            needed = max(again, depth)  # what lies behind changes nothing
            ids, scores = every_id[units, :needed], every_score[units, :needed]
            others = scored(bench, task, second, ids[:, :again], units)
            which = None if when is None else signals(bench, task, candidate)[units] < (when.below or 0.0)
            ids, scores = reranked(ids, scores, others, again, which)
            return ids[:, :depth], scores[:, :depth]


def fixed(bench: Bench, task: Task, candidate: Candidate) -> tuple[Candidate, list[Tuned]]:
    """`candidate` as it is served: its weights and thresholds found on all queries that `task` has for it (its own,
    where it keeps none), and what was found. Raises InputError for a task that cannot tell good from bad."""
    if not is_tuned(candidate):
        return candidate, []
    on = task.tune or task
    if not on.is_quality:
        raise InputError(f"{candidate}: {task.name} ({task.path}) has no judgements to tune by; name a task that has")
    if (key := (on.fingerprint, candidate)) not in bench.settled:
        bench.settled[key] = _settled(bench, on, candidate, [np.arange(len(on.units))])[0]
    return bench.settled[key]


def signals(bench: Bench, task: Task, candidate: Rerank) -> npt.NDArray[np.float32]:
    """Of each query what `candidate.when` looks at, float32 [queries]."""
    if candidate.when is not None and candidate.when.signal == "agreement":
        assert isinstance(candidate.first, Fuse)
        first, second = (stage(bench, task, part, pool(task, candidate.depth))[0] for part in candidate.first.parts[:2])
        return agreements(first, second)
    return margins(*stage(bench, task, candidate.first, pool(task, candidate.depth)))


def pool(task: Task, depth: int) -> int:
    """How many documents a stage hands on where the next one looks at `depth`: no more than there are, or POOL."""
    return max(POOL, min(depth, len(_texts(task)["documents"])))


def stage(bench: Bench, task: Task, candidate: Candidate, depth: int) -> Ranking:
    """`ranking`, from memory or the store where it is known."""

    def make() -> dict[str, npt.NDArray[Any]]:
        ids, scores = ranking(bench, task, candidate, depth)
        return {"ids": ids, "scores": scores}

    def stored() -> Ranking:
        about_it = about(bench, task, candidate)
        key = digest({"stages": STAGES, "depth": depth, "task": task.fingerprint, **about_it})
        found = bench.store.record(key, make)
        return found["ids"], found["scores"]

    return bench.ranked(task, candidate, depth, stored)


def scored(bench: Bench, task: Task, second: Embed | Cross, ids: Ids, units: Positions) -> Scores:
    """What `second` gives to the documents `ids` int32 [q, k] that were found for the queries at `units`, float32
    [q, k]; -inf for -1. Every pair is scored once, so that one pass serves all depths and thresholds."""
    if isinstance(second, Cross):
        return _read(bench, task, bench.encoder(second.scorer), ids, units)
    return bench.pairs(second, task).at(ids, units)


def lexical(bench: Bench, task: Task, depth: int) -> Ranking:
    """BM25's rankings on a task that needs rankings."""
    texts = _texts(task)
    return bench.by_words(texts["documents"]).search(texts["queries"], depth, task.tie_rank)


def aligner(bench: Bench, task: Task, candidate: Asym) -> Alignment:
    """What brings vectors of the queries' encoder into the space of the documents' one, fitted on the task's texts for
    fitting. Raises InputError where it has too few of them."""
    check_fit(candidate, task)
    source, target = (unit(bench.fit_vectors(one.model, task)) for one in (candidate.queries, candidate.documents))
    return Alignment.fit(source, target)


def about(bench: Bench, task: Task, candidate: Part) -> dict[str, Any]:
    """All that the rankings of `candidate` on `task` depend on, but for the task itself."""
    match candidate:
        case Lexical(method):
            return {"lexical": method, **versions("bm25s")}
        case Fuse(parts, weight):
            return {
                "fuse": [about(bench, task, part) for part in parts], "weight": weight, **_tuned_on(task, candidate)
            }  # fmt: skip
        case Rerank(first, second, depth, when):
            stages = [about(bench, task, one) for one in (first, second)]
            return {"rerank": stages, "first": depth, "when": when and asdict(when), **_tuned_on(task, candidate)}
        case Asym(queries, documents):
            fitted = _fit_keys(bench.encoder(queries.model), task), _fit_keys(bench.encoder(documents.model), task)
            return {"asym": [about(bench, task, one) for one in (queries, documents)], "aligned": fitted}
        case Cross():
            return {"cross": bench.encoder(candidate.scorer).key("")}
        case Embed():
            return _about_vectors(bench.encoder(candidate.model), task, candidate)


def _tuned_on(task: Task, candidate: Candidate) -> dict[str, Any]:
    if not awaits_tuning(candidate):
        return {}
    return {"tuned": TUNING, "on": [FOLDS, task.name] if task.tune is None else task.tune.fingerprint}


def _tuned_ranking(bench: Bench, task: Task, candidate: Fuse | Rerank, depth: int) -> Ranking:
    if task.tune is not None:
        return ranking(bench, task, fixed(bench, task, candidate)[0], depth)
    fold, every = folds(task), np.arange(len(task.units))
    chosen = _settled(bench, task, candidate, [every[fold != one] for one in range(FOLDS)])
    ids = np.full((len(every), depth), -1, np.int32)
    scores = np.full((len(every), depth), -np.inf, np.float32)
    for one, (settled, _) in enumerate(chosen):
        assert isinstance(settled, Fuse | Rerank)
        mine = np.flatnonzero(fold == one)
        ids[mine], scores[mine] = _of_stages(bench, task, settled, depth, mine)
    return ids, scores


def _settled(
    bench: Bench, task: Task, candidate: Candidate, samples: Sequence[Positions]
) -> list[tuple[Candidate, list[Tuned]]]:
    """For each sample of the task's queries `candidate` with all that is to be tuned found on them, and what was."""
    if not is_tuned(candidate):
        return [(candidate, []) for _ in samples]
    match candidate:
        case Fuse(parts, weight):
            inner = [_settled(bench, task, part, samples) for part in parts]
            made = [Fuse(tuple(one for one, _ in each), weight) for each in zip(*inner, strict=True)]
            told = [[found for _, inside in each for found in inside] for each in zip(*inner, strict=True)]
            if weight != "tuned":
                return list(zip(made, told, strict=True))
            values = {one: _values_of_weights(bench, task, one) for one in dict.fromkeys(made)}
            result: list[tuple[Candidate, list[Tuned]]] = []
            for one, before, units in zip(made, told, samples, strict=True):
                best = replace(one, weight=best_weight(values[one][:, units]))
                result.append((best, [*before, Tuned(str(candidate), f"w={best.weight}", len(units))]))
            return result
        case Rerank(first, when=when):
            inside = _settled(bench, task, first, samples)
            again = [(replace(candidate, first=one), before) for one, before in inside]
            if when is None or when.below is not None:
                return list(again)
            known = {
                one: (signals(bench, task, one).astype(np.float64), _losses(bench, task, one))
                for one in dict.fromkeys(one for one, _ in again)
            }
            limited: list[tuple[Candidate, list[Tuned]]] = []
            for (made_here, before), units in zip(again, samples, strict=True):
                signal, lost = (values[units] for values in known[made_here])
                groups = np.unique(_groups(task)[units], return_inverse=True)[1]
                limit, found = threshold(when, signal, lost, groups, settings(first))
                limited.append((replace(made_here, when=limit), [*before, replace(found, stage=str(candidate))]))
            return limited
    raise AssertionError(candidate)


def _values_of_weights(bench: Bench, task: Task, candidate: Fuse) -> npt.NDArray[np.float64]:
    """The task's metric of each query with each of WEIGHTS, float64 [weights, queries]."""

    def make() -> dict[str, npt.NDArray[Any]]:
        found = [stage(bench, task, part, POOL) for part in candidate.parts]
        fused = by_each(found, [(one, 1 - one) for one in WEIGHTS], task.looks_at, task.tie_rank)
        return {"values": np.stack([_values(task, one) for one in fused])}

    key = digest(
        {
            "stages": STAGES,
            "task": task.fingerprint,
            "weights": WEIGHTS,
            **about(bench, task, replace(candidate, weight=None)),
        }
    )
    return bench.store.record(key, make)["values"]


def _losses(bench: Bench, task: Task, candidate: Rerank) -> npt.NDArray[np.float64]:
    """What each query loses, float64 [queries] (0 to 1), where `candidate` does not rank it again."""
    always, deep = replace(candidate, when=None), pool(task, candidate.depth)

    def make() -> dict[str, npt.NDArray[Any]]:
        again, first = ranking(bench, task, always, task.looks_at), stage(bench, task, candidate.first, deep)
        return {"losses": np.maximum(0.0, _values(task, again) - _values(task, first))}

    key = digest({"stages": STAGES, "task": task.fingerprint, "losses": about(bench, task, always)})
    return bench.store.record(key, make)["losses"]


def _values(task: Task, found: Ranking) -> npt.NDArray[np.float64]:
    """The task's metric of each query, float64 [queries]."""
    ids, scores = (part[:, : task.looks_at] for part in found)
    values = task.unit_values(task.records({"ids": ids, "scores": scores}))
    assert values is not None
    return values


def _groups(task: Task) -> npt.NDArray[np.int64]:
    return np.arange(len(task.units)) if task.units.groups is None else task.units.groups


def _about_vectors(encoder: Encoder, task: Task, candidate: Embed) -> dict[str, Any]:
    found = {
        "vectors": {part.name: _vectors_key(encoder, task, part.role) for part in task.text_sets()},
        "steps": [[str(step), _class_name(step.name)] for step in candidate.steps],
        "rescore": candidate.rescore,
    }
    return found | ({"fit": _fit_keys(encoder, task)} if needs_fit(candidate.steps) else {})


def _read(bench: Bench, task: Task, scorer: Encoder, ids: Ids, units: Positions) -> Scores:
    """The scores of a cross-encoder, some queries at a time: their pairs are texts, and long ones."""
    texts = _texts(task)
    found = np.full(ids.shape, -np.inf, np.float32)
    for start in range(0, len(ids), QUERIES):
        some = ids[start : start + QUERIES]
        there = some >= 0
        pairs = [
            pair(texts["queries"][units[start + row]], texts["documents"][some[row, at]])
            for row, at in np.argwhere(there)
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
