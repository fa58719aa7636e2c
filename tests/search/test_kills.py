"""Indexing that is killed, in processes of its own: nothing that was acknowledged is lost, nothing is there twice."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from sizewise.search.open import Searcher

COMMAND = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "index"]
QUERIES = ["the moon and the star", "river bank money", "a fish in the rain", "loud music in the street"]
SLOW = """
import time
from sizewise.search import local
put = local.Local.put

def slowly(self, documents, vectors):
    put(self, documents, vectors)
    time.sleep(0.02)

local.Local.put = slowly
"""
"""Else all is over before it can be killed."""


@pytest.fixture
def static_bundle(write_bundle, static_model):
    return write_bundle(f"static:{static_model}+int8")


@pytest.fixture
def started(tmp_path):
    """`started(bundle, corpus, ...)`: `sizewise index` in a process of its own, which takes its time."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW)

    def start(*words, slow=True, **more):
        path = [str(tmp_path / "slow")] if slow else []
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*path, os.environ.get("PYTHONPATH", "")])}
        return subprocess.Popen(
            [*COMMAND, *map(str, words)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    return start


def acknowledged(index):
    """Ids that the catalog has, as another process sees them."""
    try:
        with sqlite3.connect(f"file:{index}/catalog.sqlite?mode=ro", uri=True) as catalog:
            return {name for (name,) in catalog.execute("SELECT id FROM documents")}
    except sqlite3.OperationalError:
        return set()


def corpus_of(path, documents):
    path.write_text("".join(json.dumps(row) + "\n" for row in documents))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["edge", "exact"])
def test_killed_again_and_again(static_bundle, started, rows, tmp_path, engine):
    documents, out = rows(6000), tmp_path / "index"
    corpus = corpus_of(tmp_path / "corpus.jsonl", documents)
    chance, before, kills = random.Random(1), set(), 0
    while kills < 6:
        process = started(static_bundle, corpus, "--out", out, "--engine", engine, "--quiet")
        while process.poll() is None and len(acknowledged(out)) <= len(before):
            time.sleep(0.01)
        time.sleep(chance.random() * 0.3)
        seen = acknowledged(out)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        after = acknowledged(out)
        assert seen <= after
        assert before <= after
        before = after
    assert kills >= 3
    last = started(static_bundle, corpus, "--out", out, "--engine", engine, "--quiet", slow=False)
    told, error = last.communicate()
    assert last.returncode == 0, error
    assert f"6,000 documents are in {out}" in told
    assert acknowledged(out) == {row["_id"] for row in documents}
    searcher, exact = (Searcher.open(out, engine=one) for one in (engine, "exact"))
    assert searcher.documents == 6000
    found, best = (one.search(QUERIES, 10) for one in (searcher, exact))
    np.testing.assert_allclose(scores(found), scores(best), rtol=1e-5)
    every = searcher.search(["moon"], 6000)[0]
    assert len({hit.id for hit in every}) == len(every)
    again = started(static_bundle, corpus, "--out", out, "--quiet", slow=False)
    assert "6,000 unchanged" in again.communicate()[0]


def scores(found):
    return [[hit.score for hit in hits] for hits in found]


@pytest.mark.slow
def test_killed_while_the_engine_is_made_ready(static_bundle, started, rows, tmp_path):
    """The shard is behind, or broken; what is in the catalog is found again."""
    documents, out = rows(9000), tmp_path / "index"
    corpus = corpus_of(tmp_path / "corpus.jsonl", documents)
    chance, killed = random.Random(2), 0
    for _ in range(6):
        process = started(static_bundle, corpus, "--out", out, "--quiet", slow=False)
        while process.poll() is None and not (out / "edge-1").exists():
            time.sleep(0.005)
        time.sleep(chance.random() * 0.4)
        killed += process.poll() is None
        process.kill()
        process.communicate()
    assert killed
    assert len(acknowledged(out)) == 9000
    searcher = Searcher.open(out)  # brings it up to date
    assert not list(out.glob("edge-1/temp_segments/*"))
    found, best = (one.search(QUERIES, 10) for one in (searcher, Searcher.open(out, engine="exact")))
    np.testing.assert_allclose(scores(found), scores(best), rtol=1e-5)


@pytest.mark.parametrize("signals", [1, 2])
def test_stopped_by_hand(static_bundle, started, rows, tmp_path, signals):
    documents, out = rows(4000), tmp_path / "index"
    corpus = corpus_of(tmp_path / "corpus.jsonl", documents)
    process = started(static_bundle, corpus, "--out", out)
    while process.poll() is None and not acknowledged(out):
        time.sleep(0.01)
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; what was finished is kept, and the same command goes on from there" in error
    assert "Traceback" not in error
    some = acknowledged(out)
    assert 0 < len(some) < 4000
    searcher = Searcher.open(out)  # so far
    assert (searcher.documents, searcher.index.whole) == (len(some), False)
    searcher.close()
    last = started(static_bundle, corpus, "--out", out, slow=False)
    told, _ = last.communicate()
    assert f"{4000 - len(some):,} put there, {len(some):,} unchanged" in told
    assert Searcher.open(out).index.whole
