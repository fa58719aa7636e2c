"""Figures of every candidate, composed from those of its encoders and from searches timed on stored vectors."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sizewise.core.candidate import Candidate, Embed, is_hybrid
from sizewise.core.rows import InMemory, Rows
from sizewise.cost.figures import MEGA, Figures
from sizewise.cost.measure import Measured
from sizewise.cost.price import Prices, priced
from sizewise.data.task import Task, TextSet
from sizewise.index.dense import DenseIndex
from sizewise.pipeline.bench import Bench
from sizewise.store.files import write_json
from sizewise.study.hybrids import Timed, hybrid_figures
from sizewise.transform.chain import Chain

SEARCHES = 30
"""Single queries timed on each candidate's index."""


def largest_search(tasks: Sequence[Task]) -> tuple[Task, TextSet] | None:
    """The task with the most documents to search, and its documents; None when no task searches."""
    searched = [(task, part) for task in tasks for part in task.text_sets() if part.name == "documents"]
    return max(searched, key=lambda one: len(one[1].texts), default=None)


def documents_of(tasks: Sequence[Task]) -> int:
    """How many documents are stored, unless the user's prices say otherwise: those of the largest corpus."""
    search = largest_search(tasks)
    return len(search[1].texts) if search else max(len(part.texts) for task in tasks for part in task.text_sets())


def composed(
    candidates: Sequence[Candidate],
    tasks: Sequence[Task],
    found: Measured,
    bench: Bench,
    prices: Prices,
    path: Path,
    threads: int,
) -> dict[Candidate, Figures]:
    """Figures of every candidate: its encoder's, plus the search of its own index, timed here on stored vectors.

    Percentiles are added up, which is a little more than the percentile of the sum. Labelled `composed`. What was timed
    is kept in the file `path`, so that a run that goes on decides on the same figures.
    """
    search = largest_search(tasks)
    task = tasks[0] if search is None else search[0]
    kept: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
    if kept.get("task") != task.fingerprint:
        kept = {"task": task.fingerprint, "searches": {}}
    timed = Timed(bench, task, SEARCHES, threads)
    result: dict[Candidate, Figures] = {}
    for candidate in candidates:
        figures = found.figures.get(candidate.plain if isinstance(candidate, Embed) else candidate, Figures())
        if is_hybrid(candidate):
            if search is not None:
                if kept["searches"].get(str(candidate), {}).get("of") != timed.key(candidate):
                    kept["searches"][str(candidate)] = timed.searched(candidate)
                figures = hybrid_figures(candidate, found.figures, kept["searches"][str(candidate)])
        elif isinstance(candidate, Embed):
            price = bench.encoder(candidate.model).price_per_million_tokens
            figures = replace(figures, price_per_million_tokens=price)
            if str(candidate) not in kept["searches"]:
                kept["searches"][str(candidate)] = _searched(candidate, bench, task, search)
            figures = _with_search(figures, kept["searches"][str(candidate)])
        elif figures.peak_memory_mb is not None:
            figures = replace(figures, memory_mb=figures.peak_memory_mb, bytes_per_vector=0.0)
        result[candidate] = priced(figures, prices, documents_of(tasks))
    write_json(path, kept)
    return result


def searches(path: Path) -> Mapping[str, Mapping[str, float]]:
    """What `composed` timed and kept: by candidate, what its index adds to its encoder."""
    found: Mapping[str, Mapping[str, float]] = orjson.loads(path.read_bytes())["searches"]
    return found


def _searched(candidate: Embed, bench: Bench, task: Task, search: tuple[Task, TextSet] | None) -> dict[str, float]:
    """What the candidate's index adds to its encoder: memory, bytes a vector and, where there is a search, its time."""
    if search is None:
        chain = _chain(candidate, bench, task)
        per_vector = chain.bytes_per_vector + (4.0 * chain.incoming if candidate.rescore else 0.0)
        return {"bytes_per_vector": per_vector, "index_mb": 0.0}
    index, queries = _index(candidate, bench, task, search[1])
    times = _search_times(index, queries)
    p50, p95, p99 = (float(p) for p in np.percentile(times, [50, 95, 99]))
    size = {"bytes_per_vector": index.bytes_per_vector, "index_mb": index.bytes_per_vector * len(index) / MEGA}
    return {**size, "mean_ms": float(np.mean(times)), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


def _with_search(figures: Figures, searched: Mapping[str, float]) -> Figures:
    """An encoder's figures with those of the search added; unknown ones stay unknown."""
    memory = None if figures.peak_memory_mb is None else figures.peak_memory_mb + searched["index_mb"]
    figures = replace(figures, bytes_per_vector=searched["bytes_per_vector"], memory_mb=memory)
    if figures.mean_ms is None or "mean_ms" not in searched:
        return figures
    return replace(
        figures,
        mean_ms=figures.mean_ms + searched["mean_ms"],
        p50_ms=(figures.p50_ms or 0.0) + searched["p50_ms"],
        p95_ms=(figures.p95_ms or 0.0) + searched["p95_ms"],
        p99_ms=(figures.p99_ms or 0.0) + searched["p99_ms"],
        machine_ms=None if figures.machine_ms is None else figures.machine_ms + searched["mean_ms"],
        source="composed",
    )


def _index(candidate: Embed, bench: Bench, task: Task, documents: TextSet) -> tuple[DenseIndex, Rows]:
    """The candidate's index of the task's documents. A shape's vectors are made up: only their size matters here."""
    chain = _chain(candidate, bench, task)
    if candidate.model.is_shape:
        made_up = np.random.default_rng(0).standard_normal((len(documents.texts), chain.incoming), dtype=np.float32)
        return DenseIndex(chain, InMemory(made_up), candidate.rescore), InMemory(made_up)
    queries = next(part for part in task.text_sets() if part.name == "queries")
    index = DenseIndex(chain, bench.vectors(candidate.model, task, documents), candidate.rescore)
    return index, bench.vectors(candidate.model, task, queries)


def _chain(candidate: Embed, bench: Bench, task: Task) -> Chain:
    if not candidate.model.is_shape:
        return bench.chain(candidate, task)
    made_up = np.random.default_rng(0).standard_normal(
        (1024, bench.encoder(candidate.model).dimensions), dtype=np.float32
    )
    return Chain.fit(candidate.steps, made_up, cosine=True)


def _search_times(index: DenseIndex, queries: Rows) -> list[float]:
    """Milliseconds of single queries, the first one not counted."""
    vectors = queries.block(0, min(len(queries), SEARCHES))
    times = []
    for row in range(-1, len(vectors)):
        started = time.perf_counter()
        index.search(vectors[max(row, 0)][None, :], 10)
        times.append((time.perf_counter() - started) * 1e3)
    return times[1:]
