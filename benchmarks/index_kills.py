"""Indexing 200,000 documents, killed ten times: what was acknowledged stays, and all are found at the end.

    python benchmarks/index_kills.py --bundle BUNDLE --work DIR [--documents 200000] [--kills 10]

Documents are windows of public texts (those of funnel.py) with fields. `sizewise index` runs in a process of its own
and is killed with SIGKILL after so many seconds, drawn at random up to --seconds; before and after each kill the
catalog is read as another process sees it. Then it runs to its end, and Qdrant Edge is compared with exact search, with
and without filters; queries are titles that are not among the documents.
"""

import argparse
import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from funnel import windows

from data import data_folder
from sizewise.index.where import Where
from sizewise.search.check import share
from sizewise.search.open import Hit, Searcher

COMMAND = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "index"]
QUERIES, DEPTH = 300, 10
FILTERS = ("", "lang=en", "year>=2020", "year=2007", 'part=["p7", "p8"]', "rare=true")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--bundle", required=True, type=Path)
    asked.add_argument("--work", required=True, type=Path)
    asked.add_argument("--documents", type=int, default=200_000)
    asked.add_argument("--kills", type=int, default=10)
    asked.add_argument("--seconds", type=float, default=25.0, help="Until a run is killed, at most.")
    given = asked.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    corpus, out = given.work / f"corpus-{given.documents}.jsonl", given.work / "index"
    if not corpus.exists():
        write(corpus, windows(data_folder(), given.documents))
    command = [*COMMAND, str(given.bundle), str(corpus), "--out", str(out), "--quiet"]
    chance, before = np.random.default_rng(0), set[str]()
    for kill in range(1, given.kills + 1):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait = float(chance.uniform(2.0, given.seconds))
        time.sleep(wait)
        seen = acknowledged(out)
        if process.poll() is not None:
            print(f"run {kill} had ended after {wait:.1f} s: {(process.stderr or sys.stdin).read()!r}")
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = acknowledged(out)
        lost = len(before - after) + len(seen - after)
        print(f"kill {kill:2} after {wait:4.1f} s: {len(after):7,} acknowledged, {lost} lost, {state(out)}", flush=True)
        before = after
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"the last run took {time.perf_counter() - started:.0f} s\n{done.stdout}")
    compare(given, out)


def compare(given: argparse.Namespace, out: Path) -> None:
    names = acknowledged(out)
    print(f"{len(names):,} ids of {given.documents:,}, none twice: {len(names) == given.documents == rows(out)}")
    lines = (data_folder() / "arxiv/search/queries.jsonl").read_text().splitlines()
    queries = [json.loads(line)["text"] for line in lines[:QUERIES]]
    edge, exact = Searcher.open(out), Searcher.open(out, engine="exact")
    edge.search(queries[:1], DEPTH), exact.search(queries[:1], DEPTH)
    print("\n| filter | documents | recall@10 | p50, ms | p95, ms | exact: p50, ms |\n|---|---|---|---|---|---|")
    for text in FILTERS:
        where = Where.parse([text] if text else [])
        found, times = asked_one_by_one(edge, queries, where)
        best, slow = asked_one_by_one(exact, queries, where)
        within = exact.index.within(where)
        count = given.documents if within is None else int(within.mask.sum())
        p50, p95 = np.percentile(times, [50, 95])
        print(f"| {text or '-'} | {count:,} | {share(scores(best), scores(found)):.4f} | {p50:.1f} | {p95:.1f} | "
              f"{np.median(slow):.1f} |")  # fmt: skip


def asked_one_by_one(searcher: Searcher, queries: list[str], where: Where) -> tuple[list[list[Hit]], list[float]]:
    found, times = [], []
    for query in queries:
        started = time.perf_counter()
        found += searcher.search([query], DEPTH, where)
        times.append((time.perf_counter() - started) * 1e3)
    return found, times


def scores(found: list[list[Hit]]) -> np.ndarray:
    values = np.full((len(found), DEPTH), -np.inf, np.float32)
    for row, hits in enumerate(found):
        values[row, : len(hits)] = [hit.score for hit in hits]
    return values


def write(path: Path, texts: list[str]) -> None:
    chance = np.random.default_rng(1)
    with path.open("w") as file:
        for at, text in enumerate(texts):
            fields = {"lang": "en" if chance.random() < 0.5 else "de", "year": int(2000 + 25 * chance.random())}
            fields |= {"part": f"p{chance.integers(0, 100)}", "rare": bool(chance.random() < 0.0005)}
            file.write(json.dumps({"_id": f"d{at}", "text": text, **fields}) + "\n")


def acknowledged(out: Path) -> set[str]:
    """Ids that the catalog has."""
    try:
        with sqlite3.connect(f"file:{out}/catalog.sqlite?mode=ro", uri=True) as catalog:
            return {name for (name,) in catalog.execute("SELECT id FROM documents")}
    except sqlite3.OperationalError:
        return set()


def rows(out: Path) -> int:
    with sqlite3.connect(f"file:{out}/catalog.sqlite?mode=ro", uri=True) as catalog:
        return int(catalog.execute("SELECT count(*) FROM documents").fetchone()[0])


def state(out: Path) -> str:
    """How far the engine's copy is known to be."""
    try:
        about = json.loads((out / "edge.json").read_text())
    except FileNotFoundError:
        return "no shard yet"
    return f"shard at {about['positions']:,}"


if __name__ == "__main__":
    main()
