"""What hybrids cost: each encoder that a query meets once, and everything else timed on stored vectors."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sizewise.core.candidate import Asym, Candidate, Cross, Embed, Fuse, Lexical, Part, Rerank, leaves, reranks
from sizewise.core.grammar import parse
from sizewise.cost.figures import MEGA, Figures
from sizewise.data.task import Task
from sizewise.index.exact import Ids, Scores
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.build import build, index_from_store
from sizewise.pipeline.hybrid import POOL, RerankPipeline, Together
from sizewise.pipeline.live import Given, Pipeline
from sizewise.pipeline.stages import about, fixed, signals
from sizewise.store.files import digest

PARTS = 24
"""Indexed stages that are kept: many candidates have some in common."""
LATENCIES = {"mean_ms": None, "p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
"""Of which share of the queries a figure is the highest; None: of the mean."""


class Unread:
    """Stands for a cross-encoder where only what is around it is timed."""

    bytes_per_vector = 0.0

    def keep(self, documents: Given) -> None:
        """Nothing to keep."""

    def scores(self, queries: Given, ids: Ids) -> Scores:
        return np.zeros(ids.shape, np.float32)


class Timed:
    """Times the searches of hybrids on one task, encoders left out."""

    def __init__(self, bench: Bench, task: Task, queries: int, threads: int) -> None:
        self._bench, self._task, self._count, self._threads = bench, task, queries, threads
        self._parts: OrderedDict[Candidate, Pipeline] = OrderedDict()

    def key(self, candidate: Candidate) -> str:
        """What a timing depends on, so that one of other weights or threads is not taken for it."""
        return digest({"of": about(self._bench, self._task, candidate), "threads": self._threads})

    def searched(self, candidate: Candidate) -> dict[str, Any]:
        """Latencies of the search, size of the index, and by stage the share of the queries that it is for."""
        key = self.key(candidate)
        candidate, _ = fixed(self._bench, self._task, candidate)
        stored = _stored(candidate)
        pipeline = self._live(stored)
        texts = {part.name: part for part in self._task.text_sets()}
        asked = texts["queries"].texts[: self._count]
        times = []
        for at in (0, *range(len(asked))):  # the first one is not counted
            given = self._given(stored, asked[at], at)
            started = time.perf_counter()
            pipeline.find(given, 10)
            times.append((time.perf_counter() - started) * 1e3)
        p50, p95, p99 = (float(p) for p in np.percentile(times[1:], [50, 95, 99]))
        per_vector = build(self._bench, candidate, self._task).bytes_per_vector or 0.0
        return {
            "of": key,
            "documents": len(texts["documents"].texts),
            "mean_ms": float(np.mean(times[1:])),
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "bytes_per_vector": per_vector,
            "index_mb": per_vector * len(texts["documents"].texts) / MEGA,
            "escalated": {str(one): self._escalated(one) for one in reranks(candidate) if one.when is not None},
            "as": str(candidate),
        }

    def _live(self, candidate: Candidate) -> Pipeline:
        """Indexed from the store; parts that other candidates have had are taken again."""
        if candidate not in self._parts:
            pipeline = build(self._bench, candidate, self._task, self._live)
            if isinstance(pipeline, RerankPipeline) and isinstance(pipeline.second, Together):
                pipeline.second = Unread()
            index_from_store(self._bench, pipeline, self._task)
            self._parts[candidate] = pipeline
        self._parts.move_to_end(candidate)
        while len(self._parts) > PARTS:
            self._parts.popitem(last=False)
        return self._parts[candidate]

    def _given(self, candidate: Candidate, text: str, at: int) -> Given:
        """A query with its vectors."""
        queries = next(part for part in self._task.text_sets() if part.name == "queries")
        given = Given([text])
        for one in asked_of(candidate):
            encoder = self._bench.encoder(one.model)
            vector = self._bench.vectors(one.model, self._task, queries).block(at, at + 1)
            given.know(encoder, "query", encoder.prompt("query", self._task.prompts), vector)
        return given

    def _escalated(self, candidate: Rerank) -> float:
        assert candidate.when is not None
        return float((signals(self._bench, self._task, candidate) < (candidate.when.below or 0.0)).mean())


def hybrid_figures(candidate: Candidate, known: Mapping[Part, Figures], searched: Mapping[str, Any]) -> Figures:
    """Composed of the `known` figures of plain encoders and cross-encoders. Percentiles are added up, which is a little
    more than the percentile of the sum; what is for few queries only counts in the percentiles that it reaches."""
    candidate = parse(searched["as"]) if "as" in searched else candidate
    shares = asked_of(candidate, searched["escalated"])
    reading = list(_reading(candidate, searched["escalated"]))
    most = searched.get("documents", POOL)
    whole = [one for one in leaves(candidate) if isinstance(one, Lexical | Cross)]
    serving: dict[Part, None] = dict.fromkeys((*shares, *(one for one, _, _ in reading), *whole))
    found: dict[str, float | None] = {}
    for name, reached in LATENCIES.items():
        parts: list[float | None] = [searched[name]]
        for one, share in shares.items():
            parts.append(_counted(getattr(known[one], name), share, reached))
        for reader, share, depth in reading:
            rate, alone = known[reader].texts_per_s, getattr(known[reader], name)
            took = max(alone, min(depth, most) * 1e3 / rate) if rate and alone is not None else None
            parts.append(_counted(took, share, reached))
        found[name] = _total(parts)
    rates = [known[one].texts_per_s for one in indexing(candidate)]
    seconds = _total([1 / rate if rate else None for rate in rates])
    models = [known[one] for one in serving if not isinstance(one, Lexical)]
    count = _total([one.parameters for one in models])
    return Figures(
        mean_ms=found["mean_ms"],
        p50_ms=found["p50_ms"],
        p95_ms=found["p95_ms"],
        p99_ms=found["p99_ms"],
        texts_per_s=1 / seconds if seconds else None,
        load_s=_total([known[one].load_s for one in serving]),
        peak_memory_mb=_total([known[one].peak_memory_mb for one in serving]),
        memory_mb=_total([searched["index_mb"], *(known[one].peak_memory_mb for one in serving)]),
        disk_mb=_total([one.disk_mb for one in models]),
        parameters=None if count is None else round(count),
        bytes_per_vector=searched["bytes_per_vector"],
        source="composed",
    )


def asked_of(candidate: Candidate, escalated: Mapping[str, float] | None = None) -> dict[Embed, float]:
    """The plain encoders that encode queries, and for which share of them."""
    match candidate:
        case Embed():
            return {candidate.plain: 1.0}
        case Asym(queries):
            return {queries.plain: 1.0}
        case Lexical():
            return {}
        case Fuse(parts):
            pairs = [pair for part in parts for pair in asked_of(part, escalated).items()]
        case Rerank(first, second):
            share = (escalated or {}).get(str(candidate), 1.0)
            also = {} if isinstance(second, Cross) else {second.plain: share}
            pairs = [*asked_of(first, escalated).items(), *also.items()]
    return {one: max(share for other, share in pairs if other == one) for one, _ in pairs}


def indexing(candidate: Candidate) -> list[Embed | Lexical]:
    """What works through the documents beforehand, each once: plain encoders, and bm25."""
    match candidate:
        case Embed():
            return [candidate.plain]
        case Asym(_, documents):
            return [documents.plain]
        case Lexical():
            return [candidate]
        case Fuse(parts):
            found = [one for part in parts for one in indexing(part)]
        case Rerank(first, second, fresh=fresh):
            kept = [] if fresh or isinstance(second, Cross) else [second.plain]
            found = [*indexing(first), *kept]
    return list(dict.fromkeys(found))


def _reading(candidate: Candidate, escalated: Mapping[str, float]) -> Iterator[tuple[Embed | Cross, float, int]]:
    """What reads documents when they are found: an encoder or a cross-encoder, for which share of the queries, and how
    many documents."""
    for one in reranks(candidate):
        if isinstance(one.second, Cross) or one.fresh:
            reader = one.second if isinstance(one.second, Cross) else one.second.plain
            yield reader, escalated.get(str(one), 1.0), one.depth


def _stored(candidate: Candidate) -> Candidate:
    """The same with all documents stored: its searches encode nothing."""
    match candidate:
        case Fuse(parts):
            return replace(candidate, parts=tuple(_stored(part) for part in parts))
        case Rerank(first):
            return replace(candidate, first=_stored(first), fresh=False)
        case _:
            return candidate


def _counted(milliseconds: float | None, share: float, reached: float | None) -> float | None:
    """What a stage for `share` of the queries adds to a mean, or to the percentile `reached`."""
    if milliseconds is None or reached is None:
        return None if milliseconds is None else share * milliseconds
    return milliseconds if share > 1 - reached else 0.0


def _total(parts: list[float | None]) -> float | None:
    """The sum; unknown where a part is."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
