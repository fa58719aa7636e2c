"""What tests of indexes share: corpora with fields, and every place that an index can be in."""

import json
import os
import random
import uuid
import warnings

import pytest

from sizewise.search.make import index
from sizewise.search.open import Searcher

URL = os.environ.get("QDRANT_URL")
"""Of a real server, where there is one."""

WORDS = ["river", "bank", "money", "water", "bridge", "engine", "flower", "snow", "rain", "star", "moon", "planet",
         "rocket", "fish", "bird", "music", "street", "book"]  # fmt: skip


def make_rows(count, seed=3):
    chance = random.Random(seed)
    return [
        {
            "_id": f"d{at}",
            "title": chance.choice(WORDS),
            "text": " ".join(chance.choices(WORDS, k=chance.randint(3, 15))),
            "year": 2000 + at % 25,
            "lang": ("en", "de", "fr")[at % 3],
            "open": at % 2 == 0,
            "tags": [WORDS[at % 5], WORDS[at % 7]],
        }
        for at in range(count)
    ]


@pytest.fixture(scope="session")
def rows():
    """`rows(count)`: documents of words, with fields of every kind."""
    return make_rows


def write(path, documents):
    path.write_text("".join(json.dumps(one) + "\n" for one in documents))
    return path


class Place:
    """Somewhere for an index: `put` indexes, `open` searches."""

    def __init__(self, out, engine, folder):
        self.out, self.engine, self.folder = out, engine, folder

    def put(self, bundle, documents=None, **more):
        corpus = None if documents is None else write(self.folder / "corpus.jsonl", documents)
        return index(bundle, corpus, self.out, engine=self.engine, **more)

    def open(self, bundle):
        return Searcher.open(self.out, bundle)


class Shared:
    """A client that stays: local mode keeps its data in the object."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return (lambda: None) if name == "close" else getattr(self._client, name)


@pytest.fixture
def local_server(monkeypatch):
    """The official client's local mode in place of every server."""
    from qdrant_client import QdrantClient

    from sizewise.search import remote

    warnings.filterwarnings("ignore", "Payload indexes have no effect", UserWarning)
    warnings.filterwarnings("ignore", "Local mode performs exact", UserWarning)
    client = Shared(QdrantClient(":memory:"))
    monkeypatch.setattr(remote, "connect", lambda url, key, prefix: client)
    return client


@pytest.fixture(params=["exact", "edge", "local mode", "server"])
def place(request, tmp_path):
    if request.param == "local mode":
        request.getfixturevalue("local_server")
        return Place("http://localhost:6333/notes", None, tmp_path)
    if request.param == "server":
        if not URL:
            pytest.skip("there is no Qdrant server here; name one in QDRANT_URL")
        return Place(f"{URL.rstrip('/')}/test-{uuid.uuid4().hex}", None, tmp_path)
    return Place(tmp_path / "index", request.param, tmp_path)
