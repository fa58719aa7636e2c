"""The shard of an index: a copy that may be behind, broken or in use, and is never the truth."""

import json
import shutil
import threading

import pytest

from sizewise.core.errors import RunError
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
        assert ids(before) == {f"d{at}" for at in range(1, 30)}  # what was deleted since is not told
        before.close()
    third.close()
    put(60)
    assert len(list((tmp_path / "index").glob("edge-*/"))) == 1
    assert len(ids(Searcher.open(tmp_path / "index"))) == 60


def test_another_process_makes_it(put, tmp_path, monkeypatch):
    put(30)
    monkeypatch.setattr(edge, "PATIENCE", 0.1)
    with (
        edge._alone(tmp_path / "index"),
        pytest.raises(RunError, match=r"another process is making .* ready for search"),
    ):
        Searcher.open(tmp_path / "index")
    assert len(ids(Searcher.open(tmp_path / "index", engine="exact"))) == 30


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
