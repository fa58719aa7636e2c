"""`index` and `search` in a folder: a hybrid with words, and what may go wrong with either."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import InputError, RunError
from sizewise.index.where import Where
from sizewise.pipeline.live import EmbedPipeline
from sizewise.search import catalog
from sizewise.search.catalog import Catalog
from sizewise.search.document import Document
from sizewise.search.folder import About
from sizewise.search.local import Local, only_writer
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


def test_who_searches_sees_what_was_there(bundle, make, corpus):
    """Though every document was replaced or deleted since: texts, words, fields and all."""
    made = make()
    before = Searcher.open(made.path)
    reader = Local(Path(made.path), About.read(Path(made.path)), load_bundle(bundle))
    expected = before.search(["a river of loud music"], 3)
    corpus.write_text('{"_id": "d0", "text": "Other words.", "lang": "en"}\n{"_id": "d2", "text": "A river."}\n')
    make(prune=True)
    assert before.search(["a river of loud music"], 3) == expected
    assert before.search(["moon"], 3, Where.parse(["lang=en"])) == [[]]
    assert len(before.search(["moon"], 10)[0]) == before.documents == 4
    late = Searcher(reader.attach(), reader)  # words are read only now
    assert [hit.id for hit in late.search(["a river of loud music"], 3)[0]] == [hit.id for hit in expected[0]]
    assert {hit.id for hit in Searcher.open(made.path).search(["river"], 10)[0]} == {"d0", "d2"}


def test_somebody_who_may_not_lock_notices_that_it_changes(bundle, corpus, tmp_path, monkeypatch):
    """There SQLite is told that nobody writes; who does, is found out."""
    made = index(bundle, corpus, tmp_path / "index", engine="exact")
    connected = catalog._connected

    def refused(path, mode):
        if mode == "ro":
            raise sqlite3.OperationalError("unable to open database file")
        return connected(path, mode)

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "_connected", refused)
        searcher = Searcher.open(made.path)
    assert len(searcher.search(["moon"], 10)[0]) == 4
    index(bundle, None, tmp_path / "index", delete=["d0"])
    with pytest.raises(RunError, match=r"catalog.sqlite was written to by somebody else while it was read"):
        searcher.search(["moon"], 10)


def test_a_full_disk(bundle, corpus, tmp_path):
    """What is there stays, and what SQLite says is said in a sentence."""
    made = index(bundle, corpus, tmp_path / "index", engine="exact")
    documents = [Document(f"more{at}", "", "moon " * 1000) for at in range(100)]
    with closing(Catalog(tmp_path / "index", write=True)) as full:
        full._database.execute("PRAGMA max_page_count = 8")
        with pytest.raises(RunError, match=r"catalog.sqlite: SQLite says: database or disk is full"):
            full.put(documents)
        assert full.state().documents == 4
    assert len(Searcher.open(made.path).search(["moon"], 10)[0]) == 4


def test_of_what_is_deleted_nothing_stays(write_bundle, static_model, corpus, tmp_path):
    bundle = write_bundle(f"static:{static_model}")
    index(bundle, corpus, tmp_path / "index")
    index(bundle, None, tmp_path / "index", delete=["d2"])
    files = [path.read_bytes() for path in (tmp_path / "index").rglob("*") if path.is_file()]
    assert not any(b"Music is loud" in content for content in files)
    assert any(b"Snow falls" in content for content in files)


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


def test_only_one_process_writes(bundle, make, corpus, tmp_path):
    make()
    with only_writer(tmp_path / "index"), pytest.raises(RunError, match="another process is indexing into"):
        make()


def test_nobody_takes_the_place_of_an_index_that_is_written(bundle, make, write_bundle, tiny_model, corpus, tmp_path):
    made = make()
    other = write_bundle(f"{tiny_model}")
    with only_writer(tmp_path / "index"), pytest.raises(RunError, match="another process is indexing into"):
        index(other, corpus, tmp_path / "index", force=True)
    assert len(Searcher.open(made.path).search(["moon"], 10)[0]) == 4
    assert index(other, corpus, tmp_path / "index", force=True).added == 4


def test_stopped_before_there_is_anything(bundle, corpus, tmp_path, monkeypatch):
    """The same command goes on."""
    with monkeypatch.context() as patched:
        patched.setattr(About, "write", lambda *_: interrupted())
        with pytest.raises(KeyboardInterrupt):
            index(bundle, corpus, tmp_path / "index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.jsonl"]
    assert index(bundle, corpus, tmp_path / "index").added == 4


def interrupted():
    raise KeyboardInterrupt


def test_whether_the_corpus_is_all_there(bundle, make, corpus, tmp_path, monkeypatch):
    """From the moment another one is begun until it is gone through; a copy is as complete as what it is of."""
    made = make()
    assert Searcher.open(made.path).index.whole
    corpus.write_text('{"_id": "d0", "text": "Other words."}\n')
    with monkeypatch.context() as patched:
        patched.setattr(EmbedPipeline, "document_vectors", lambda *_: interrupted())
        with pytest.raises(KeyboardInterrupt):
            make()
    for place in (tmp_path / "index", tmp_path / "moved"):
        index(bundle, None, tmp_path / "moved", source=tmp_path / "index")
        assert not Searcher.open(place).index.whole
    make()
    index(bundle, None, tmp_path / "index", delete=["d1"])
    index(bundle, None, tmp_path / "moved", source=tmp_path / "index")
    for place in (tmp_path / "index", tmp_path / "moved"):
        assert Searcher.open(place).index.whole


READ_ONLY = """
import os, sys
from sizewise.search.open import Searcher
path, copy, bundle, engine = sys.argv[1:]
Searcher.open(copy, bundle).search(["moon"], 10)  # loads what somebody else may not read
os.setgid(65534), os.setuid(65534)
try:
    print(len(Searcher.open(path, bundle, engine=engine).search(["moon"], 10)[0]))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
@pytest.mark.parametrize("left", [True, False])
def test_a_folder_that_is_read_only(write_bundle, static_model, corpus, tmp_path, left):
    """Exact search needs to write nothing, whether SQLite left its files there or not; Qdrant Edge does."""
    bundle = write_bundle(f"static:{static_model}")
    made = index(bundle, corpus, tmp_path / "index", snapshot=tmp_path / "copy")
    if not left:
        for file in (tmp_path / "index").glob("catalog.sqlite-*"):
            file.unlink()
    for path in bundle.rglob("*"):
        path.chmod(path.stat().st_mode | 0o055)
    for path in (tmp_path, *tmp_path.parents, bundle, *bundle.parents):
        if path != path.parent and path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o055)

    def opened(engine):
        command = [sys.executable, "-c", READ_ONLY, made.path, str(tmp_path / "copy"), str(bundle), engine]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert opened("exact") == "4\n"
    assert "InputError Qdrant Edge searches only in a folder that it may write to" in opened("edge")


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
