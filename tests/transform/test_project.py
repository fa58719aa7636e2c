"""Truncation, principal components and whitening against independent computations."""

import numpy as np
import pytest
from sklearn import decomposition

from sizewise.core.errors import InputError
from sizewise.transform.project import PCA, Truncate, Whiten, principal_axes


@pytest.fixture
def vectors():
    """Correlated, far from the origin, no two variances alike."""
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((400, 12)) * np.geomspace(1, 0.05, 12) @ np.linalg.qr(rng.standard_normal((12, 12)))[0]
    return (mixed + rng.standard_normal(12)).astype(np.float32)


def test_truncation_keeps_the_first_dimensions(vectors):
    fitted = Truncate.fit(vectors[:0], 5)
    np.testing.assert_array_equal(fitted.apply(vectors), vectors[:, :5])
    np.testing.assert_array_equal(fitted.apply_queries(vectors), vectors[:, :5])
    assert (fitted.dimensions(12), fitted.bytes_per_vector(5), Truncate.needs_fit) == (5, 20.0, False)


@pytest.mark.parametrize("kept", [1, 5, 12])
def test_principal_components_are_scikit_learns(vectors, kept):
    fitted, reference = (
        PCA.fit(vectors, kept),
        decomposition.PCA(kept, svd_solver="full").fit(vectors.astype(np.float64)),
    )
    agreement = np.abs(np.einsum("ij,ji->i", reference.components_, fitted.axes))
    np.testing.assert_allclose(agreement, 1.0, atol=1e-5)
    variances, axes = principal_axes(vectors, kept)
    np.testing.assert_allclose(variances, reference.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(axes.T @ axes, np.eye(kept), atol=1e-12)
    assert fitted.axes.dtype == fitted.apply(vectors).dtype == np.float32


def test_projecting_does_not_centre(vectors):
    """With all dimensions kept it is a rotation: every dot product stays."""
    rotated = PCA.fit(vectors, 12).apply(vectors)
    np.testing.assert_allclose(rotated @ rotated.T, vectors @ vectors.T, rtol=1e-4, atol=1e-4)


def test_the_sign_of_each_axis_is_fixed(vectors):
    _, axes = principal_axes(vectors, 12)
    _, again = principal_axes(vectors[::-1].copy(), 12)
    np.testing.assert_allclose(axes, again, atol=1e-9)
    assert (axes[np.abs(axes).argmax(axis=0), np.arange(12)] > 0).all()


@pytest.mark.parametrize("kept", [1, 5, 12])
def test_whitened_vectors_have_unit_covariance_around_zero(vectors, kept):
    white = Whiten.fit(vectors, kept).apply(vectors).astype(np.float64)
    np.testing.assert_allclose(white.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(np.cov(white, rowvar=False).reshape(kept, kept), np.eye(kept), atol=1e-4)


def test_whitening_a_flat_dimension_stays_finite(vectors):
    flat = vectors.copy()
    flat[:, 3] = 0.25
    assert np.isfinite(Whiten.fit(flat, 12).apply(flat)).all()
    same = np.ones((20, 4), np.float32)
    assert np.isfinite(Whiten.fit(same, 4).apply(same)).all()


@pytest.mark.parametrize("kind", [PCA, Whiten])
def test_fewer_vectors_than_components_are_refused(vectors, kind):
    with pytest.raises(
        InputError, match="keeping 5 principal components needs more than 5 texts to fit on, and there are 5"
    ):
        kind.fit(vectors[:5], 5)
    assert np.isfinite(kind.fit(vectors[:6], 5).apply(vectors)).all()


@pytest.mark.parametrize("kind", [Truncate, PCA, Whiten])
@pytest.mark.parametrize(
    ("value", "message"), [(None, "needs the number of dimensions"), (0, "keeps 0"), (13, "keeps 13 dim")]
)
def test_values_out_of_range_are_refused(kind, value, message):
    with pytest.raises(InputError, match=message):
        kind.check(value, 12)
    assert kind.check(12, 12) == 12
    assert kind.check(1, 12) == 1


@pytest.mark.parametrize("kind", [PCA, Whiten])
def test_what_was_learned_is_told(vectors, kind):
    fitted = kind.fit(vectors, 3)
    assert {name: array.shape for name, array in fitted.parameters().items()} == (
        {"axes": (12, 3)} if kind is PCA else {"axes": (12, 3), "mean": (12,)}
    )
    again = kind(**fitted.parameters())
    np.testing.assert_array_equal(again.apply(vectors), fitted.apply(vectors))
