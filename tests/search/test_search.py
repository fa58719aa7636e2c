"""`index` and `search` in a folder: a hybrid with words, and what may go wrong with either."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import InputError
from sizewise.index.where import Where
from sizewise.pipeline.live import EmbedPipeline
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


@pytest.fixture(params=["exact", "edge"])
def make(request, bundle, corpus, tmp_path):
    def made(given=bundle, **more):
        return index(given, corpus, tmp_path / "index", engine=request.param, **more)

    return made


def test_what_is_found_is_what_the_pipeline_finds(bundle, make):
    made = make()
    assert (made.documents, made.left_out) == (4, 0)
    live = load_bundle(bundle)
    live.index(TEXTS)
    queries = ["the moon", "a river", "loud snow"]
    ids, scores = live.search(queries, 3)
    found = Searcher.open(made.path).search(queries, 3)
    assert [[hit.id for hit in hits] for hits in found] == [[f"d{at}" for at in row] for row in ids]
    np.testing.assert_allclose([[hit.score for hit in hits] for hits in found], scores, rtol=1e-5)
    assert found[0][0].rank == 1
    assert found[0][0].text in TEXTS


def test_words_of_deleted_documents_do_not_count(write_bundle, corpus, tmp_path):
    """BM25's weights are those of an index of what is left."""
    bundle = write_bundle("bm25")
    index(bundle, corpus, tmp_path / "index")
    made = index(bundle, None, tmp_path / "index", delete=["d1"])
    live = load_bundle(bundle)
    live.index([TEXTS[0], *TEXTS[2:]])
    ids, scores = live.search(["a river of loud music"], 3)
    (hits,) = Searcher.open(made.path).search(["a river of loud music"], 3)
    assert [hit.id for hit in hits] == [["d0", "d2", "d3"][at] for at in ids[0] if at >= 0]
    np.testing.assert_allclose([hit.score for hit in hits], scores[0][ids[0] >= 0], rtol=1e-6)
    assert Searcher.open(made.path).search(["moon"], 3) == [[]]


def test_filters_reach_words_too(bundle, tmp_path, rows):
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(90)))
    made = index(bundle, tmp_path / "c.jsonl", tmp_path / "index")
    for hits in Searcher.open(made.path).search(["moon river", "fish"], 10, Where.parse(["lang=de"])):
        assert {hit.fields["lang"] for hit in hits} == {"de"}
        assert len(hits) == 10


def test_beside_the_bundle(bundle, corpus, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "moved")
    with pytest.raises(InputError, match="is a bundle without an index beside it; make one: sizewise index"):
        Searcher.open(copy)
    made = index(copy, corpus)
    assert made.path == str(tmp_path / "moved.index")
    assert len(Searcher.open(copy).search(["moon"], 10)[0]) == 4


def test_an_index_knows_its_bundle(bundle, make, write_bundle, tiny_model):
    made = make()
    other = write_bundle(f"{tiny_model}")
    with pytest.raises(InputError, match=r"is not the bundle that .* was made with; index the corpus again"):
        Searcher.open(made.path, other)
    change(made.path, bundle=str(other.parent / "gone"))
    with pytest.raises(InputError, match=r"is not at .* any more; say where it is with --bundle"):
        Searcher.open(made.path)
    assert Searcher.open(made.path, bundle).search(["moon"], 1)


def change(folder, **about):
    path = Path(folder, "index.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | about))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("vectors-0.f32", b"broken", r"vectors-0.f32 holds 0 vectors of 4; index the corpus again with --force"),
        ("vectors-0.f32", None, r"vectors-0.f32 cannot be read \(No such file"),
        ("catalog.sqlite", b"broken " * 1000, "catalog.sqlite cannot be read"),
        ("catalog.sqlite", None, "catalog.sqlite cannot be read"),
        ("index.json", b"{", "index.json cannot be read"),
        ("index.json", b'{"schema": 1}', "index.json is of another version; index the corpus again with --force"),
        ("index.json", b'{"schema": 2}', "index.json is not as this version writes it"),
    ],
)
def test_a_damaged_index(bundle, corpus, tmp_path, file, content, message):
    made = index(bundle, corpus, tmp_path / "index", engine="exact")
    path = tmp_path / "index" / file
    for beside in path.parent.glob("catalog.sqlite-*"):
        beside.unlink()
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Searcher.open(made.path)
    made = index(bundle, corpus, tmp_path / "index", force=True)
    assert len(Searcher.open(made.path).search(["moon"], 10)[0]) == 4


@pytest.mark.parametrize("name", ["vectors-0.f32", "catalog.sqlite", "more"])
def test_links_lead_nowhere(make, tmp_path, name):
    """A file of an index that points out of it could show what is elsewhere."""
    made = make()
    path = tmp_path / "index" / name
    if path.exists():
        path.rename(tmp_path / "elsewhere")
    else:
        (tmp_path / "elsewhere").write_text("secret")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link; an index holds files only"):
        Searcher.open(made.path)


@pytest.mark.parametrize("about", [{"engine": "../edge"}, {"dimensions": [7, 7]}, {"dimensions": []}])
def test_a_description_that_is_wrong(make, about):
    made = make()
    change(made.path, **about)
    with pytest.raises(InputError, match="index"):
        Searcher.open(made.path)


def test_what_is_no_index(tmp_path):
    with pytest.raises(InputError, match="is neither an index nor a bundle"):
        Searcher.open(tmp_path)
    with pytest.raises(InputError, match="there is no engine 'faiss'"):
        Searcher.open(tmp_path, engine="faiss")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file has no rows"),
        ('{"text": ""}\n', "holds no document with a text"),
        ('{"text": "a", "a\\"b": 1}\n', "has a quote or a backslash in its name"),
    ],
)
def test_nothing_to_index(bundle, tmp_path, content, message):
    corpus = tmp_path / "empty.jsonl"
    corpus.write_text(content)
    with pytest.raises(InputError, match=message):
        index(bundle, corpus, tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_texts_without_words_are_left_out(bundle, tmp_path):
    corpus = tmp_path / "some.jsonl"
    corpus.write_text('{"text": "A moon."}\n{"text": " "}\n{"text": "", "title": "A title"}\n')
    made = index(bundle, corpus, tmp_path / "index")
    assert (made.documents, made.left_out) == (2, 1)
    found = Searcher.open(made.path).search(["moon", "qqq"], 10)
    assert found[0][0].text == "A moon."
    assert {len(hits) for hits in found} == {2}


def test_columns_of_a_csv(bundle, tmp_path):
    corpus = tmp_path / "some.csv"
    corpus.write_text("id,text,year,code,share\na,the moon,2020,007,0.5\nb,a star,2021,7,\nc,rain,,x,1e3\n")
    made = index(bundle, corpus, tmp_path / "index")
    searcher = Searcher.open(made.path)
    fields = {hit.id: hit.fields for hit in searcher.search(["moon"], 10)[0]}
    assert fields["a"] == {"year": 2020, "code": "007", "share": 0.5}
    assert fields["c"] == {"year": "", "code": "x", "share": "1e3"}
    assert {hit.id for hit in searcher.search(["moon"], 10, Where.parse(["code=7"]))[0]} == {"b"}
    assert {hit.id for hit in searcher.search(["moon"], 10, Where.parse(["code=007"]))[0]} == {"a"}
    assert {hit.id for hit in searcher.search(["moon"], 10, Where.parse(["year>=2000"]))[0]} == {"a", "b"}


def test_a_folder_of_something_else(bundle, corpus, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and no index, so it is left alone"):
        index(bundle, corpus, tmp_path / "taken", force=True)


def test_a_copy(make, bundle, tmp_path):
    made = make(snapshot=tmp_path / "copy")
    shutil.rmtree(made.path)
    copy = Searcher.open(tmp_path / "copy")
    assert index(bundle, None, tmp_path / "copy", delete=["d0"]).documents == 3  # nobody who searches is in the way
    assert len(copy.search(["moon"], 10)[0]) == 4
    assert len(Searcher.open(tmp_path / "copy").search(["moon"], 10)[0]) == 3
    with pytest.raises(InputError, match="is an index already"):
        make(snapshot=tmp_path / "copy")


def test_moved_to_another_folder(make, bundle, tmp_path, monkeypatch):
    """Nothing is encoded again, and what was deleted does not come along."""
    made = make()
    index(bundle, None, tmp_path / "index", delete=["d0"])
    monkeypatch.setattr(EmbedPipeline, "document_vectors", lambda *_: pytest.fail("it was encoded"))
    moved = index(bundle, None, tmp_path / "other", source=tmp_path / "index")
    assert (moved.documents, moved.added) == (3, 3)
    queries = ["the moon", "snow"]
    ours, theirs = (Searcher.open(path).search(queries, 3) for path in (moved.path, made.path))
    assert [[hit.id for hit in hits] for hits in ours] == [[hit.id for hit in hits] for hits in theirs]
    again = index(bundle, None, tmp_path / "other", source=tmp_path / "index")
    assert (again.added, again.unchanged) == (0, 3)
