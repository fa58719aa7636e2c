"""The shard of an index: a copy that may be behind, broken or in use, and is never the truth."""

import json
import re
import shutil
import threading
from contextlib import contextmanager

import pytest

from sizewise.core.errors import RunError
from sizewise.core.progress import Silent
from sizewise.search import edge
from sizewise.search.make import index
from sizewise.search.open import Searcher


@pytest.fixture
def bundle(write_bundle, static_model):
    return write_bundle(f"static:{static_model}+int8")


@pytest.fixture
def put(bundle, tmp_path, rows):
    """`put(count)`: so many documents in the index."""

    def put(count, **more):
        corpus = tmp_path / "corpus.jsonl"
        corpus.write_text("".join(json.dumps(row) + "\n" for row in rows(count)))
        return index(bundle, corpus, tmp_path / "index", **more)

    return put


def ids(searcher, count=1000):
    return {hit.id for hit in searcher.search(["moon"], count)[0]}


def test_an_exact_index_gets_a_shard_when_it_is_asked(put):
    made = put(30, engine="exact")
    searcher = Searcher.open(made.path, engine="edge")
    assert len(ids(searcher)) == 30
    assert type(searcher.index).__name__ == "Embedded"
    assert searcher.index.embedded(0).among == 30


@pytest.mark.parametrize("harm", ["shard", "about", "nonsense", "older", "segment"])
def test_a_shard_that_is_broken_is_made_again(put, bundle, tmp_path, harm, rows):
    put(30)
    folder = tmp_path / "index"
    if harm == "shard":
        shutil.rmtree(folder / "edge-1")
    elif harm == "about":
        (folder / "edge.json").unlink()
    elif harm == "nonsense":
        (folder / "edge.json").write_text('{"shard": "../../etc", "positions": 1e9}')
    elif harm == "older":  # it says that it has all, and does not
        shutil.copytree(folder / "edge-1", tmp_path / "before")
        put(40)
        shutil.rmtree(folder / "edge-1")
        shutil.move(tmp_path / "before", folder / "edge-1")
    else:
        for file in folder.glob("edge-1/segments/*/segment.json"):
            file.write_text("{")
    searcher = Searcher.open(folder)
    assert len(ids(searcher)) == (40 if harm == "older" else 30)


def test_many_search_it_while_one_writes(put, bundle, tmp_path):
    """Who searches sees what was there; who opens it later sees all."""
    put(30)
    first, second = Searcher.open(tmp_path / "index"), Searcher.open(tmp_path / "index")
    put(50)
    index(bundle, None, tmp_path / "index", delete=["d0"])
    third = Searcher.open(tmp_path / "index")
    assert len(ids(third)) == 49
    for before in (first, second):
        assert ids(before) == {f"d{at}" for at in range(30)}
        before.close()
    third.close()
    put(60)
    assert len(list((tmp_path / "index").glob("edge-*/"))) == 1
    assert len(ids(Searcher.open(tmp_path / "index"))) == 60


def test_another_process_makes_it(put, tmp_path, monkeypatch):
    """It is waited for, and said so; exact search need not."""
    put(30)
    monkeypatch.setattr(edge, "PATIENCE", 0.1)
    heard, found = Heard(), []
    with edge._alone(tmp_path / "index", heard):
        opening = threading.Thread(target=lambda: found.append(Searcher.open(tmp_path / "index", progress=heard)))
        opening.start()
        assert heard.event.wait(10)
        assert len(ids(Searcher.open(tmp_path / "index", engine="exact"))) == 30
        assert not found
    opening.join(10)
    assert len(ids(found[0])) == 30
    assert re.fullmatch(r"another process makes .* ready for search; waiting for it .*", *heard.said)


class Heard(Silent):
    """What is said."""

    def __init__(self):
        self.said, self.event = [], threading.Event()

    def say(self, message):
        self.said.append(message)
        self.event.set()


def test_one_that_cannot_open_a_shard_leaves_it_to_others(put, tmp_path, monkeypatch):
    put(30)
    first = Searcher.open(tmp_path / "index")
    with monkeypatch.context() as patched:
        load, failures = edge.Edge.load, iter([OSError("too many open files")])

        def once(*words, **more):
            for failure in failures:
                raise RunError(str(failure))
            return load(*words, **more)

        patched.setattr(edge.Edge, "load", once)
        second = Searcher.open(tmp_path / "index")
    assert (tmp_path / "index" / "edge-1").is_dir()
    assert len(ids(first)) == len(ids(second)) == 30


def test_one_that_waited_for_an_indexer_has_what_that_one_put(put, tmp_path, monkeypatch):
    """An opener that read the catalog before would take the shard of more documents for a broken one."""
    put(30)
    alone = edge._alone

    @contextmanager
    def later(folder, progress):
        monkeypatch.setattr(edge, "_alone", alone)
        put(50)
        with alone(folder, progress):
            yield

    monkeypatch.setattr(edge, "_alone", later)
    heard = Heard()
    assert len(ids(Searcher.open(tmp_path / "index", progress=heard))) == 50
    assert heard.said == []


def test_opened_at_the_same_time(put, tmp_path):
    put(30)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(len(ids(Searcher.open(tmp_path / "index"))))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [30] * 4


def test_what_it_finds_is_measured(put):
    made = put(200)
    assert made.recall is not None
    assert (made.recall.share, made.recall.queries) == (1.0, 100)
    assert put(200).recall is None
    assert put(200, engine="exact").recall is None
