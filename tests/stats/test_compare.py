"""Comparisons with the best: bounds that hold together, see what a bootstrap cannot, and shrink with data."""

import numpy as np
import pytest
from scipy.stats import beta, norm

from sizewise.core.errors import InputError
from sizewise.stats.compare import difference, units_needed, upper_bounds
from sizewise.stats.statistics import Mean, bootstrap


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def bounds_of(values, n_groups=None):
    values = np.asarray(values, float)
    return upper_bounds(*bootstrap(Mean(values[:, None])), n_groups or values.shape[1])


@pytest.mark.parametrize("n", [50, 100, 1000])
def test_identical_candidates_leave_the_rule_of_three(rng, n):
    bounds = bounds_of(np.repeat(rng.random((1, n)), 2, axis=0))
    assert np.all(np.diag(bounds) == 0)
    assert bounds[0, 1] == pytest.approx(3 / n, rel=0.08)


def test_many_identical_candidates_pay_for_their_number(rng):
    bounds = bounds_of(np.repeat(rng.random((1, 200)), 21, axis=0))
    assert bounds[0, 1] == pytest.approx(np.log(20 / 0.05) / 200, rel=0.1)


@pytest.mark.parametrize("lost", [1, 2, 5, 20])
def test_rare_utter_losses_are_bounded_from_binomial_theory(lost):
    """Clopper and Pearson's exact bound."""
    values = np.ones((2, 100))
    values[0, :lost] = 0
    exact = beta.ppf(0.95, lost + 1, 100 - lost)
    assert bounds_of(values)[0, 1] == pytest.approx(exact, rel=0.04)


def test_dense_losses_get_the_normal_bound(rng):
    values = rng.random((2, 4000))
    loss, half = (values[1] - values[0]).mean(), norm.ppf(0.95) * (values[1] - values[0]).std() / np.sqrt(4000)
    assert bounds_of(values)[0, 1] == pytest.approx(loss + half + 1 / 4000, abs=0.08 * half)


def test_bounds_hold_together(rng):
    """Nine candidates as good as the best: in 95% of samples no bound may fall below the true loss of 0."""
    failed = 0
    for _ in range(300):
        values = np.clip(0.5 + 0.2 * rng.normal(size=200) + 0.1 * rng.normal(size=(10, 200)), 0, 1)
        point, draws = bootstrap(Mean(values[:, None]), resamples=400)
        failed += upper_bounds(point, draws, 200)[1:, 0].min() < 0
    assert failed <= 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95)


def test_a_failure_on_three_percent_of_units_is_not_proven_harmless(rng):
    """A copy of the best that scores 0 on 3% of 100 units: a bootstrap alone accepts it in one sample of five."""
    wrong = 0
    for seed in range(200):
        values = np.full((2, 100), 0.9)
        values[0, rng.random(100) < 0.03] = 0
        point, draws = bootstrap(Mean(values[:, None]), resamples=400, seed=seed)
        wrong += upper_bounds(point, draws, 100)[0, 1] < 0.02
    assert wrong <= 200 * 0.05


def test_few_groups_cost_more(rng):
    point, draws = bootstrap(Mean(rng.random((3, 1, 400))))
    few, many = (upper_bounds(point, draws, n)[0, 1] for n in (8, 400))
    assert few > many + 0.1


def test_a_longer_reach_costs_more(rng):
    point, draws = bootstrap(Mean(rng.random((3, 1, 400))))
    assert upper_bounds(point, draws, 400, reach=2.0)[0, 1] > upper_bounds(point, draws, 400)[0, 1]


def test_order_of_candidates_does_not_matter_much(rng):
    point, draws = bootstrap(Mean(rng.random((4, 1, 500))))
    forward, backward = upper_bounds(point, draws, 500), upper_bounds(point[::-1], draws[::-1], 500)[::-1, ::-1]
    assert np.allclose(forward, backward, atol=0.15 * forward.max())


def test_one_candidate_has_nobody_to_lose_to():
    assert upper_bounds(np.array([0.3]), np.full((1, 9), 0.3), 100).tolist() == [[0.0]]


def test_difference_is_signed_and_paired(rng):
    common = rng.random(300)
    values = np.stack([common, common - 0.05 + 0.01 * rng.normal(size=300)])
    point, draws = bootstrap(Mean(values[:, None]))
    found, reverse = difference(point, draws, 0, 1, 300), difference(point, draws, 1, 0, 300)
    assert found.low < 0.05 < found.high < 0.053
    assert (found.low, found.high) == pytest.approx((-reverse.high, -reverse.low), abs=1e-4)


def test_difference_of_copies_admits_what_was_not_seen(rng):
    point, draws = bootstrap(Mean(np.repeat(rng.random((1, 1, 300)), 2, axis=0)))
    found = difference(point, draws, 0, 1, 300)
    assert found.low == pytest.approx(-found.high)
    assert found.high > 0.01
    assert found.approximate


def test_units_needed_follow_the_square_root():
    assert units_needed(loss=0.0, bound=0.04, margin=0.02, n=100) == 400
    assert units_needed(loss=0.01, bound=0.04, margin=0.02, n=100) == 900
    assert units_needed(loss=0.0, bound=0.01, margin=0.02, n=100) == 100
    assert units_needed(loss=0.02, bound=0.04, margin=0.02, n=100) == float("inf")


def test_nonsense_is_refused():
    point, draws = np.array([0.1, 0.2]), np.zeros((2, 9))
    with pytest.raises(InputError):
        upper_bounds(point[:1], draws, 100)
    with pytest.raises(InputError):
        upper_bounds(point, draws, 1)
    with pytest.raises(InputError, match="finite"):
        upper_bounds(np.array([0.1, np.nan]), draws, 100)


def test_one_that_loses_everything_leaves_the_others_alone():
    units = np.random.default_rng(0).random((300, 1)) < 0.9
    scores = np.stack([np.ones(300), np.zeros(300), units[:, 0]]).astype(float)
    weights = np.random.default_rng(1).multinomial(300, np.full(300, 1 / 300), 500) / 300
    with np.errstate(all="raise"):
        bounds = upper_bounds(scores.mean(axis=1), scores @ weights.T, 300)
    assert np.all(np.isfinite(bounds))
    assert bounds[1, 0] == pytest.approx(1.0)
    alone = upper_bounds(scores[[0, 2]].mean(axis=1), scores[[0, 2]] @ weights.T, 300)
    assert bounds[2, 0] == pytest.approx(alone[1, 0], abs=0.02)
