"""Exact search, Qdrant Edge and FAISS's HNSW on the same vectors: time to build, latency, recall, memory, disk.

    python benchmarks/search.py --model static:./static --work DIR [--documents 100000] [--only edge]

Documents are windows of public texts (those of funnel.py), queries titles that are not among them. Every row is
measured in a process of its own, on two threads or as many as there are; queries one by one. Recall is the share of the
10 best of exact search over the same codes, documents with one score counting alike. Memory is what the process grew by
from before the index was opened until all queries were answered, pages of files among it. Edge and exact search are
those of `sizewise index` and `sizewise search`, without the encoder. Filters keep a share of the documents.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from funnel import vectors, windows

from data import data_folder
from sizewise.core.candidate import Embed
from sizewise.core.grammar import parse
from sizewise.core.rows import InMemory
from sizewise.index.dense import DenseIndex
from sizewise.index.edge import Edge
from sizewise.index.engine import BUILD_WIDTH, LINKS, WIDTH_WITHIN, EngineIndex, spaces, stored, width_among
from sizewise.index.exact import Scores
from sizewise.index.where import Where, Within
from sizewise.search.check import share
from sizewise.transform.chain import Chain

STAGES = ("", "+int8", "+binary", "+binary-asym", "+binary+rescore=200")
ENGINES = ("exact", "edge", "faiss")
SHARES = {"half": 2, "tenth": 10, "hundredth": 100, "thousandth": 1000}
"""Of a filter's field: one document in so many has it."""
QUERIES, DEPTH, FITTED, BLOCK = 500, 10, 5_000, 2_048
ROOM = 2**34


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", required=True)
    asked.add_argument("--work", required=True, type=Path)
    asked.add_argument("--documents", type=int, default=100_000)
    asked.add_argument("--only", choices=ENGINES)
    asked.add_argument("--stage", action="append", choices=STAGES)
    asked.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    given = asked.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    documents, queries = prepared(given.model, given.work, given.documents)
    if given.row:
        print(json.dumps(measured(*given.row, documents, queries, given.work)))
        return
    print(f"{len(documents):,} documents, {documents.shape[1]} dimensions, {len(queries)} queries; ", end="")
    print(f"m {LINKS}, ef_construct {BUILD_WIDTH}, ef {width_among(len(documents))} ({WIDTH_WITHIN} with a filter)\n")
    print("| codes | engine | build, s | p50, ms | p95, ms | recall@10 | least with a filter | memory, MB | disk, MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for stage in given.stage or STAGES:
        for engine in ENGINES:
            if given.only in (None, engine) and (engine != "faiss" or not stage):
                command = [sys.executable, __file__, *sys.argv[1:], "--row", stage, engine]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(done.stderr)
                print(line(stage, engine, json.loads(done.stdout.splitlines()[-1])), flush=True)


def line(stage: str, engine: str, row: dict[str, Any]) -> str:
    least = min(row["filtered"].values(), default=None)
    shown = "-" if least is None else f"{least:.4f}"
    return (
        f"| {stage[1:] or 'floats'} | {engine} | {row['build_s']:.0f} | {row['p50_ms']:.2f} | {row['p95_ms']:.2f} | "
        f"{row['recall']:.4f} | {shown} | {row['memory_mb']:,.0f} | {row['disk_mb']:,.0f} |"
    )


def prepared(model: str, work: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    path = work / f"documents-{count}.npy"
    documents = vectors(model, [] if path.exists() else windows(data_folder(), count), path, "document")
    lines = (data_folder() / "arxiv/search/queries.jsonl").read_text().splitlines()
    titles = [json.loads(line)["text"] for line in lines[:QUERIES]]
    return documents, np.array(vectors(model, titles, work / "search-queries.npy", "query"))


def measured(stage: str, engine: str, documents: np.ndarray, queries: np.ndarray, work: Path) -> dict[str, Any]:
    candidate = parse(f"x{stage}")
    assert isinstance(candidate, Embed)
    sample = np.array(documents[np.sort(np.random.default_rng(0).choice(len(documents), FITTED, replace=False))])
    chain = Chain.fit(candidate.steps, sample, cosine=True)
    folder = work / f"{engine}{stage.replace('+', '-')}-{len(documents)}"
    started = time.perf_counter()
    opened = {"exact": exact, "edge": edge, "faiss": faiss}[engine](documents, chain, candidate.rescore, folder)
    built = time.perf_counter() - started
    before = resident()
    ask = opened()
    times, found = [], np.full((len(queries), DEPTH), -np.inf, np.float32)
    ask(queries[:1], None)
    for at in range(len(queries)):
        started = time.perf_counter()
        scores = ask(queries[at : at + 1], None)
        times.append((time.perf_counter() - started) * 1e3)
        found[at, : scores.shape[1]] = scores[0]
    memory = resident() - before
    truth = DenseIndex(chain, InMemory(np.array(documents)), candidate.rescore, ROOM)
    filtered = {}
    if engine == "edge":
        for name, one_in in SHARES.items():
            within = Within(Where.from_json({name: True}), lambda _, one_in=one_in: chosen(len(documents), one_in))
            best = truth.search(queries, DEPTH, within=within)[1]
            filtered[name] = share(
                best, np.concatenate([ask(queries[at : at + 1], within) for at in range(len(queries))])
            )
    p50, p95 = np.percentile(times, [50, 95])
    disk = sum(path.stat().st_blocks * 512 for path in folder.rglob("*")) if folder.exists() else 0
    return {
        "build_s": built,
        "p50_ms": p50,
        "p95_ms": p95,
        "recall": share(truth.search(queries, DEPTH)[1], found),
        "filtered": filtered,
        "memory_mb": memory / 1e6,
        "disk_mb": disk / 1e6,
    }


Ask = Callable[[np.ndarray, Within | None], Scores]


def exact(documents: np.ndarray, chain: Chain, rescored: int, folder: Path) -> Callable[[], Ask]:
    def opened() -> Ask:
        index = DenseIndex(chain, InMemory(documents), rescored, ROOM)
        return lambda queries, within: index.search(queries, DEPTH, within=within)[1]

    return opened


def edge(documents: np.ndarray, chain: Chain, rescored: int, folder: Path) -> Callable[[], Ask]:
    if not folder.exists():
        half = folder.with_name(f"{folder.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        shard = Edge.create(half, spaces(0, chain, rescored))
        shard.index_fields([(name, "truth") for name in SHARES])
        for start in range(0, len(documents), BLOCK):
            places = range(start, min(start + BLOCK, len(documents)))
            fields = [{name: at % one_in == 0 for name, one_in in SHARES.items()} for at in places]
            shard.put(places, dict(stored(0, chain, rescored, np.array(documents[start : places.stop]))), fields)
        shard.optimise()
        shard.close()
        half.rename(folder)
    count = len(documents)

    def opened() -> Ask:
        index = EngineIndex(Edge.load(folder), 0, chain, rescored, count)
        return lambda queries, within: index.search(queries, DEPTH, within=within)[1]

    return opened


def faiss(documents: np.ndarray, chain: Chain, rescored: int, folder: Path) -> Callable[[], Ask]:
    import faiss as library

    file = folder / "index"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        index = library.IndexHNSWFlat(documents.shape[1], LINKS, library.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BUILD_WIDTH
        index.add(np.array(documents))
        library.write_index(index, str(file))
    width = width_among(len(documents))

    def opened() -> Ask:
        index = library.read_index(str(file))
        index.hnsw.efSearch = width
        library.omp_set_num_threads(1)  # for one query a second thread only waits
        return lambda queries, within: index.search(np.ascontiguousarray(queries), DEPTH)[0]

    return opened


def chosen(count: int, one_in: int) -> np.ndarray:
    return np.arange(count) % one_in == 0


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
