"""What is read for later: the same vectors, put together with what others read, and cut ends that are told."""

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.encode.pairs import pair
from sizewise.encode.reading import together
from sizewise.encode.resolve import resolve

ENGINES = [("float32", "torch"), ("float32", "openvino"), ("float32", "onnx"), ("int8", "onnx")]


@pytest.fixture(params=[*ENGINES, "static"], ids=str)
def encoder(request, tiny_model, static_model, store):
    if request.param == "static":
        return resolve(Model(f"static:{static_model}"))
    found = resolve(Model(str(tiny_model), *request.param))
    found.attach(store)
    return found


def test_what_several_read_runs_as_one(encoder, sentences):
    first, second = encoder.read(sentences[:5], "query", ""), encoder.read(sentences[5:9], "query", "")
    assert first.way == second.way
    both = together([first.take(np.array([3, 0])), second])
    wanted = encoder.encode([sentences[3], sentences[0], *sentences[5:9]], "query", "")
    np.testing.assert_allclose(encoder.run(both), wanted, atol=1e-5)
    assert both.lengths.tolist() == [*first.lengths[[3, 0]], *second.lengths]


def test_a_prompt_is_read_too(encoder, sentences):
    reading = encoder.read(sentences[:3], "query", "the river: ")
    np.testing.assert_allclose(encoder.run(reading), encoder.encode(sentences[:3], "query", "the river: "), atol=1e-5)


@pytest.mark.parametrize("ending", ["", "   ", " \n\t"])
def test_what_is_cut_off_is_told(encoder, ending):
    """Of 24 tokens, two of them special ones except in static models."""
    most = encoder.max_tokens
    room = most - (0 if encoder.model.name.startswith("static:") else 2)
    whole, more = " ".join(["a"] * room), " ".join(["a"] * (room + 1))
    texts = [whole + ending, more + ending, "the moon", "a " * 5_000 + ending, "", " "]
    reading = encoder.read(texts, "text", "")
    assert reading.cut.tolist() == [False, True, False, True, False, False]
    assert reading.lengths.max() <= most


@pytest.mark.parametrize("runtime", ["torch", "openvino", "onnx"])
def test_of_pairs_too(cross_model, store, runtime):
    """However many characters a token has."""
    encoder = resolve(Model(f"cross:{cross_model}", "float32", runtime))
    encoder.attach(store)
    pairs = [
        pair("the moon", "a river"),
        pair("the moon", "the " * 70),
        pair("the " * 400, "the " * 400),
        pair("the moon", "a " * 20),
        pair("the moon", "a" + " " * 400),
    ]
    reading = encoder.read(pairs, "text", "")
    assert reading.cut.tolist() == [False, True, True, True, False]
    assert reading.lengths.tolist() == encoder.count_tokens(pairs, "").tolist() == [7, 24, 24, 24, 6]
    np.testing.assert_allclose(encoder.run(reading), encoder.encode(pairs, "text", ""), atol=1e-5)
