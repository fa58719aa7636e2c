"""Who writes and who reads an index at a time, and what is left of one that stopped."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import RunError
from sizewise.index.where import Where
from sizewise.pipeline.live import EmbedPipeline
from sizewise.search import catalog
from sizewise.search.catalog import Catalog
from sizewise.search.document import Document
from sizewise.search.folder import About
from sizewise.search.local import Local, only_writer
from sizewise.search.make import index
from sizewise.search.open import Searcher

TEXTS = ["A river runs to the ocean.", "The moon is round.", "Music is loud.", "Snow falls on the mountain."]


@pytest.fixture
def bundle(write_bundle, tiny_model, dense_model):
    return write_bundle(f"rerank(fuse(bm25, {tiny_model}+int8), {dense_model}, 3)")


@pytest.fixture
def corpus(tmp_path):
    return write(tmp_path / "corpus.jsonl", {f"d{at}": text for at, text in enumerate(TEXTS)})


def write(path, texts):
    path.write_text("".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in texts.items()))
    return path


@pytest.fixture(params=["exact", "edge"])
def make(request, bundle, corpus, tmp_path):
    def made(**more):
        return index(bundle, corpus, tmp_path / "index", engine=request.param, **more)

    return made


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
