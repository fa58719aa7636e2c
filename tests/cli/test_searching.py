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
    assert f"60 documents are in {bundle}.index: 60 put there." in done.out
    assert "Qdrant Edge finds 100.0% of the 10 that exact search finds" in done.out
    text = json.loads(corpus.read_text().splitlines()[0])["text"]
    found = sizewise("search", bundle, text, "-k", 2)
    assert found.code == 0, found.err
    first, second, told = found.out.splitlines()
    assert first.split()[0] == "1"
    assert "d00" in first
    assert second.split()[0] == "2"
    assert "60 documents" in told
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{text}\r\nanother\n".encode())))
    both = json.loads(sizewise("search", f"{bundle}.index", "-", "--json", "-").out)
    assert [len(one["hits"]) for one in both["results"]] == [10, 10]
    assert both["results"][0]["hits"][0]["id"] == "d00"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search", "nothing", "query"], "nothing is neither an index nor a bundle"),
        (["index", "nothing", "corpus"], "nothing is no bundle"),
    ],
)
def test_what_cannot_be(sizewise, words, said):
    done = sizewise(*words)
    assert done.code == 2
    assert said in done.err


def test_an_empty_query(sizewise, bundle):
    done = sizewise("search", bundle, " ")
    assert (done.code, "a query is empty" in done.err) == (2, True)


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("id,text,year,lang\na,the moon,2019,en\nb,a star,2021,en\nc,the river,2024,de\n")
    return path


@pytest.fixture
def small(write_bundle, static_model):
    return write_bundle(f"static:{static_model}")


def test_filters_and_changes(sizewise, small, notes, tmp_path, monkeypatch):
    out = tmp_path / "index"
    assert sizewise("index", small, notes, "--out", out, "--json", tmp_path / "told.json").code == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["index"], told["documents"], told["added"], told["recall"]["recall"]) == (str(out), 3, 3, 1.0)

    def found(*words):
        done = sizewise("search", out, "moon", "--json", "-", *words)
        assert done.code == 0, done.err
        return {hit["id"] for hit in json.loads(done.out)["results"][0]["hits"]}

    assert found() == found("--exact") == {"a", "b", "c"}
    assert found("--where", "year>=2020", "--where", "lang=en") == {"b"}
    assert "nothing found: no document is as --where says" in sizewise("search", out, "moon", "--where", "x=1").out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nnobody\n")))
    assert "2 documents are in" in sizewise("index", small, "--out", out, "--delete", "-").out
    assert found() == {"b", "c"}
    notes.write_text("id,text\nb,a star\n")
    assert "1 documents are in" in sizewise("index", small, notes, "--out", out, "--prune").out
    assert sizewise("index", small, "--out", out, "--snapshot", tmp_path / "copy").code == 0
    assert (tmp_path / "copy" / "index.json").exists()


def test_a_file_of_ids(sizewise, small, tmp_path):
    ids = ["ä", "b\u2028c", "d\x85\x0ce", "f"]
    corpus, listed = tmp_path / "corpus.jsonl", tmp_path / "ids"
    corpus.write_text("".join(json.dumps({"_id": one, "text": "the moon"}) + "\n" for one in [*ids, "last"]))
    listed.write_text("\r\n".join(ids), encoding="utf-8-sig", newline="")
    out = tmp_path / "index"
    assert sizewise("index", small, corpus, "--out", out).code == 0
    assert "1 documents are in" in sizewise("index", small, "--out", out, "--delete", listed).out
    listed.write_text("last\nä\n", encoding="latin-1")
    done = sizewise("index", small, "--out", out, "--delete", listed)
    assert (done.code, f"--delete {listed}:2: the line is not UTF-8; save" in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "{bundle}"], "there is nothing to do; name a corpus, --from, --delete or --snapshot"),
        (["index", "{bundle}", "--prune", "--delete", "-"], "--prune removes what a corpus has no more"),
        (["index", "{bundle}", "--delete", "{notes}", "--out", "none"], "holds no index of this bundle"),
        (["index", "{bundle}", "--delete", "none"], "--delete none: there is no such file"),
        (["index", "{bundle}", "{notes}", "--to", "notes"], "--to notes is not the URL of a collection alone"),
        (["index", "{bundle}", "{notes}", "--to", "http://127.0.0.1:1"], "names a server and a collection"),
        (["index", "{bundle}", "{notes}", "--to", "http://me:secret@127.0.0.1:1/n"], "holds no keys; put the key into"),
        (["search", "{bundle}", "moon", "--where", "lang"], "'lang' is no condition"),
        (["search", "http://127.0.0.1:1/notes", "moon"], "say with --bundle which bundle it is for"),
    ],
)
def test_commands_that_are_wrong(sizewise, small, notes, words, said):
    done = sizewise(*(word.format(bundle=small, notes=notes) for word in words))
    assert (done.code, said in done.err) == (2, True), done.err
    assert "secret" not in done.err


def test_a_server_that_is_not_there(sizewise, small, notes, monkeypatch):
    from sizewise.index import qdrant

    monkeypatch.setattr(qdrant, "WAIT", 0.0)
    monkeypatch.setenv("QDRANT_API_KEY", "a-secret-key")
    done = sizewise("index", small, notes, "--to", "http://127.0.0.1:1/notes")
    assert (done.code, "the Qdrant server does not answer (http://127.0.0.1:1/notes)" in done.err) == (1, True)
    assert "a-secret-key" not in done.err + done.out
