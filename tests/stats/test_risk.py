"""Risk control: the confidence that it promises, by simulation, and how many units it takes."""

import numpy as np
import pytest
from scipy.stats import binomtest

from sizewise.stats.risk import certified, p_value, units_needed


@pytest.mark.parametrize("bound", [0.005, 0.02, 0.1])
def test_units_needed_is_where_no_loss_at_all_is_enough(bound):
    n = units_needed(bound)
    assert p_value(0.0, n, bound) <= 0.05 < p_value(0.0, n - 1, bound)
    assert units_needed(0.005) == 598


@pytest.mark.parametrize("kind", ["coins", "small", "mixed"])
def test_a_loss_of_the_bound_is_rarely_certified(kind):
    """Right at the bound, where it is hardest: at most one in twenty."""
    chance, bound, n, trials = np.random.default_rng(5), 0.05, 400, 2000
    if kind == "coins":
        means = (chance.random((trials, n)) < bound).mean(axis=1)
    elif kind == "small":
        means = (chance.random((trials, n)) * 2 * bound).mean(axis=1)
    else:
        means = ((chance.random((trials, n)) < 4 * bound) * chance.beta(1, 3, (trials, n))).mean(axis=1)
    wrong = sum(p_value(float(mean), n, bound) <= 0.05 for mean in means)
    assert binomtest(wrong, trials, 0.05, alternative="greater").pvalue > 0.001, wrong / trials


def test_the_setting_that_comes_out_keeps_its_promise():
    """Losses that grow from setting to setting: how often is the boldest one that is certified beyond the bound?"""
    chance, bound, n, trials = np.random.default_rng(6), 0.05, 500, 600
    rates = np.linspace(0, 0.15, 31)
    broken, settings = 0, []
    for _ in range(trials):
        worst = chance.random(n)
        kept = certified((worst[None, :] < rates[:, None]).astype(float), bound)
        broken += kept > 0 and rates[kept - 1] > bound
        settings.append(kept)
    assert broken / trials <= 0.05
    assert np.median(rates[np.array(settings) - 1]) > 0.02, "it is not so careful that it is useless"


def test_more_units_and_less_loss_certify_more():
    assert p_value(0.01, 2000, 0.05) < p_value(0.01, 200, 0.05) < p_value(0.03, 200, 0.05)
    assert p_value(0.05, 10**6, 0.05) == p_value(0.2, 50, 0.05) == p_value(0.0, 0, 0.5) == 1.0
