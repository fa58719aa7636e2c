"""Transforms in order: what is scaled, what is fitted on what, and what is refused before anything is encoded."""

import numpy as np
import pytest

from sizewise.core.candidate import Step
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.transform.chain import Chain, check_steps, needs_fit, unit
from sizewise.transform.project import PCA, Truncate, Whiten
from sizewise.transform.quantize import Binary, Int8


def steps(text):
    return parse(f"m+{text}").steps if text else ()


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((200, 16)) * np.linspace(1, 3, 16) + 0.5).astype(np.float32)


def lengths(vectors):
    return np.linalg.norm(vectors, axis=1)


def test_unit_vectors():
    made = unit(np.array([[3.0, 4.0], [0.0, 0.0], [1e-8, 0.0], [1e18, 1e18]]))
    np.testing.assert_allclose(made, [[0.6, 0.8], [0, 0], [1, 0], [0.5**0.5] * 2], rtol=1e-6)
    assert made.dtype == np.float32
    assert unit(np.array([[1, -1, 1, 1]], np.int8)).tolist() == [[0.5, -0.5, 0.5, 0.5]]
    assert unit(np.empty((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("text", ["", "truncate=5", "pca=5", "whiten=5", "pca=9+truncate=4"])
def test_with_cosine_what_comes_out_has_length_one(vectors, text):
    chain = Chain.fit(steps(text), vectors, cosine=True)
    np.testing.assert_allclose(lengths(chain.documents(vectors)), 1.0, atol=1e-5)
    np.testing.assert_array_equal(chain.documents(vectors), chain.queries(vectors))
    np.testing.assert_allclose(chain.documents(vectors * 7), chain.documents(vectors), atol=1e-5)


def test_with_dot_products_lengths_are_left_alone(vectors):
    chain = Chain.fit(steps("truncate=5"), vectors, cosine=False)
    np.testing.assert_array_equal(chain.documents(vectors), vectors[:, :5])
    np.testing.assert_array_equal(Chain.fit((), vectors, cosine=False).documents(vectors), vectors)


def test_each_step_is_fitted_on_what_those_before_it_make(vectors):
    chain = Chain.fit(steps("pca=6+truncate=4+int8"), vectors, cosine=True)
    projected = unit(PCA.fit(unit(vectors), 6).apply(unit(vectors)))
    cut = unit(projected[:, :4])
    wanted = Int8.fit(cut, None).apply(cut)
    np.testing.assert_array_equal(chain.documents(vectors), wanted)
    assert [type(transform) for transform in chain.transforms] == [PCA, Truncate, Int8]
    assert (chain.incoming, chain.dimensions, chain.bytes_per_vector) == (16, 4, 4.0)


def test_whitening_before_binary_without_cosine(vectors):
    chain = Chain.fit(steps("whiten=8+binary"), vectors, cosine=False)
    white = Whiten.fit(vectors, 8).apply(vectors)
    np.testing.assert_array_equal(chain.documents(vectors), Binary.fit(white, None).apply(white))
    assert (chain.dimensions, chain.bytes_per_vector) == (8, 1.0)


def test_only_asymmetric_codes_differ_for_queries(vectors):
    chain = Chain.fit(steps("truncate=8+binary-asym"), vectors, cosine=True)
    assert chain.documents(vectors).dtype == np.int8
    assert chain.queries(vectors).dtype == np.float32
    cut = unit(unit(vectors)[:, :8])
    np.testing.assert_allclose(chain.queries(vectors), cut - cut.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("text", ["pca=5", "whiten=5+int8", "binary", "pca=8+binary-asym"])
def test_the_same_vectors_give_the_same_chain_to_the_last_bit(vectors, text):
    made = [Chain.fit(steps(text), vectors.copy(), cosine=True) for _ in range(2)]
    for first, second in zip(*(chain.transforms for chain in made), strict=True):
        for name, array in first.parameters().items():
            np.testing.assert_array_equal(array, second.parameters()[name])


def test_fitting_and_applying_change_nothing_that_was_given(vectors):
    before = vectors.copy()
    for cosine in (False, True):
        for text in ("", "truncate=4", "whiten=4+int8", "binary-asym"):
            chain = Chain.fit(steps(text), vectors, cosine=cosine)
            chain.documents(vectors)
            chain.queries(vectors)
    np.testing.assert_array_equal(vectors, before)


def test_a_chain_that_needs_no_fit_is_made_from_nothing(vectors):
    chain = Chain.fit(steps("truncate=4"), vectors[:0], cosine=True)
    np.testing.assert_allclose(lengths(chain.documents(vectors)), 1.0, atol=1e-5)
    assert not needs_fit(steps("truncate=4"))
    assert needs_fit(steps("truncate=4+int8"))
    with pytest.raises(InputError, match="int8 needs text to be fitted on"):
        Chain.fit(steps("truncate=4+int8"), vectors[:0], cosine=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("truncate", "truncate needs the number of dimensions to keep, as in truncate=128"),
        ("truncate=17", "truncate=17 keeps 17 dimensions, and the vectors have 16"),
        ("pca=0", "pca=0 keeps 0 dimensions, and the vectors have 16"),
        ("pca=8+whiten=9", "whiten=9 keeps 9 dimensions, and the vectors have 8"),
        ("truncate=8+pca=4+truncate=5", "truncate=5 keeps 5 dimensions, and the vectors have 4"),
        ("int8=4", "int8=4 takes no value, and got 4"),
        ("int8+truncate=4", "truncate=4 cannot follow int8; put int8 and binary last, before rescore"),
        ("binary+int8", "int8 cannot follow binary"),
        ("binray", "unknown transform 'binray'; did you mean binary?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_encoded(vectors, text, message):
    with pytest.raises(InputError) as caught:
        check_steps(steps(text), 16)
    assert message in str(caught.value)
    with pytest.raises(InputError):
        Chain.fit(steps(text), vectors, cosine=True)


def test_a_third_partys_value_need_not_be_a_number_of_dimensions(monkeypatch):
    class Rotate(Truncate):
        @classmethod
        def check(cls, value, dimensions):
            return dimensions

    from sizewise.core.registry import TRANSFORMS

    monkeypatch.setitem(
        TRANSFORMS.__dict__, "_plugins", {"rotate": type("Point", (), {"load": staticmethod(lambda: Rotate)})}
    )
    check_steps((Step("rotate", 7), Step("truncate", 12)), 16)
