"""Which candidates are not worse than any other by the margin: Hsu's multiple comparisons with the best.

Hsu, "Simultaneous confidence intervals for all distances from the best", Annals of Statistics 9, 1981; "Multiple
Comparisons: Theory and Methods", 1996, ch. 4. For each j taken as the best, the losses of all others against it are
bounded together; whoever the best truly is, its column holds with 95%, and no selection is involved.

A plain bootstrap knows nothing of what the sample missed: a candidate that fails utterly on 3% of the queries looks
perfect on a sample of 100 without such a query, once in twenty times. So each bootstrapped loss takes in one more unit,
unseen, on which the candidate loses all that one unit can cost, with the random weight that such a unit has. For losses
of any shape this is Gaffke's bound ("Three test statistics for a nonparametric one-sided hypothesis on the mean of a
nonnegative variable", Mathematical Methods of Statistics 14, 2005; Learned-Miller and Thomas, arXiv:1905.06208); where
no loss was seen it is the rule of three, 3 / n; for 0/1 losses Clopper and Pearson's bound. Statistics other than means
have no such maximum; their lopsided losses get the BCa correction on top.
"""

import numpy as np
from scipy.special import ndtri

from sizewise.core.errors import InputError
from sizewise.stats.arrays import Float32, Float64
from sizewise.stats.intervals import CONFIDENCE, Interval, expanded, interval

MIN_GROUPS_FOR_PROOF = 30
UNSEEN_STREAM = 2
# Gamma shapes run from the normal (skewness 0, left out to avoid dividing by it) to the exponential (2).
SKEWNESS_RANGE = (0.01, 2.0)
LEAST_DENOMINATOR = 0.25
NO_SPREAD = 1e-6  # float32 sums of identical candidates differ by less


def upper_bounds(point: Float64, draws: Float64, n_groups: int, reach: float = 1.0, seed: int = 0) -> Float64:
    """Upper confidence bounds on all pairwise losses, in natural units.

    For each j, with probability 95% U[i, j] >= theta_j - theta_i for all i at once. A candidate i with
    max over j of U[i, j] < margin is therefore within the margin of the true best, whichever that is.

    Args:
        point: float64[C].
        draws: float64[C, B], the joint bootstrap: the same resamples for all candidates.
        n_groups: how many units, or groups of units, were resampled.
        reach: the most that one unit in n can cost, times n: the statistic's `reach`.
        seed: of the unseen units' weights.

    Returns:
        float64[C, C] with zeros on the diagonal. Work memory is a few float32[C, B].

    Raises:
        InputError: shapes that do not fit, fewer than two groups or resamples, values that are not finite.
    """
    n_candidates, resamples = draws.shape
    if len(point) != n_candidates or resamples < 2 or n_groups < 2:
        raise InputError(f"no comparison of {len(point)} candidates from {draws.shape} draws of {n_groups} groups")
    if not (np.all(np.isfinite(point)) and np.all(np.isfinite(draws))):
        raise InputError("a candidate's score is not finite")
    bounds = np.zeros((n_candidates, n_candidates))
    unseen = _unseen_weights(n_candidates, resamples, n_groups, seed)
    centred = (draws - draws.mean(axis=1, keepdims=True)).astype(np.float32)
    for j in range(n_candidates):
        others = np.arange(n_candidates) != j
        if others.any():
            losses = centred[j] - centred[others]
            losses += (point[j] - point[others, None]).astype(np.float32)
            bounds[others, j] = _together(losses, reach, unseen[others], n_groups)
    return bounds


def difference(point: Float64, draws: Float64, i: int, j: int, n_units: int, n_groups: int | None = None) -> Interval:
    """The 95% interval of theta_i - theta_j from the joint bootstrap; arguments as `upper_bounds` and `interval`."""
    return interval(float(point[i] - point[j]), draws[i] - draws[j], n_units, n_groups, bounds=(-1.0, 1.0))


def units_needed(loss: float, bound: float, margin: float, n: int) -> float:
    """About how many units would bring the upper `bound` on `loss` under `margin`, where `n` units gave `bound`.

    The distance from loss to bound shrinks with the square root of n. Infinite where the loss reaches the margin.
    """
    if loss >= margin:
        return float("inf")
    return max(float(n), float(np.ceil(n * ((bound - loss) / (margin - loss)) ** 2)))


def _together(losses: Float32, reach: float, unseen: Float32, n_groups: int) -> Float64:
    """Upper bounds float64[rows] that hold together, from bootstrapped losses and weights of the unseen, [rows, B].

    `losses` is used up: with hundreds of candidates, copies would take most of the time.
    """
    # With a true maximum, as a mean has, the unseen unit is enough; elsewhere `reach` is an order of magnitude only.
    _, seen_spread, seen_skewness = _moments(losses)
    losses += unseen * (reach - losses)
    mean, spread, skewness = _moments(losses)
    # Skewness of a sum: each part counts by the cube of its share of the spread. The unseen's own is in `skewness`.
    share = np.divide(seen_spread, spread, out=np.zeros_like(spread), where=spread > NO_SPREAD)
    lopsided = np.maximum(seen_skewness * share**3, 0).astype(np.float64) * (reach > 1)
    losses -= mean
    losses /= np.maximum(spread, NO_SPREAD)  # none where every unit loses all that it can
    skewness = np.clip(skewness, *SKEWNESS_RANGE)
    critical = float(np.quantile(_to_normal(losses, skewness).max(axis=0), CONFIDENCE))
    # A critical value never needs to be above Bonferroni's; the bootstrap's own is noisy there for many candidates.
    critical = min(critical, float(ndtri(1 - (1 - CONFIDENCE) / len(losses))))
    z = _accelerated(expanded(critical, n_groups), lopsided / 6)
    bounds: Float64 = mean + spread * _from_normal(z, skewness)
    return bounds[:, 0]


def _moments(losses: Float32) -> tuple[Float32, Float32, Float32]:
    """Mean, standard deviation and skewness (0 without spread) of each row, float32[rows, 1]."""
    mean = losses.mean(axis=1, keepdims=True)
    centred = losses - mean
    spread = np.sqrt(np.einsum("ib,ib->i", centred, centred)[:, None] / losses.shape[1])
    cubes = centred * centred
    cubes *= centred
    third = cubes.mean(axis=1, keepdims=True)
    return mean, spread, np.divide(third, spread**3, out=np.zeros_like(third), where=spread > NO_SPREAD)


def _accelerated(z: float, a: Float64) -> Float64:
    """Efron's BCa correction of a normal quantile for losses with a long upper tail: acceleration `a` float64[rows, 1].

    The bias term of a mean is its acceleration again (Efron, 1987, section 4). A long lower tail is left alone: it
    would only shorten the bound.
    """
    result: Float64 = a + (a + z) / np.maximum(1 - a * (a + z), LEAST_DENOMINATOR)
    return result


def _to_normal(standard: Float32, skewness: Float32) -> Float32:
    """Standardised values [rows, B] of gamma shape, by their `skewness` [rows, 1], on a normal scale; in place.

    Wilson and Hilferty's cube root ("The distribution of chi-square", PNAS 17, 1931): through it, lopsided and
    symmetric losses share one critical value.
    """
    standard *= skewness / 2
    standard += 1
    np.cbrt(np.maximum(standard, 0, out=standard), out=standard)
    standard += skewness * skewness / 36 - 1
    standard *= 6 / skewness
    return standard


def _from_normal(z: Float64, skewness: Float32) -> Float64:
    """The inverse of `_to_normal` at `z`, float64[rows, 1]."""
    k = skewness.astype(np.float64)
    result: Float64 = 2 / k * ((1 + k * z / 6 - k * k / 36) ** 3 - 1)
    return result


def _unseen_weights(n_candidates: int, resamples: int, n_groups: int, seed: int) -> Float32:
    """float32[C, B] of Beta(1, n_groups): the weight of one more unit among exchangeable ones (Rubin, 1981).

    Independent between candidates, since each may fail on other units.
    """
    uniform = np.random.default_rng([seed, UNSEEN_STREAM]).random((n_candidates, resamples), np.float32)
    weights: Float32 = -np.expm1(np.log1p(-uniform) / np.float32(n_groups))
    return weights
