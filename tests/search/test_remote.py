"""What only concerns a server: its URL, what it says of itself, words, moving there, snapshots, answers that fail."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from qdrant_client import models

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import InputError, RunError
from sizewise.core.progress import Silent
from sizewise.index import qdrant
from sizewise.search import remote
from sizewise.search.make import index
from sizewise.search.open import Searcher

URL = "http://localhost:6333/notes"


@pytest.fixture
def bundle(write_bundle, static_model):
    return write_bundle(f"static:{static_model}+int8")


@pytest.fixture
def corpus(tmp_path, rows):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(50)))
    return path


def test_what_the_collection_says_of_itself(local_server, bundle, corpus):
    """Any machine with the bundle can search it; nothing of this one is written down."""
    index(bundle, corpus, URL)
    about = local_server.get_collection("notes").config.metadata["sizewise"]
    assert set(about) == {"schema", "digest", "candidate", "whole", "columns"}
    assert about["whole"] is True
    point = local_server.retrieve("notes", [remote.number("d7")])[0]
    assert set(point.payload) == {"id", "title", "text", "fields", "digest"}
    assert str(bundle) not in json.dumps([about, point.payload])


def test_codes_are_kept_as_they_were_measured(local_server, bundle, corpus):
    index(bundle, corpus, URL)
    params = local_server.get_collection("notes").config.params.vectors["codes-0"]
    assert (params.datatype, params.distance, params.on_disk) == ("float16", "Dot", True)
    assert params.quantization_config.scalar.always_ram
    (point,) = local_server.retrieve("notes", [remote.number("d7")], with_vectors=True)
    codes = np.array(point.vector["codes-0"])
    assert (codes == np.rint(codes)).all()
    assert np.abs(codes).max() <= 127


def test_a_funnel_is_one_question(local_server, write_bundle, static_model, tiny_model, corpus, monkeypatch):
    bundle = write_bundle(f"rerank(static:{static_model}+binary+rescore=40, {tiny_model}, 20)")
    index(bundle, corpus, URL)
    asked = []
    answer = local_server.query_batch_points
    monkeypatch.setattr(
        local_server,
        "query_batch_points",
        lambda name, requests: asked.append(requests) or answer(name, requests),
        False,
    )
    searcher = Searcher.open(URL, bundle)
    assert len(searcher.search(["the moon"], 10)[0]) == 10
    ((request,),) = asked
    assert (request.using, request.limit) == ("codes-1", 10)
    assert (request.prefetch.using, request.prefetch.limit) == ("floats-0", 20)
    assert (request.prefetch.prefetch.using, request.prefetch.prefetch.limit) == ("codes-0", 40)


def test_an_index_moves_there(local_server, bundle, corpus, tmp_path, monkeypatch):
    from sizewise.pipeline.live import EmbedPipeline

    here = index(bundle, corpus, tmp_path / "index")
    with monkeypatch.context() as patch:
        patch.setattr(EmbedPipeline, "document_vectors", lambda *_: pytest.fail("it was encoded"))
        there = index(bundle, None, URL, source=tmp_path / "index")
        assert (there.documents, there.added) == (50, 50)
        assert index(bundle, None, URL, source=tmp_path / "index").unchanged == 50
    found, wanted = (Searcher.open(path, bundle).search(["the moon"], 10)[0] for path in (URL, here.path))
    assert [hit.score for hit in found] == [hit.score for hit in wanted]
    assert {hit.id: hit.fields for hit in found} == {hit.id: hit.fields for hit in wanted}
    assert index(bundle, corpus, URL).unchanged == 50


def test_words_are_not_there(local_server, write_bundle, tiny_model, corpus):
    for text in ("bm25", f"fuse(bm25, {tiny_model})"):
        with pytest.raises(InputError, match="bm25 ranks documents that are at hand, not on a server"):
            index(write_bundle(text), corpus, URL)


def test_a_collection_of_somebody_else(local_server, bundle, corpus):
    local_server.create_collection("notes", models.VectorParams(size=3, distance=models.Distance.DOT))
    for force in (False, True):
        with pytest.raises(InputError, match="is a collection of something else, or of another version"):
            index(bundle, corpus, URL, force=force)
    with pytest.raises(InputError, match="there is no such collection; make it"):
        Searcher.open(URL + "-2", bundle)


def test_two_ids_with_one_number(local_server, bundle, corpus, monkeypatch):
    index(bundle, corpus, URL)
    monkeypatch.setattr(remote, "number", lambda identifier: 7)
    with pytest.raises(RunError, match="have one number of 63 bits; rename one of them"):
        index(bundle, corpus, URL)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:6333",
        "http://localhost:6333/",
        "http:///notes",
        "https://h/a:b",
        "http://localhost:abc/notes",
        "http://localhost:99999/notes",
        "http://[::1/notes",
    ],
)
def test_urls_that_name_no_collection(bundle, url):
    with pytest.raises(InputError, match="names a server and a collection"):
        Searcher.open(url, bundle)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://host/notes", "http://host:6333/notes"),
        ("https://host/a/notes", "https://host:443/a/notes"),
        ("http://[::1]/notes", "http://[::1]:6333/notes"),
        ("http://host:80/notes", "http://host:80/notes"),
    ],
)
def test_the_port_of_a_server(local_server, bundle, corpus, url, whole):
    """One for the client and for snapshots."""
    assert index(bundle, corpus, url).path == whole


def test_a_server_that_is_building(local_server, bundle, corpus, monkeypatch):
    status = ["yellow", "yellow", "grey", "red"]
    look = local_server.get_collection

    def looked(name):
        about = look(name)
        failed = models.OptimizersStatusOneOf1(error="no space left")
        about.status = models.CollectionStatus(status.pop(0)) if status else about.status
        return about.model_copy(update={"optimizer_status": failed}) if about.status == "red" else about

    index(bundle, corpus, URL)
    engine = remote.Remote.open(URL, bundle, load_bundle(bundle))
    monkeypatch.setattr(local_server, "get_collection", looked, raising=False)
    monkeypatch.setattr(remote, "LOOKED_AFTER", 0.0)
    engine.finish(Silent())
    assert status == ["red"]
    with pytest.raises(RunError, match=r"the Qdrant server failed .*: no space left; look into its log"):
        engine.finish(Silent())


class Answers(BaseHTTPRequestHandler):
    """A server that says what `script` says, and then that there is a collection."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("api-key")))
        none = (200, b'{"result": {"exists": false}}')
        status, body, *after = self.server.script.pop(0) if self.server.script else none
        self.send_response(status)
        if after:
            self.send_header("retry-after", *after)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def answers(monkeypatch):
    monkeypatch.setattr(qdrant, "WAIT", 0.0)
    server = HTTPServer(("127.0.0.1", 0), Answers)
    server.script, server.asked = [], []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_what_passes_is_asked_again(answers, bundle):
    answers.script += [(503, b"{}"), (429, b"{}")]
    with pytest.raises(InputError, match="there is no such collection"):
        Searcher.open(f"http://127.0.0.1:{answers.server_port}/notes", bundle)
    assert len(answers.asked) == 3


def test_a_server_that_says_when_is_given_the_time(answers, bundle, monkeypatch):
    waited = []
    monkeypatch.setattr(qdrant, "time", SimpleNamespace(sleep=waited.append))
    url = f"http://127.0.0.1:{answers.server_port}/notes"
    answers.script += [(429, b"{}", "7"), (429, b"{}", "86400"), (429, b"{}", "Sun, 29 Nov 2026 10:00:00 GMT")]
    with pytest.raises(InputError, match="there is no such collection"):
        Searcher.open(url, bundle)
    assert waited == [7, qdrant.LONGEST, 0.0]
    answers.script += [(429, b'{"status": {"error": "slow down"}}', "7")] * qdrant.TRIES
    with pytest.raises(RunError, match=r"has too much to do .*: slow down; try later"):
        Searcher.open(url, bundle)


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "it wants a key; put it into the environment variable QDRANT_API_KEY"), (400, "400 bad"), (503, "503")],
)
def test_what_a_server_refuses(answers, bundle, monkeypatch, status, said):
    monkeypatch.setenv("QDRANT_API_KEY", "a-secret-key")
    answers.script += [(status, b"bad")] * 9
    with pytest.warns(UserWarning, match="insecure"), pytest.raises(RunError, match=said) as raised:
        Searcher.open(f"http://127.0.0.1:{answers.server_port}/notes", bundle)
    assert answers.asked[0][1] == "a-secret-key"
    assert "a-secret-key" not in str(raised.value)


def test_a_snapshot_is_fetched(answers, local_server, bundle, corpus, tmp_path, monkeypatch):
    url = f"http://127.0.0.1:{answers.server_port}/notes"
    monkeypatch.setenv("QDRANT_API_KEY", "a-secret-key")
    made = SimpleNamespace(name="notes-1.snapshot")
    monkeypatch.setattr(local_server, "create_snapshot", lambda *_, **__: made, raising=False)
    answers.script += [(200, b"all of it"), (500, b"")]
    index(bundle, corpus, url, snapshot=tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"all of it"
    assert answers.asked == [("/collections/notes/snapshots/notes-1.snapshot", "a-secret-key")]
    with pytest.raises(InputError, match="is there already"):
        index(bundle, corpus, url, snapshot=tmp_path / "copy")
    with pytest.raises(RunError, match="could not be fetched"):
        index(bundle, corpus, url, snapshot=tmp_path / "other")
    assert not (tmp_path / "other").exists()
