"""`sizewise index` and `sizewise search` as they are typed."""

import io
import json

import pytest


@pytest.fixture
def bundle(sizewise, retrieval_folder, tmp_path, tiny_model):
    done = sizewise(
        "build", f"fuse(bm25, {tiny_model}, w=0.4)", "--task", retrieval_folder, "--out", tmp_path / "bundle", "--quiet"
    )
    assert done.code == 0, done.err
    return tmp_path / "bundle"


def test_index_and_search(sizewise, bundle, retrieval_folder, tmp_path, monkeypatch):
    corpus = retrieval_folder / "corpus.jsonl"
    done = sizewise("index", bundle, corpus, "--quiet")
    assert done.code == 0, done.err
    assert f"60 documents are in {bundle}.index." in done.out
    text = json.loads(corpus.read_text().splitlines()[0])["text"]
    found = sizewise("search", bundle, text, "-k", 2)
    assert found.code == 0, found.err
    first, second, told = found.out.splitlines()
    assert first.split()[0] == "1"
    assert "d00" in first
    assert second.split()[0] == "2"
    assert "60 documents" in told
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{text}\nanother\n"))
    both = json.loads(sizewise("search", f"{bundle}.index", "-", "--json", "-").out)
    assert [len(one["hits"]) for one in both["results"]] == [10, 10]
    assert both["results"][0]["hits"][0]["id"] == "d00"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search", "nothing", "query"], "nothing is neither an index nor a bundle"),
        (["index", "nothing", "corpus"], "certificate.json is missing"),
    ],
)
def test_what_cannot_be(sizewise, words, said):
    done = sizewise(*words)
    assert done.code == 2
    assert said in done.err


def test_an_empty_query(sizewise, bundle):
    done = sizewise("search", bundle, " ")
    assert (done.code, "a query is empty" in done.err) == (2, True)
