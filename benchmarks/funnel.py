"""How deep a funnel over 1,000,000 vectors must look again to find what floats find.

    python benchmarks/funnel.py --model static:./static --work DIR [--documents 1000000]

Documents are windows of public texts, encoded by the model, whose float ranking is the truth; queries are titles that
are not among them. First stages are codes or fewer dimensions; the depth is the least at which the mean recall@10 of
floats over the first stage's results is 0.99. Then single queries are timed at that depth, the first stage scanning all
documents and floats looking at its results. Bytes are those of the codes that a query scans.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data import data_folder
from sizewise.core.candidate import Embed
from sizewise.core.grammar import parse
from sizewise.core.rows import InMemory
from sizewise.encode.resolve import resolve
from sizewise.index.dense import DenseIndex
from sizewise.train.texts import source_texts
from sizewise.transform.chain import Chain, unit

SOURCES = (
    "arxiv/pairs.jsonl.gz",
    "medquad/train.jsonl",
    "medquad/liveqa",
    "pubmedqa",
    "xquad/en-en",
    "cuad/train.jsonl",
)
STAGES = ("", "+int8", "+binary-asym", "+binary", "+truncate=128", "+truncate=64")
DEPTHS = (10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800, 6400)
WANTED, FOUND = 0.99, 10
ROOM = 2**33
QUERIES, TIMED, FITTED = 200, 100, 5_000


def windows(data: Path, most: int) -> list[str]:
    """So many distinct runs of 6 to 40 words of public texts."""
    chance = np.random.default_rng(0)
    words = [text.split() for name in SOURCES for text in source_texts(data / name)]
    words = [each for each in words if len(each) >= 6]
    sizes = np.array([len(each) for each in words], float)
    found: dict[str, None] = {}
    while len(found) < most:
        for at in chance.choice(len(words), most // 4 + 1, p=sizes / sizes.sum()):
            length = int(chance.integers(6, 41))
            start = int(chance.integers(0, max(1, len(words[at]) - length + 1)))
            found[" ".join(words[at][start : start + length])] = None
    return list(found)[:most]


def vectors(model: str, texts: list[str], path: Path, role: str) -> np.ndarray:
    """float32 [n, d] of unit length, mapped from the file `path`, made unless it is there."""
    if not path.exists():
        candidate = parse(model)
        assert isinstance(candidate, Embed)
        encoder = resolve(candidate.model)
        half, at = path.with_suffix(".half.npy"), 0
        found = np.lib.format.open_memmap(half, "w+", np.float32, (len(texts), encoder.dimensions))
        for block in encoder.stream(texts, role, encoder.prompt(role)):
            found[at : at + len(block)] = unit(block)
            at += len(block)
        found.flush()
        half.replace(path)
    return np.load(path, mmap_mode="r")


def recalls(
    index: DenseIndex, queries: np.ndarray, documents: np.ndarray, truth: np.ndarray
) -> Iterator[tuple[int, float]]:
    """For each depth the mean share of the truth that floats find among the first stage's results."""
    ids, _ = index.search(queries, max(DEPTHS))
    for depth in DEPTHS:
        share = [(np.isin(truth[row], ids[row, :depth])).mean() for row in range(len(queries))]
        yield depth, float(np.mean(share))


def timed(index: DenseIndex, queries: np.ndarray) -> dict[str, float]:
    """Of single queries."""
    times = []
    for at in (0, *range(TIMED)):  # the first one is not counted
        started = time.perf_counter()
        index.search(queries[at][None, :], FOUND)
        times.append((time.perf_counter() - started) * 1e3)
    p50, p95 = np.percentile(times[1:], [50, 95])
    return {"p50_ms": p50, "p95_ms": p95, "queries_per_s": 1e3 / np.mean(times[1:])}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", required=True)
    asked.add_argument("--work", required=True, type=Path)
    asked.add_argument("--documents", type=int, default=1_000_000)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    name = given.work / f"documents-{given.documents}.npy"
    documents = vectors(given.model, [] if name.exists() else windows(data_folder(), given.documents), name, "document")
    titles = [
        json.loads(line)["text"] for line in (data_folder() / "arxiv/search/queries.jsonl").read_text().splitlines()
    ]
    queries = np.array(vectors(given.model, titles[:QUERIES], given.work / "queries.npy", "query"))
    memory = InMemory(np.array(documents))
    sample = memory.array[np.random.default_rng(0).choice(len(documents), FITTED, replace=False)]
    found, truth = [], None
    print(f"{len(documents):,} documents, {documents.shape[1]} dimensions, {len(queries)} queries\n")
    print("| first stage | bytes scanned | depth | recall@10 there | p50, ms | p95, ms | queries/s |")
    print("|---|---|---|---|---|---|---|")
    for stage in STAGES:
        steps = parse(f"x{stage}").steps
        chain = Chain.fit(steps, sample, cosine=True)
        if truth is None:
            truth = DenseIndex(chain, memory, limit=ROOM).search(queries, FOUND)[0]
        depth, reached, every = 0, 1.0, []
        if stage:
            every = list(recalls(DenseIndex(chain, memory, limit=ROOM), queries, memory.array, truth))
            depth, reached = next(((one, share) for one, share in every if share >= WANTED), every[-1])
        took = timed(DenseIndex(chain, memory, depth, ROOM), queries)
        scanned = chain.bytes_per_vector
        found.append(
            {"stage": stage or "floats", "bytes": scanned, "depth": depth, "recall": reached, "every": every, **took}
        )
        cells = f"{took['p50_ms']:.1f} | {took['p95_ms']:.1f} | {took['queries_per_s']:.1f}"
        print(f"| {stage[1:] or 'floats'} | {scanned:,.0f} | {depth or '-'} | {reached:.4f} | {cells} |", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"model": given.model, "documents": len(documents), "stages": found}))


if __name__ == "__main__":
    main()
