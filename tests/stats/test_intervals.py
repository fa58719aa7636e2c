"""Intervals: they cover, they follow the textbook where there is one, and they say when they are not to be trusted."""

import numpy as np
import pytest
from scipy.stats import binomtest, skew

from sizewise.core.errors import InputError
from sizewise.stats.intervals import expanded, interval, skewness_of, wilson
from sizewise.stats.resample import resampled_counts
from sizewise.stats.statistics import Mean, bootstrap


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def of(values, groups=None, **options):
    point, draws = bootstrap(Mean(np.asarray(values)[None, None]), groups)
    return interval(point[0], draws[0], len(values), None if groups is None else len(np.unique(groups)), **options)


@pytest.mark.parametrize(("right", "n"), [(0, 40), (40, 40), (97, 100), (60, 100)])
def test_wilson_is_scipys(right, n):
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_expansion_widens_few_groups_only():
    assert expanded(1.96, 5) == pytest.approx(2.776 * np.sqrt(5 / 4), abs=0.01)
    assert expanded(1.96, 100_000) == pytest.approx(1.96, abs=1e-3)


def test_skewness_is_scipys(rng):
    draws = rng.exponential(size=500)
    assert skewness_of(draws) == pytest.approx(skew(draws))


def test_a_symmetric_mean_gets_the_t_interval(rng):
    values = rng.random(400)
    found, half = of(values), 1.966 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    assert not found.approximate
    assert found.why == ""


def test_coverage_of_a_mean_of_100(rng):
    """2,000 samples that share one set of resamples; 93-97% must cover. The mean of this beta is 0.6."""
    values = rng.beta(1.2, 0.8, size=(2000, 1, 100))
    point, draws = bootstrap(Mean(values), resamples=1000)
    found = [interval(p, row, 100) for p, row in zip(point, draws, strict=True)]
    assert 0.93 <= np.mean([i.low <= 0.6 <= i.high for i in found]) <= 0.97
    assert np.mean([i.approximate for i in found]) < 0.05


def test_skewed_draws_move_the_interval_towards_their_tail(rng):
    draws = -rng.gamma(4.0, size=4000)
    found = interval(-4.0, draws, 500)
    plain = np.quantile(draws, [0.025, 0.975])
    assert found.low < plain[0] - 0.3
    assert found.approximate
    assert "skewed" in found.why


def test_groups_widen_the_interval(rng):
    values, groups = np.repeat(rng.random(60), 10), np.arange(600) // 10
    alone, grouped = of(values), of(values, groups)
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("n", "groups", "word"), [(99, None, "99 units"), (145, np.arange(145) // 5, "29 groups")], ids=["units", "groups"]
)
def test_too_few_are_approximate(rng, n, groups, word):
    found = of(rng.random(n), groups)
    assert found.approximate
    assert word in found.why


def test_binary_units_use_wilson_unless_grouped():
    values = np.ones(200)
    found = of(values, binary=True)
    assert (found.low, found.high) == wilson(1.0, 200)
    assert not found.approximate
    assert of(values, np.arange(200) // 2, binary=True).approximate


def test_no_spread_leaves_the_rule_of_three():
    found = of(np.ones(300))
    assert found.low == pytest.approx(1 - (1 - 0.025 ** (1 / 300)))
    assert found.high == 1.0
    assert "alike" in found.why
    mixed = interval(0.0, np.zeros(50), 300, bounds=(-1.0, 1.0))
    assert mixed.low == pytest.approx(-mixed.high)


def test_bias_is_flagged_and_does_not_move_a_conditional_interval(rng):
    draws = 0.55 + 0.02 * rng.normal(size=4000)
    biased, conditional = interval(0.5, draws, 500), interval(0.5, draws, 500, conditional=True)
    assert "biased" in biased.why
    assert (conditional.low + conditional.high) / 2 == pytest.approx(0.5, abs=0.003)
    assert conditional.approximate
    assert "as fitted" in conditional.why


def test_no_interval_reaches_beyond_the_best_possible(rng):
    assert interval(0.995, 0.995 + 0.01 * rng.normal(size=2000), 500).high == 1.0


def test_nonsense_is_refused():
    for arguments in ((0.5, np.ones(1), 10), (0.5, np.ones(9), 1), (float("nan"), np.ones(9), 10)):
        with pytest.raises(InputError):
            interval(*arguments)


def test_resamples_of_groups_are_what_the_interval_expects():
    assert next(resampled_counts(10, np.arange(10) // 2, 3)).shape == (3, 10)
