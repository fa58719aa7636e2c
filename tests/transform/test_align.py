"""Alignment is ridge regression, and finds a rotation where there is one."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sizewise.transform.align import STRENGTHS, Alignment
from sizewise.transform.chain import unit


def vectors(count, width, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32))


def test_it_is_ridge_regression():
    source, target = vectors(200, 12), vectors(200, 8, seed=1)
    found = Alignment.fit(source, target)
    peers = [unit(Ridge(alpha=one).fit(source, target).predict(source)) for one in STRENGTHS]
    assert min(np.abs(found.apply(source) - peer).max() for peer in peers) < 1e-4


def test_a_rotation_is_found_out():
    source = vectors(500, 10)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((10, 16)).T)[0].T.astype(np.float32)  # [10, 16]
    found = Alignment.fit(source, source @ turn)
    fresh = vectors(50, 10, seed=5)
    assert (found.apply(fresh) * (fresh @ turn)).sum(1).min() > 0.9999
    assert found.apply(7 * fresh) == pytest.approx(found.apply(fresh), abs=1e-6), "lengths do not matter"


def test_noise_is_not_followed():
    """With fewer texts than dimensions a small penalty would fit them all and nothing else."""
    source, fresh = vectors(30, 64), vectors(200, 64, seed=9)
    found = Alignment.fit(source, unit(source + 0.3 * vectors(30, 64, seed=4)))
    loose = Ridge(alpha=STRENGTHS[0]).fit(source, unit(source + 0.3 * vectors(30, 64, seed=4))).predict(fresh)
    assert (found.apply(fresh) * fresh).sum(1).mean() >= (unit(loose) * fresh).sum(1).mean() - 1e-6


def test_too_few_texts():
    with pytest.raises(ValueError, match="9 texts are too few to align two encoders on; 10 are needed"):
        Alignment.fit(vectors(9, 4), vectors(9, 4))
