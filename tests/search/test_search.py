"""`index` and `search`: a bundle's pipeline over a corpus on disk, and what may go wrong with either."""

import json
import shutil

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.search.make import index
from sizewise.search.open import Searcher
from sizewise.ship.build import build

TEXTS = ["A river runs to the ocean.", "The moon is round.", "Music is loud.", "Snow falls on the mountain."]


@pytest.fixture(scope="module")
def bundle(tiny_model, dense_model, retrieval_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    text = f"rerank(fuse(bm25, {tiny_model}+int8), {dense_model}, 3)"
    build(text, folder / "bundle", tasks=[retrieval_folder], store=folder / "store")
    return folder / "bundle"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text(
        "".join(json.dumps({"_id": f"d{at}", "title": "", "text": text}) + "\n" for at, text in enumerate(TEXTS))
    )
    return path


@pytest.fixture
def make(bundle, corpus, tmp_path):
    def made(**more):
        return index(bundle, corpus, tmp_path / "index", store=tmp_path / "store", **more)

    return made


def test_what_is_found_is_what_the_pipeline_finds(bundle, make):
    from sizewise.bundle.load import load_bundle

    assert (make().documents, make(force=True).left_out) == (4, 0)
    live = load_bundle(bundle)
    live.index(TEXTS)
    queries = ["the moon", "a river", "loud snow"]
    ids, scores = live.search(queries, 3)
    found = Searcher.open(make(force=True).path).search(queries, 3)
    assert [[hit.id for hit in hits] for hits in found] == [[f"d{at}" for at in row] for row in ids]
    np.testing.assert_allclose([[hit.score for hit in hits] for hits in found], scores, rtol=1e-5)
    assert found[0][0].rank == 1
    assert found[0][0].text in TEXTS


def test_beside_the_bundle(bundle, corpus, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "moved")
    with pytest.raises(InputError, match="is a bundle without an index beside it; make one: sizewise index"):
        Searcher.open(copy)
    made = index(copy, corpus, store=tmp_path / "store")
    assert made.path == tmp_path / "moved.index"
    assert len(Searcher.open(copy).search(["moon"], 10)[0]) == 4


def test_an_index_knows_its_bundle(bundle, make, tmp_path, tiny_model, retrieval_folder):
    made = make()
    other = tmp_path / "other"
    build(f"{tiny_model}", other, store=tmp_path / "store")
    with pytest.raises(InputError, match=r"is not the bundle that .* was made with; index the corpus again"):
        Searcher.open(made.path, other)
    about = json.loads((made.path / "index.json").read_text())
    about["bundle"] = str(tmp_path / "gone")
    (made.path / "index.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"is not at .* any more; say where it is with --bundle"):
        Searcher.open(made.path)
    assert Searcher.open(made.path, bundle).search(["moon"], 1)


@pytest.mark.parametrize(
    ("file", "message"),
    [("vectors-0.npy", "vectors-0.npy cannot be read"), ("documents.arrow", "documents.arrow cannot be read")],
)
def test_a_damaged_index(make, file, message):
    made = make()
    (made.path / file).write_bytes(b"broken")
    with pytest.raises(InputError, match=message):
        Searcher.open(made.path)


def test_vectors_of_another_corpus(make):
    made = make()
    np.save(made.path / "vectors-0.npy", np.zeros((2, 32), np.float32))
    with pytest.raises(InputError, match=r"holds float32 \(2, 32\) instead of float32 \(4, "):
        Searcher.open(made.path)


def test_what_is_no_index(tmp_path):
    with pytest.raises(InputError, match="is neither an index nor a bundle"):
        Searcher.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "the file has no rows"), ('{"text": ""}\n', "holds no document with a text")],
)
def test_nothing_to_index(bundle, tmp_path, content, message):
    corpus = tmp_path / "empty.jsonl"
    corpus.write_text(content)
    with pytest.raises(InputError, match=message):
        index(bundle, corpus, tmp_path / "index", store=tmp_path / "store")
    assert not (tmp_path / "index").exists()


def test_texts_without_words_are_left_out(bundle, tmp_path):
    corpus = tmp_path / "some.jsonl"
    corpus.write_text('{"text": "A moon."}\n{"text": " "}\n{"text": "", "title": "A title"}\n')
    made = index(bundle, corpus, tmp_path / "index", store=tmp_path / "store")
    assert (made.documents, made.left_out) == (2, 1)
    found = Searcher.open(made.path).search(["moon", "qqq"], 10)
    assert found[0][0].text == "A moon."
    assert {len(hits) for hits in found} == {2}


def test_one_document(bundle, tmp_path):
    corpus = tmp_path / "one.txt"
    corpus.write_text("a single text about the moon\n")
    made = index(bundle, corpus, tmp_path / "index", store=tmp_path / "store")
    (hits,) = Searcher.open(made.path).search(["moon"], 5)
    assert [hit.rank for hit in hits] == [1]


def test_a_place_that_is_taken(make, tmp_path):
    make()
    with pytest.raises(InputError, match="is an index already; name a new folder, or replace it with --force"):
        make()


def test_a_folder_of_something_else(bundle, corpus, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and no index, so it is left alone"):
        index(bundle, corpus, tmp_path / "taken", store=tmp_path / "store", force=True)
