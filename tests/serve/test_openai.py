"""The official client of OpenAI against a real server, and what its answers say."""

import base64

import httpx2
import numpy as np
import openai
import pytest

from sizewise.bundle.load import load_bundle


@pytest.fixture(scope="module")
def bundles(tiny_model, dense_model, static_model, write_bundle):
    candidates = {
        "small": f"{tiny_model}@fp32/onnx",
        "codes": f"static:{static_model}+int8",
        "bits": f"static:{static_model}+binary",
        "prompted": f'{dense_model}[query="river: ",document="ocean: "]@fp32/onnx',
        "hybrid": f"rerank(static:{static_model}, {tiny_model}@fp32/onnx, 3)",
    }
    return {name: write_bundle(candidate) for name, candidate in candidates.items()}


@pytest.fixture(scope="module")
def arguments(bundles):
    return [f"{name}={folder}" for name, folder in bundles.items()]


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as opened:
        yield opened


def floats(bundle, texts, role="document"):
    pipeline = load_bundle(bundle)
    encode = pipeline.encode_queries if role == "query" else pipeline.encode_documents
    return encode(texts)


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_vectors(client, bundles, sentences, encoding):
    """None is what the client asks for by itself: base64."""
    asked = {} if encoding is None else {"encoding_format": encoding}
    found = client.embeddings.create(model="small", input=sentences[:7], **asked)
    assert (found.object, found.model, [row.index for row in found.data]) == ("list", "small", list(range(7)))
    rows = [row.embedding for row in found.data]
    if encoding == "base64":
        rows = [np.frombuffer(base64.b64decode(row), "<f4") for row in rows]
    np.testing.assert_allclose(np.array(rows), floats(bundles["small"], sentences[:7]), atol=1e-5)
    assert found.usage.prompt_tokens == found.usage.total_tokens > 7 * 2


def test_one_text_and_ids_of_tokens(client, bundles):
    from tokenizers import Tokenizer

    text = "the river and the moon"
    words = Tokenizer.from_file(str(bundles["small"] / "model" / "tokenizer.json"))
    ids = words.encode(text, add_special_tokens=False).ids
    alone = np.array(client.embeddings.create(model="small", input=text).data[0].embedding)
    np.testing.assert_allclose(alone, floats(bundles["small"], [text])[0], atol=1e-5)
    for given in (ids, [ids], [2, *ids, 3]):  # special tokens are added once
        found = client.embeddings.create(model="small", input=given).data
        np.testing.assert_allclose(found[0].embedding, alone, atol=1e-5)


def test_2048_texts(client, bundles, sentences):
    texts = [f"{sentences[at % 200]} {at}" for at in range(2048)]
    found = client.embeddings.create(model="small", input=texts)
    rows = np.array([row.embedding for row in found.data])
    np.testing.assert_allclose(rows, floats(bundles["small"], texts), atol=1e-5)


def test_odd_texts(client, bundles):
    texts = [" ", "\n\t", "\u202e" + "moon", "\x00river", "水", "🚀" * 50, "moon " * 10_000, "moon"]
    found = client.embeddings.create(model="small", input=texts)
    rows = np.array([row.embedding for row in found.data])
    np.testing.assert_allclose(rows, floats(bundles["small"], texts), atol=1e-5)
    assert found.truncated == [6]  # of what the tokenizer does not know, a word is one token
    lone = b'{"model": "small", "input": ["\\ud800 moon"], "encoding_format": "float"}'
    answer = httpx2.post(f"{client.base_url}embeddings", content=lone, headers={"content-type": "application/json"})
    row = answer.json()["data"][0]["embedding"]
    np.testing.assert_allclose(row, floats(bundles["small"], ["\ufffd moon"])[0], atol=1e-5)


def test_what_is_cut_is_told(client):
    raw = client.embeddings.with_raw_response.create(model="small", input=["moon " * 100, "moon", "river " * 40])
    assert raw.headers["x-truncated-texts"] == "2"
    assert raw.parse().truncated == [0, 2]
    whole = client.embeddings.with_raw_response.create(model="small", input=["moon"])
    assert "x-truncated-texts" not in whole.headers
    assert not hasattr(whole.parse(), "truncated")
    with pytest.raises(openai.BadRequestError, match="maximum context length is 24 tokens, and input\\[1\\] is longer"):
        client.embeddings.create(model="small", input=["moon", "moon " * 100], extra_body={"truncation": False})


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_codes_as_they_were_measured(client, bundles, sentences, encoding):
    asked = {"encoding_format": encoding, "extra_body": {"output_dtype": "int8"}}
    found = client.embeddings.create(model="codes", input=sentences[:5], **asked)
    rows = [row.embedding for row in found.data]
    if encoding == "base64":
        rows = [np.frombuffer(base64.b64decode(row), np.int8).tolist() for row in rows]
    assert rows == floats(bundles["codes"], sentences[:5]).tolist()


def test_bits(client, bundles, sentences):
    codes = floats(bundles["bits"], sentences[:5])
    wanted = np.packbits(codes > 0, axis=1)
    asked = {"model": "bits", "input": sentences[:5], "encoding_format": "float"}
    ubinary = client.embeddings.create(**asked, extra_body={"output_dtype": "ubinary"})
    assert [row.embedding for row in ubinary.data] == wanted.tolist()
    binary = client.embeddings.create(**asked, extra_body={"output_dtype": "binary"})
    assert [row.embedding for row in binary.data] == (wanted.astype(int) - 128).tolist()


def test_prompts_by_kind_of_input(client, bundles):
    text = "the moon"
    for name, role in [("query", "query"), ("search_document", "document"), ("retrieval.passage", "document")]:
        found = client.embeddings.create(model="prompted", input=text, extra_body={"input_type": name})
        wanted = floats(bundles["prompted"], [text], role)[0]
        np.testing.assert_allclose(found.data[0].embedding, wanted, atol=1e-5)
    plain = np.array(client.embeddings.create(model="prompted", input=text).data[0].embedding)
    assert not np.allclose(plain, floats(bundles["prompted"], [text], "query")[0], atol=1e-3)


WRONG = [
    ({"model": "none"}, openai.NotFoundError, "The model 'none' does not exist; there are: small", "model"),
    ({"input": []}, openai.BadRequestError, "input is empty", "input"),
    ({"input": ""}, openai.BadRequestError, r"input\[0\] is an empty string", "input"),
    ({"input": ["a", ""]}, openai.BadRequestError, r"input\[1\] is an empty string", "input"),
    ({"input": ["a"] * 2049}, openai.UnprocessableEntityError, "2,049 texts, and a request may have 2,048", "input"),
    ({"input": [10**6]}, openai.BadRequestError, "there is no token 1000000: ids of this model are 0 to", "input"),
    ({"dimensions": 16}, openai.BadRequestError, "measured in 32 dimensions, and 16 were asked for", "dimensions"),
    ({"dimensions": 0}, openai.BadRequestError, "greater than or equal to 1", "dimensions"),
    ({"encoding_format": "hex"}, openai.BadRequestError, "encoding_format", "encoding_format"),
    (
        {"extra_body": {"output_dtype": "int8"}},
        openai.BadRequestError,
        "vectors were measured as float, and 'int8' was asked for",
        "output_dtype",
    ),
    ({"model": "hybrid"}, openai.BadRequestError, "is a pipeline of 2 parts: it searches and ranks", "model"),
]


@pytest.mark.parametrize(("change", "kind", "message", "param"), WRONG, ids=lambda one: str(one)[:40])
def test_what_is_refused(client, change, kind, message, param):
    with pytest.raises(kind, match=message) as found:
        client.embeddings.create(**{"model": "small", "input": "moon"} | change)
    assert found.value.type == "invalid_request_error"
    assert found.value.param == param
    assert found.value.request_id


def test_nulls_and_no_model_mean_what_is_usual(served, bundles):
    nulls = dict.fromkeys(
        ("model", "encoding_format", "dimensions", "input_type", "output_dtype", "truncation", "user")
    )
    for body in ({"input": "moon"}, {"input": "moon"} | nulls):
        answer = httpx2.post(f"{served.url}/v1/embeddings", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == "small"


def test_own_dimensions_are_fine(client):
    assert len(client.embeddings.create(model="small", input="moon", dimensions=32).data[0].embedding) == 32


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"model": "small"}', b'{"model": 1, "input": {}}', b"\xff\xfe"]
)
def test_bodies_that_are_none(served, body):
    answer = httpx2.post(f"{served.url}/v1/embeddings", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}


def test_models(client):
    found = client.models.list().data
    assert [model.id for model in found] == ["small", "codes", "bits", "prompted", "hybrid"]
    assert found[0].sizewise["dimensions"] == [32]
    assert found[1].sizewise["output_dtypes"] == ["float", "int8"]
    assert found[4].sizewise["dimensions"] == []
    one = client.models.retrieve("codes")
    assert (one.object, one.owned_by) == ("model", "sizewise")
    assert one.created > 1_700_000_000
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("a/b")


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/v1/nothing", 404), ("/v1/embeddings", 405)])
def test_paths_that_are_none(served, path, status):
    answer = httpx2.get(served.url + path)
    assert answer.status_code == status
    assert "error" in answer.json()


def test_fewer_dimensions_as_they_were_measured(serving, tiny_model, similarity_folder, tmp_path, sentences):
    """Cut, and scaled to length one again; the list of what is allowed is the certificate's."""
    from sizewise.ship.build import build

    folder = tmp_path / "cut"
    build(f"{tiny_model}@fp32/onnx", folder, tasks=[similarity_folder], dimensions=[16, 8], store=tmp_path / "store")
    with openai.OpenAI(base_url=f"{serving(folder).url}/v1", api_key="none", max_retries=0) as client:
        whole = floats(folder, sentences[:4])
        for width in (32, 16, 8):
            found = client.embeddings.create(model="cut", input=sentences[:4], dimensions=width)
            cut = whole[:, :width] / np.linalg.norm(whole[:, :width], axis=1, keepdims=True)
            np.testing.assert_allclose([row.embedding for row in found.data], cut, atol=1e-5)
        with pytest.raises(openai.BadRequestError, match="measured in 32, 16 or 8 dimensions, and 12 were asked for"):
            client.embeddings.create(model="cut", input="a", dimensions=12)
        assert client.models.retrieve("cut").sizewise["dimensions"] == [32, 16, 8]
