"""A statistic under multiplicities is the plain metric of the sample that really repeats its units."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, v_measure_score

from sizewise.core.errors import InputError
from sizewise.stats.resample import draw_counts, resampled_counts
from sizewise.stats.statistics import AveragePrecision, Mean, Spearman, VMeasure, bootstrap

N, C, B = 90, 4, 25


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture(params=["units", "groups"])
def counts(request):
    groups = np.arange(N) // 7 if request.param == "groups" else None
    return next(resampled_counts(N, groups, B, seed=5))


def repeated(counts, b):
    return np.repeat(np.arange(counts.shape[1]), counts[b].astype(int))


@pytest.mark.parametrize("levels", [2, 6, 10**6])
def test_spearman_is_that_of_the_repeated_sample(rng, counts, levels):
    gold = np.round(rng.normal(size=N) * 2)
    scores = rng.integers(levels, size=(C, N)) + gold
    found = Spearman(scores, gold).resampled(counts, np.ones((B, 1), np.float32))
    for b in range(B):
        rows = repeated(counts, b)
        expected = [spearmanr(scores[c, rows], gold[rows]).statistic for c in range(C)]
        assert np.allclose(found[:, b], expected, atol=1e-10)


@pytest.mark.parametrize("levels", [2, 6, 10**6])
def test_average_precision_is_that_of_the_repeated_sample(rng, counts, levels):
    labels = rng.random(N) < 0.3
    scores = rng.integers(levels, size=(C, N)) + labels
    found = AveragePrecision(scores, labels).resampled(counts, np.ones((B, 1), np.float32))
    for b in range(B):
        rows = repeated(counts, b)
        for c in range(C):
            assert found[c, b] == pytest.approx(average_precision_score(labels[rows], scores[c, rows]), abs=1e-10)
            weighted = average_precision_score(labels, scores[c], sample_weight=counts[b])
            assert found[c, b] == pytest.approx(weighted, abs=1e-10)


def test_v_measure_is_the_seeds_mean_on_the_repeated_sample(rng, counts):
    labels = rng.integers(5, size=N) - 2
    clusters = np.where(rng.random((C, 3, N)) < 0.5, labels, rng.integers(-1, 6, size=(C, 3, N)))
    draws = draw_counts(3, B)
    found = VMeasure(clusters, labels).resampled(counts, draws)
    for b in range(B):
        rows = repeated(counts, b)
        seeds = [[v_measure_score(labels[rows], clusters[c, s, rows]) for s in range(3)] for c in range(C)]
        assert np.allclose(found[:, b], np.average(seeds, axis=1, weights=draws[b]), atol=1e-10)


def test_mean_is_that_of_repeated_units_and_draws(rng, counts):
    values, draws = rng.random((C, 4, N)), draw_counts(4, B)
    found = Mean(values).resampled(counts, draws)
    for b in range(B):
        taken = values[:, repeated(draws, b)][:, :, repeated(counts, b)]
        assert np.allclose(found[:, b], taken.mean(axis=(1, 2)), atol=1e-6)


@pytest.fixture
def statistics(rng):
    gold = rng.integers(4, size=N)
    scores = gold + rng.normal(size=(C, N))
    return [
        Mean(rng.random((C, 2, N))),
        Spearman(scores, gold),
        AveragePrecision(scores, gold > 1),
        VMeasure(rng.integers(3, size=(C, 2, N)), gold),
    ]


def test_taking_everything_once_or_twice_is_the_point_estimate(statistics):
    for statistic in statistics:
        once = np.ones((1, N), np.float32), np.ones((1, statistic.draws), np.float32)
        assert np.allclose(statistic.resampled(*once)[:, 0], statistic.point(), atol=1e-6)
        assert (statistic.n, statistic.n_candidates) == (N, C)


def test_what_is_not_drawn_does_not_matter(rng):
    gold, scores = rng.normal(size=N), rng.normal(size=(1, N))
    counts = np.ones((1, N), np.float32)
    counts[0, :10] = 0
    changed = scores.copy()
    changed[:, :10] = 99
    one = np.ones((1, 1), np.float32)
    for kind, target in ((Spearman, gold), (AveragePrecision, gold > 0)):
        before, after = (kind(values, target).resampled(counts, one) for values in (scores, changed))
        assert before == pytest.approx(after)


def test_a_resample_without_positives_has_no_precision():
    counts, one = np.array([[0, 2]], np.float32), np.ones((1, 1), np.float32)
    statistic = AveragePrecision(np.array([[1.0, 2.0]]), np.array([True, False]))
    assert statistic.resampled(counts, one).tolist() == [[0.0]]


def test_bootstrap_spread_is_the_standard_error(rng):
    values = rng.random((2, 1, 400))
    values[1] = values[0]
    point, draws = bootstrap(Mean(values), resamples=3000)
    assert np.allclose(point, values.mean(axis=2).ravel(), atol=1e-6)
    assert draws[0].std() == pytest.approx(values[0].std() / 20, rel=0.05)
    assert np.array_equal(draws[0], draws[1])


@pytest.mark.parametrize(
    ("of_unit", "of_draw", "of_both"), [(1, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 1), (0, 0, 1)], ids=str
)
def test_bootstrap_of_several_draws_is_never_too_narrow(rng, of_unit, of_draw, of_both):
    """Its variance is that of units and draws, and twice that of what is particular to a unit in a draw."""
    n, draws = 200, 8
    parts = rng.normal(size=n), rng.normal(size=(400, draws, 1)), rng.normal(size=(400, draws, n))
    values = of_unit * parts[0] + 0.05 * of_draw * parts[1] + of_both * parts[2]
    expected = (of_unit * parts[0].var() + 2 * of_both / draws) / n + of_draw * 0.05**2 / draws
    assert bootstrap(Mean(values), resamples=1000)[1].var(axis=1).mean() == pytest.approx(expected, rel=0.15)


def test_bootstrap_of_groups_is_wider(rng):
    groups = np.arange(400) // 8
    values = np.repeat(rng.random((1, 1, 50)), 8, axis=2)
    alone, grouped = (bootstrap(Mean(values), g)[1].std() for g in (None, groups))
    assert grouped == pytest.approx(alone * np.sqrt(8), rel=0.1)


def test_bootstrap_covers_all_chunks(statistics, monkeypatch):
    whole = [bootstrap(statistic, resamples=30) for statistic in statistics]
    monkeypatch.setattr("sizewise.stats.resample.CHUNK_BYTES", 24 * N * 7)
    for statistic, (point, draws) in zip(statistics, whole, strict=True):
        again = bootstrap(statistic, resamples=30)
        assert np.array_equal(again[0], point)
        assert np.allclose(again[1], draws, atol=1e-6)


def test_sizes_must_agree():
    with pytest.raises(InputError):
        Spearman(np.ones((2, 5)), np.ones(4))
    with pytest.raises(InputError):
        AveragePrecision(np.ones((2, 5)), np.ones(6, bool))
    with pytest.raises(InputError):
        Mean(np.ones((1, 1, 0)))
