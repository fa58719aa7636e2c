"""Shapes run and have a cost; their vectors mean nothing."""

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode.resolve import resolve

SMALL = "shape:layers=2:hidden=32:heads=4:vocab=300"


@pytest.mark.parametrize("extra", ["", ":family=distilbert", ":family=roberta", ":family=decoder", ":family=gpt"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_shape_runs_with_the_dimensions_of_its_numbers(extra, precision):
    encoder = resolve(Model(SMALL + extra, precision))
    texts = ["a river", "", "the moon " * 400, "somewhat longer than the first"]
    found = encoder.encode(texts, "text", "query: ")
    assert (found.shape, found.dtype) == ((4, 32), np.float32)
    assert encoder.dimensions == 32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-2)
    assert not encoder.has_quality
    weights = sum(weight.numel() for weight in encoder._parts[1].body.parameters())
    assert encoder.parameters == weights
    assert encoder.disk_bytes == weights * (4 if precision == "float32" else 2)


def test_vectors_stand_in_the_order_of_the_texts_whatever_their_lengths():
    encoder = resolve(Model(SMALL))
    texts = ["moon " * (1 + at * 7 % 50) + str(at) for at in range(70)]
    together = encoder.encode(texts, "text", "")
    alone = np.concatenate([encoder.encode([text], "text", "") for text in texts[::10]])
    np.testing.assert_allclose(together[::10], alone, atol=1e-4)


def test_tokens_are_counted_and_texts_cut():
    encoder = resolve(Model(SMALL + ":max_tokens=8"))
    assert encoder.max_tokens == 8
    assert encoder.count_tokens(["the river", "the river " * 20], "").tolist() == [4, 42]
    assert encoder.encode(["the river " * 20], "text", "").shape == (1, 32)


def test_nothing_to_encode():
    assert resolve(Model(SMALL)).encode([], "text", "").shape == (0, 32)


def test_what_does_not_fit_says_so_before_it_is_tried():
    with pytest.raises(InputError, match=r"gpt3-175b has 174.6 billion parameters: its weights alone take 698 GB"):
        resolve(Model("shape:gpt3-175b")).load()


def test_unknown_shapes_and_runtimes():
    with pytest.raises(InputError, match="bert-large"):
        resolve(Model("shape:bert-larg"))
    with pytest.raises(InputError, match="unknown runtime 'vino'"):
        resolve(Model(SMALL, runtime="vino"))


def test_the_key_changes_with_numbers_and_precision():
    models = [Model("shape:bert-base"), Model("shape:bert-base", "bfloat16"), Model("shape:bert-large"), Model(SMALL)]
    assert len({resolve(model).key("") for model in models}) == 4
