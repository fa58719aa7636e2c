"""What every encoder promises, whatever runs it. A new runtime adds one entry to RUNTIMES.

An entry makes a new encoder from the fixtures of a test, its weights not loaded.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode.resolve import resolve


def on_gpu(precision):
    """The packed runtime, which skips where torch sees no GPU, or none with fp8."""

    def make(fixture):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch sees no GPU")
        if precision == "float8" and torch.cuda.get_device_capability() < (8, 9):
            pytest.skip("this GPU has no fp8")
        return resolve(Model(str(fixture("tiny_model")), precision, runtime="packed"))

    return make


RUNTIMES = {
    "torch": lambda fixture: resolve(Model(str(fixture("tiny_model")))),
    "torch-dense": lambda fixture: resolve(Model(str(fixture("dense_model")))),
    "torch-bf16": lambda fixture: resolve(Model(str(fixture("tiny_model")), "bfloat16")),
    "openvino": lambda fixture: resolve(Model(str(fixture("tiny_model")), runtime="openvino")),
    "openvino-dense": lambda fixture: resolve(Model(str(fixture("dense_model")), runtime="openvino")),
    "openvino-bf16": lambda fixture: resolve(Model(str(fixture("tiny_model")), "bfloat16", "openvino")),
    "openvino-int8": lambda fixture: resolve(Model(str(fixture("tiny_model")), "int8", "openvino")),
    "onnx": lambda fixture: resolve(Model(str(fixture("tiny_model")), runtime="onnx")),
    "onnx-int8": lambda fixture: resolve(Model(str(fixture("tiny_model")), "int8", "onnx")),
    "packed-bf16": on_gpu("bfloat16"),
    "packed-fp16": on_gpu("float16"),
    "packed-fp8": on_gpu("float8"),
    "shape": lambda fixture: resolve(Model("shape:layers=2:hidden=32:heads=4:vocab=300:max_tokens=24")),
    "static": lambda fixture: resolve(Model(f"static:{fixture('static_model')}")),
    "static-int8": lambda fixture: resolve(Model(f"static:{fixture('make_static')(dtype='int8', clusters=50)}")),
}
LEAST_COSINE = {
    "torch-bf16": 0.999,
    "openvino-bf16": 0.999,
    "openvino-int8": 0.998,
    "packed-bf16": 0.999,
    "packed-fp16": 0.999,
    "packed-fp8": 0.99,
}
"""Of one text's vector in two batches."""
SAME = 0.999999
MANY = 10_000

STRANGE = {
    "empty": "",
    "white space": " \t\n ",
    "one letter": "a",
    "one character of another script": "桥",
    "half of a surrogate pair": "the \ud83d river \ude00",
    "only halves": "\ud800\udbff",
    "emoji": "the river 🙂👍🏽👩\u200d👩\u200d👧 🇩🇰",
    "right to left": "الماء بارد جدا הספרייה נפתחת \u202eriver",
    "combining marks": "e\u0301\u0302\u0303" * 50,
    "control characters": "the\x00 river\x1b[31m\x07",
    "a word of 10,000 letters": "r" * 10_000,
    "no spaces": "桥在冬天关闭请走另一条路" * 1000,
    "special tokens": "[CLS] river [SEP] [PAD] [MASK] <s></s>",
    "white space without end": " " * 100_000 + "river",
}


@pytest.fixture(scope="module", params=RUNTIMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def make(name, request):
    return lambda: RUNTIMES[name](request.getfixturevalue)


@pytest.fixture(scope="module")
def encoder(make):
    return make()


@pytest.fixture
def same(name):
    """Asserts that vectors are the same but for the rounding of other batches."""

    def check(found, wanted):
        assert found.shape == wanted.shape
        assert found.dtype == wanted.dtype == np.float32
        lengths = np.linalg.norm(found, axis=1), np.linalg.norm(wanted, axis=1)
        np.testing.assert_allclose(*lengths, rtol=2e-2 if name in LEAST_COSINE else 1e-5, atol=1e-6)
        seen = lengths[0] > 0
        cosines = (found * wanted).sum(axis=1, dtype=np.float64)[seen] / (lengths[0] * lengths[1])[seen]
        assert cosines.min(initial=1.0) >= LEAST_COSINE.get(name, SAME)

    return check


def test_what_it_says_of_itself_needs_no_weights(make, encoder):
    fresh = make()
    assert json.loads(json.dumps(dict(fresh.identity))) == json.loads(json.dumps(dict(encoder.identity)))
    assert fresh.key("") == encoder.key("") != encoder.key("query: ")
    assert fresh.similarity in ("cosine", "dot")
    assert fresh.parameters > 0
    assert fresh.disk_bytes > 0
    assert fresh.dimensions > 0


def test_nothing(encoder):
    found = encoder.encode([], "text", "")
    assert (found.shape, found.dtype) == ((0, encoder.dimensions), np.float32)


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_texts_have_vectors_and_harm_no_other(encoder, same, kind):
    strange, plain = STRANGE[kind], ["the river", "a bank of the river in winter"]
    found = encoder.encode([plain[0], strange, plain[1]], "text", "")
    assert (found.shape, found.dtype) == ((3, encoder.dimensions), np.float32)
    assert np.isfinite(found).all()
    same(found[[0, 2]], encoder.encode(plain, "text", ""))
    same(found[1:2], encoder.encode([strange], "text", ""))
    counts = encoder.count_tokens([strange, plain[0]], "")
    assert counts.tolist() == [*encoder.count_tokens([strange], ""), *encoder.count_tokens([plain[0]], "")]


def test_a_text_of_100_000_words_is_cut_off_where_the_limit_is(encoder, same, sentences):
    words = " ".join(sentences).split()
    long = " ".join(words * (100_000 // len(words) + 1))
    assert len(long.split()) >= 100_000
    assert encoder.count_tokens([long], "")[0] >= 100_000 > encoder.max_tokens
    most = long[: 40 * encoder.max_tokens]
    same(encoder.encode([long], "text", ""), encoder.encode([most], "text", ""))


def test_what_lies_beyond_the_limit_does_not_count_and_what_lies_before_does(encoder, same):
    start = "the river of money and the bank " * encoder.max_tokens
    found = encoder.encode([start + "moon", start + "fish sail wing", "moon " + start], "text", "")
    same(found[:1], found[1:2])
    assert np.abs(found[0] - found[2]).max() > 1e-4


def test_identical_texts_have_identical_vectors(encoder, same):
    found = encoder.encode(["the river"] * 100 + ["a bank"] * 100, "text", "")
    same(found[:100], np.repeat(found[:1], 100, axis=0))
    same(found[100:], np.repeat(found[100:101], 100, axis=0))
    assert np.abs(found[0] - found[100]).max() > 1e-3


@pytest.fixture(scope="module")
def many(sentences):
    chance = np.random.default_rng(0)
    return [f"{sentences[at % 200][: chance.integers(1, 60)]} {at}" for at in range(MANY)]


def test_any_order_gives_the_same_vectors(encoder, same, many):
    order = np.random.default_rng(1).permutation(MANY)
    together = encoder.encode(many, "text", "")
    same(encoder.encode([many[at] for at in order], "text", ""), together[order])
    alone = np.random.default_rng(2).choice(MANY, 30, replace=False)
    same(np.concatenate([encoder.encode([many[at]], "text", "") for at in alone]), together[alone])
    assert len(np.unique(together.round(3), axis=0)) > 0.9 * MANY, "or this would show nothing"


def test_a_second_call_gives_the_same_to_the_last_bit(make, encoder, many):
    first = encoder.encode(many[:500], "document", "the ")
    kept = first.copy()
    np.testing.assert_array_equal(encoder.encode(many[:500], "document", "the "), kept)
    first[:] = 0
    np.testing.assert_array_equal(encoder.encode(many[:500], "document", "the "), kept)
    np.testing.assert_array_equal(make().encode(many[:500], "document", "the "), kept, err_msg="loaded again")


def test_it_can_be_unloaded_and_goes_on(make, many):
    encoder = make()
    before = encoder.encode(many[:50], "text", "")
    encoder.unload()
    np.testing.assert_array_equal(encoder.encode(many[:50], "text", ""), before)


def test_prompts_stand_before_the_text(encoder, same, many):
    found = encoder.encode(many[:50], "query", "money: ")
    same(found, encoder.encode(["money: " + text for text in many[:50]], "query", ""))
    assert np.abs(found - encoder.encode(many[:50], "query", "")).max() > 1e-3
    counts = encoder.count_tokens(many[:50], "money: ")
    assert (counts > encoder.count_tokens(many[:50], "")).all()


def test_threads_do_not_disturb_each_other(make, encoder, same, many):
    """From the very first text on: a new encoder, asked by two threads at once."""
    fresh, halves = make(), [many[:300], many[300:600]]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda texts: fresh.encode(texts, "text", ""), halves * 3))
    for at, vectors in enumerate(found):
        same(vectors, encoder.encode(halves[at % 2], "text", ""))


def test_a_stream_is_the_same_in_blocks(encoder, same, many):
    blocks = list(encoder.stream(iter(many[:3000]), "text", "the "))
    same(np.concatenate(blocks), encoder.encode(many[:3000], "text", "the "))


def test_what_it_exports_is_the_same_encoder(encoder, many, tmp_path):
    try:
        encoder.check_export()
    except InputError as error:
        pytest.skip(str(error))
    prompts = {"query": "q: ", "document": "", "text": ""}
    about = encoder.export(tmp_path, prompts)
    pickles = [file for file in tmp_path.rglob("*") if file.suffix in (".bin", ".pt", ".pkl")]
    assert not [file for file in pickles if file.name != "openvino_model.bin"], "OpenVINO's own: plain numbers"
    restored = type(encoder).restore(tmp_path, encoder.model, json.loads(json.dumps(dict(about))))
    for role, prompt in prompts.items():
        np.testing.assert_array_equal(
            restored.encode(many[:300], role, prompt), encoder.encode(many[:300], role, prompt)
        )
    assert (restored.dimensions, restored.similarity) == (encoder.dimensions, encoder.similarity)
