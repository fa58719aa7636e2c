"""`/search` over an index: what the pipeline finds, with and without filters, for many at a time."""

import json
import threading

import httpx2
import numpy as np
import pytest

from sizewise.bundle.load import load_bundle
from sizewise.search.make import index

TEXTS = ["A river runs to the ocean.", "The moon is round.", "Music is loud.", "Snow falls on the mountain."] + [
    f"The {word} and the {other}." for word in ("moon", "river", "snow") for other in ("boat", "star", "house", "dog")
]


@pytest.fixture(scope="module")
def bundles(tiny_model, static_model, cross_model, write_bundle):
    candidates = {
        "small": f"static:{static_model}",
        "hybrid": f"rerank(fuse(bm25, {tiny_model}@fp32/onnx+int8), cross:{cross_model}@fp32/onnx, 5)",
        "bare": f"static:{static_model}+int8",
    }
    return {name: write_bundle(candidate) for name, candidate in candidates.items()}


@pytest.fixture(scope="module")
def arguments(bundles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes")
    corpus = folder / "corpus.jsonl"
    rows = [{"_id": f"d{at}", "text": text, "n": at, "even": at % 2 == 0} for at, text in enumerate(TEXTS)]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, engine in (("small", "edge"), ("hybrid", "exact")):
        index(bundles[name], corpus, folder / name, engine=engine)
    return [
        *(f"{name}={bundle}" for name, bundle in bundles.items()),
        *("--index", f"small={folder / 'small'}", "--index", f"hybrid={folder / 'hybrid'}"),
    ]


@pytest.fixture(scope="module")
def ask(served):
    with httpx2.Client(base_url=served.url, timeout=60) as client:
        yield lambda **body: client.post("/search", json=body)


@pytest.mark.parametrize("name", ["small", "hybrid"])
def test_what_the_pipeline_finds(ask, bundles, name):
    live = load_bundle(bundles[name])
    live.index(TEXTS)
    for query in ("the moon", "a river and a boat", "loud music"):
        found = ask(model=name, query=query, top_k=5).json()
        ids, scores = live.search([query], 5)
        assert [one["id"] for one in found["results"]] == [f"d{at}" for at in ids[0] if at >= 0]
        np.testing.assert_allclose([one["score"] for one in found["results"]], scores[0][ids[0] >= 0], atol=1e-4)
        assert [one["rank"] for one in found["results"]] == list(range(1, len(found["results"]) + 1))
        first = found["results"][0]
        assert first["text"] == TEXTS[int(first["id"][1:])]
        assert first["fields"] == {"n": int(first["id"][1:]), "even": int(first["id"][1:]) % 2 == 0}
        assert found["took_ms"] > 0


@pytest.mark.parametrize("name", ["small", "hybrid"])
def test_filters_lose_nothing(ask, name):
    found = ask(model=name, query="the moon", top_k=50, filter={"even": True, "n": {">=": 3, "<=": 9}}).json()[
        "results"
    ]
    assert {one["fields"]["n"] for one in found} == {4, 6, 8}
    assert ask(model=name, query="the moon", filter={"n": 5}).json()["results"][0]["id"] == "d5"
    assert ask(model=name, query="the moon", filter={"n": 500}).json()["results"] == []


def test_the_first_one_with_an_index(ask):
    assert ask(query="the moon").json()["model"] == "small"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"model": "bare", "query": "moon"}, 400, "bare has no index; make one beside its bundle"),
        ({"model": "none", "query": "moon"}, 404, "does not exist"),
        ({"query": "moon", "top_k": 1001}, 422, "a search gives 1,000 documents at most"),
        ({"query": "moon", "top_k": 0}, 422, "top_k"),
        ({"query": "moon", "filter": {"n": {"<": 3}}}, 422, "bounds other than >= and <="),
        ({"query": "moon", "filter": {"n": []}}, 422, "names no value"),
        ({"query": "moon", "filter": {"n": 10**400}}, 422, "is no text, number or truth value"),
        ({"query": "moon", "filter": {"n": None}}, 422, "is no text, number or truth value"),
        ({"query": "moon", "filter": {'a"b': 1}}, 422, "no field has an empty name, or one with a quote"),
        ({"query": "moon", "filter": {"n": [1] * 10_001}}, 422, "10,000 at most; ask for fewer"),
        ({"query": "moon", "filter": "n=3"}, 422, "filter"),
        ({"query": " "}, 422, "query is empty"),
    ],
)
def test_what_is_refused(ask, body, status, message):
    found = ask(**body)
    assert (found.status_code, message in found.json()["error"]) == (status, True), found.text


def test_odd_queries(ask):
    for query in ("\u202emoon", "水", "\x00", "moon " * 10_000, "' OR 1=1 --", "../../etc/passwd"):
        for name in ("small", "hybrid"):
            assert ask(model=name, query=query).status_code == 200
    assert ask(model="hybrid", query="moon " * 10_000).headers["x-truncated-texts"]


@pytest.mark.parametrize("name", ["small", "hybrid"])
def test_half_of_a_surrogate_pair_in_a_filter(served, name):
    body = f'{{"model": "{name}", "query": "moon", "filter": {{"n\\ud800": "\\ud800"}}}}'
    found = httpx2.post(f"{served.url}/search", content=body, headers={"content-type": "application/json"})
    assert (found.status_code, found.json()["results"]) == (200, [])


def test_many_at_a_time(served, ask):
    """Every answer is that of its own query."""
    queries = ["the moon", "a river", "loud music", "snow on a house", "the dog and the star"]
    wanted = {
        (name, query): [one["id"] for one in ask(model=name, query=query, top_k=4).json()["results"]]
        for name in ("small", "hybrid")
        for query in queries
    }
    wrong = []

    def search(seed):
        chance = np.random.default_rng(seed)
        with httpx2.Client(base_url=served.url, timeout=60) as client:
            for _ in range(20):
                key = list(wanted)[chance.integers(len(wanted))]
                answer = client.post("/search", json={"model": key[0], "query": key[1], "top_k": 4})
                if [one["id"] for one in answer.json()["results"]] != wanted[key]:
                    wrong.append((key, answer.text))

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_models_tell_of_their_indexes(served):
    found = httpx2.get(f"{served.url}/v1/models").json()["data"]
    assert [model["sizewise"]["documents"] for model in found] == [len(TEXTS), len(TEXTS), None]


def test_an_index_of_another_bundle(command, bundles, arguments):
    path = arguments[4].partition("=")[2]
    done = command("serve", f"a={bundles['bare']}", "--index", f"a={path}")
    assert done.returncode == 2
    assert "is not the bundle that" in done.stderr
