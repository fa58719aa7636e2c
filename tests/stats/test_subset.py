"""A statistic on some of its units is the statistic of those units alone."""

import numpy as np
import pytest

from sizewise.stats.resample import draw_counts, resampled_counts
from sizewise.stats.statistics import AveragePrecision, Mean, Spearman, VMeasure, bootstrap
from sizewise.stats.subset import Subset

N = 60
rng = np.random.default_rng(0)
SCORES = np.round(rng.standard_normal((3, N)), 1)
GOLD = rng.integers(0, 6, N).astype(float)
LABELS = rng.random(N) < 0.4
CLUSTERS = rng.integers(0, 4, (3, 2, N))
CODES = rng.integers(0, 5, N)
VALUES = rng.random((3, 2, N))

MADE = {
    "mean": lambda at: Mean(VALUES[:, :, at]),
    "spearman": lambda at: Spearman(SCORES[:, at], GOLD[at]),
    "average precision": lambda at: AveragePrecision(SCORES[:, at], LABELS[at]),
    "v-measure": lambda at: VMeasure(CLUSTERS[:, :, at], CODES[at]),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("kept", [np.arange(N), np.arange(0, N, 2), np.array([50, 3, 4, 17, 8, 30, 2, 59])])
def test_a_subset_is_the_statistic_of_the_sliced_data(name, kept):
    whole, sliced = MADE[name](np.arange(N)), MADE[name](kept)
    subset = Subset(whole, kept)
    assert (subset.n, subset.n_candidates, subset.draws) == (len(kept), 3, whole.draws)
    np.testing.assert_allclose(subset.point(), sliced.point(), atol=1e-6)
    counts = next(resampled_counts(len(kept), None, 50))
    draws = draw_counts(whole.draws, 50)
    np.testing.assert_allclose(subset.resampled(counts, draws), sliced.resampled(counts, draws), atol=1e-6)


@pytest.mark.parametrize("name", MADE)
def test_its_bootstrap_too_with_groups(name):
    kept = np.arange(10, 50)
    groups = kept // 4
    points, draws = bootstrap(Subset(MADE[name](np.arange(N)), kept), groups, 40)
    wanted_points, wanted_draws = bootstrap(MADE[name](kept), groups, 40)
    np.testing.assert_allclose(points, wanted_points, atol=1e-6)
    np.testing.assert_allclose(draws, wanted_draws, atol=1e-6)
