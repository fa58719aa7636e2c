"""int8 and binary codes: how much they lose, and that their dot products order as they should."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from sizewise.transform.chain import unit
from sizewise.transform.quantize import Binary, BinaryAsymmetric, Int8


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return unit(rng.standard_normal((300, 64)) + 0.3 * rng.standard_normal(64))


def test_int8_loses_at_most_half_a_step(vectors):
    fitted = Int8.fit(vectors, None)
    codes = fitted.apply(vectors)
    step = np.abs(vectors).max() / 127
    assert codes.dtype == np.int8
    assert fitted.scale == np.abs(vectors).max()
    assert np.abs(codes * step - vectors).max() <= step / 2 * (1 + 1e-5)
    assert np.abs(codes).max() == 127


def test_int8_dot_products_are_those_of_the_vectors(vectors):
    fitted = Int8.fit(vectors, None)
    codes = fitted.apply(vectors).astype(np.float64) * fitted.scale / 127
    exact = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    assert np.abs(codes @ codes.T - exact).max() < 0.01
    assert spearmanr((codes @ codes.T).ravel(), exact.ravel()).statistic > 0.999


def test_int8_is_symmetric_and_clips_what_it_has_not_seen(vectors):
    fitted = Int8.fit(vectors, None)
    np.testing.assert_array_equal(fitted.apply(-vectors), -fitted.apply(vectors))
    assert fitted.apply(10 * vectors).min() == -127
    assert fitted.apply(10 * vectors).max() == 127


def test_int8_of_nothing_but_zeros():
    zeros = np.zeros((3, 4), np.float32)
    assert not Int8.fit(zeros, None).apply(zeros).any()
    assert not Int8.fit(zeros[:0], None).apply(zeros).any()


def test_binary_codes_order_as_hamming_distance(vectors):
    fitted = Binary.fit(vectors, None)
    codes = fitted.apply(vectors).astype(np.int64)
    bits = np.packbits(vectors >= vectors.mean(axis=0), axis=1)
    hamming = np.array([[np.unpackbits(a ^ b).sum(dtype=np.int64) for b in bits] for a in bits[:40]])
    np.testing.assert_array_equal(codes[:40] @ codes.T, 64 - 2 * hamming)
    assert set(np.unique(codes)) == {-1, 1}


def test_binary_bits_are_balanced_though_the_vectors_are_not(vectors):
    codes = Binary.fit(vectors, None).apply(vectors)
    assert np.abs(codes.mean(axis=0)).max() < 0.25
    assert np.abs(np.sign(vectors).mean(axis=0)).max() > 0.5, "without centring some dimensions would tell nothing"


def test_asymmetric_queries_stay_floats(vectors):
    fitted = BinaryAsymmetric.fit(vectors, None)
    np.testing.assert_array_equal(fitted.apply(vectors), Binary.fit(vectors, None).apply(vectors))
    queries = fitted.apply_queries(vectors)
    assert queries.dtype == np.float32
    np.testing.assert_allclose(queries, vectors - vectors.mean(axis=0), atol=1e-6)


def test_asymmetric_scores_are_nearer_to_the_truth_than_binary_ones(vectors):
    exact = (vectors @ vectors.T).ravel()
    binary, asymmetric = Binary.fit(vectors, None), BinaryAsymmetric.fit(vectors, None)
    both = (binary.apply_queries(vectors).astype(float) @ binary.apply(vectors).T).ravel()
    one = (asymmetric.apply_queries(vectors) @ asymmetric.apply(vectors).T).ravel()
    assert spearmanr(one, exact).statistic > spearmanr(both, exact).statistic + 0.05


@pytest.mark.parametrize(
    ("kind", "dimensions", "size"), [(Int8, 65, 65), (Binary, 64, 8), (Binary, 65, 9), (Binary, 1, 1)]
)
def test_bytes_of_a_vector(vectors, kind, dimensions, size):
    fitted = kind.fit(vectors, None)
    assert fitted.bytes_per_vector(dimensions) == size
    assert fitted.dimensions(dimensions) == dimensions


@pytest.mark.parametrize("kind", [Int8, Binary, BinaryAsymmetric])
def test_what_was_learned_is_told(vectors, kind):
    (name, array), = kind.fit(vectors, None).parameters().items()  # fmt: skip
    assert (name, array.shape) == (("scale", (1,)) if kind is Int8 else ("mean", (64,)))
    assert array.dtype == np.float32
