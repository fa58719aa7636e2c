"""Rerank in the shapes of Cohere, Jina and TEI; TEI's other routes."""

import httpx2
import numpy as np
import pytest
from huggingface_hub import InferenceClient

from sizewise.bundle.load import load_bundle
from sizewise.encode.pairs import pair

TEXTS = ["A river runs to the ocean.", "The moon is round.", "Music is loud.", "The moon and a star."]
QUERY = "the round moon"


@pytest.fixture(scope="module")
def bundles(tiny_model, static_model, cross_model, write_bundle):
    candidates = {
        "plain": f"{tiny_model}@fp32/onnx+int8",
        "cross": f"rerank(bm25, cross:{cross_model}@fp32/onnx, 3)",
        "fresh": f"rerank(bm25, {tiny_model}@fp32/onnx, 3, fresh)",
        "words": "bm25",
    }
    return {name: write_bundle(candidate) for name, candidate in candidates.items()}


@pytest.fixture(scope="module")
def arguments(bundles):
    return [f"{name}={folder}" for name, folder in bundles.items()]


@pytest.fixture(scope="module")
def ask(served):
    with httpx2.Client(base_url=served.url) as client:
        yield lambda path, **body: client.post(path, json=body)


@pytest.fixture(scope="module")
def cosines(bundles):
    from sizewise.bundle.modules import floats
    from sizewise.pipeline.live import Given

    pipeline = load_bundle(bundles["plain"])
    chain = floats(pipeline.chain)
    asked = chain.queries(pipeline.query_vectors(Given([QUERY])))
    return (chain.documents(pipeline.document_vectors(Given(TEXTS))) @ asked[0]).tolist()


@pytest.fixture(scope="module")
def logits(bundles):
    encoder = load_bundle(bundles["cross"]).second.encoder
    return encoder.encode([pair(QUERY, text) for text in TEXTS], "text", "")[:, 0]


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_by_cosine(ask, cosines, path):
    found = ask(path, model="plain", query=QUERY, documents=TEXTS)
    assert found.status_code == 200
    results = found.json()["results"]
    assert [one["index"] for one in results] == sorted(range(4), key=lambda at: -cosines[at])
    np.testing.assert_allclose([one["relevance_score"] for one in results], sorted(cosines, reverse=True), atol=1e-5)
    assert found.json()["usage"]["total_tokens"] > 0
    assert all("document" not in one for one in results)


def test_what_cohere_and_jina_ask_for(ask, cosines):
    documents = [{"text": text, "id": at} for at, text in enumerate(TEXTS)]
    found = ask("/v1/rerank", model="plain", query=QUERY, documents=documents, top_n=2, return_documents=True).json()
    best = int(np.argmax(cosines))
    assert len(found["results"]) == 2
    assert found["results"][0]["document"] == {"text": TEXTS[best]}
    assert found["meta"]["api_version"] == {"version": "2"}
    assert found["object"] == "list"


def test_by_a_cross_encoder(ask, logits):
    found = ask("/v1/rerank", model="cross", query=QUERY, documents=TEXTS).json()["results"]
    wanted = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose([one["relevance_score"] for one in found], np.sort(wanted)[::-1], atol=1e-5)
    raw = ask("/v1/rerank", model="cross", query=QUERY, documents=TEXTS, raw_scores=True).json()["results"]
    np.testing.assert_allclose([one["relevance_score"] for one in raw], np.sort(logits)[::-1], atol=1e-4)


def test_by_the_encoder_that_ranks_again(ask, cosines):
    found = ask("/v1/rerank", model="fresh", query=QUERY, documents=TEXTS).json()["results"]
    np.testing.assert_allclose([one["relevance_score"] for one in found], sorted(cosines, reverse=True), atol=1e-5)


def test_tei(ask, cosines):
    found = ask("/rerank", query=QUERY, texts=TEXTS, return_text=True).json()
    assert [one["text"] for one in found] == [TEXTS[at] for at in np.argsort(-np.array(cosines))]
    assert set(ask("/rerank", query=QUERY, texts=TEXTS).json()[0]) == {"index", "score"}
    long = ask("/rerank", query=QUERY, texts=["moon " * 100])
    assert long.headers["x-truncated-texts"] == "1"
    refused = ask("/rerank", query=QUERY, texts=["moon " * 100], truncate=False)
    assert refused.status_code == 413
    assert refused.json()["error_type"] == "Validation"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/rerank", {"query": "a", "documents": []}, 400),
        ("/v1/rerank", {"query": "", "documents": ["a"]}, 400),
        ("/v1/rerank", {"query": "a", "documents": [{"id": 3}]}, 422),
        ("/v1/rerank", {"query": "a", "documents": ["a", ""]}, 400),
        ("/v1/rerank", {"query": "a", "documents": ["a"] * 2049}, 422),
        ("/v1/rerank", {"query": "a", "documents": ["a"], "top_n": 0}, 400),
        ("/v1/rerank", {"query": "a", "documents": ["a"], "model": "words"}, 400),
        ("/rerank", {"query": "a"}, 422),
        ("/rerank", {"query": "a", "texts": []}, 400),
        ("/embed", {"inputs": []}, 400),
        ("/embed", {"inputs": ""}, 400),
        ("/embed", {"inputs": "a", "normalize": False}, 413),
        ("/embed", {"inputs": "a", "dimensions": 7}, 413),
        ("/embed", {"inputs": "moon " * 100, "truncate": False}, 413),
        ("/embed", {"inputs": "a", "truncation_direction": "Left"}, 422),
        ("/search", {"query": "a"}, 400),
        ("/search", {"query": " "}, 422),
    ],
)
def test_what_is_refused(ask, path, body, status):
    found = ask(path, **body)
    assert found.status_code == status, found.text
    error = found.json()["error"]
    assert isinstance(error, dict if path.startswith("/v1") else str)


def test_embed(ask, bundles, sentences):
    found = ask("/embed", inputs=sentences[:3])
    assert found.status_code == 200
    pipeline = load_bundle(bundles["fresh"]).second.pipeline
    np.testing.assert_allclose(found.json(), pipeline.encode_documents(sentences[:3]), atol=1e-5)
    assert {"x-tokenization-time", "x-queue-time", "x-inference-time", "x-total-time"} <= set(found.headers)
    alone = ask("/embed", inputs=sentences[0]).json()
    np.testing.assert_allclose(alone, found.json()[:1], atol=1e-5)
    assert ask("/embed", inputs="moon " * 100).headers["x-truncated-texts"] == "1"
    ids = ask("/embed", inputs=[sentences[0], [5, 6, 7]])
    assert len(ids.json()) == 2


@pytest.fixture
def by_address(served, monkeypatch):
    """Hugging Face's client, told nothing but where the server is."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return InferenceClient(model=served.url, token="sw-none")


def test_clients_that_know_nothing_but_the_address(ask, by_address, sentences):
    wanted = ask("/embed", inputs=sentences[:3]).json()
    for text, vectors in [(sentences[:3], wanted), (sentences[0], wanted[:1])]:
        np.testing.assert_allclose(by_address.feature_extraction(text, truncate=True), vectors, atol=1e-5)
    assert ask("/", query=QUERY, texts=TEXTS).json() == ask("/rerank", query=QUERY, texts=TEXTS).json()
    assert ask("/", text="a").status_code == 422


def test_info_health_metrics(served, ask):
    info = httpx2.get(f"{served.url}/info").json()
    assert info["model_id"] == "plain"
    assert info["model_type"] == {"embedding": {"pooling": "model"}}
    assert (info["max_input_length"], info["max_client_batch_size"], info["auto_truncate"]) == (24, 2048, True)
    for path in ("/health", "/livez", "/readyz"):
        assert httpx2.get(served.url + path).status_code == 200
    before = metrics(served)
    ask("/embed", inputs="moon " * 100)
    ask("/embed", inputs=["a", "b"])
    ask("/rerank", query="a", texts=["b"])
    ask("/embed", inputs="")
    after = metrics(served)
    grew = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grew['te_request_count{method="single"}'] == 3
    assert grew['te_request_count{method="batch"}'] == 1
    assert grew['te_request_success{method="single"}'] == 2
    assert grew['te_request_failure{err="validation"}'] == 1
    assert grew["te_embed_success"] == 3
    assert grew["te_predict_success"] == 1
    assert grew["sizewise_truncated_texts"] == 1
    assert grew["te_request_duration_count"] == 3
    assert grew["te_request_inference_duration_count"] == 2
    assert grew["te_batch_next_size_count"] >= 3
    assert after["te_queue_size"] == 0


def metrics(served):
    lines = httpx2.get(f"{served.url}/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}
