"""95% intervals from the bootstrap, and when not to trust them. Natural units, as the statistic they belong to.

The interval is the bias-corrected and accelerated one (BCa: Efron, "Better bootstrap confidence intervals", JASA 82,
1987), its acceleration read off the bootstrap distribution itself (a sixth of its skewness, exact for means), and with
Hesterberg's expansion for few groups ("What teachers should know about the bootstrap", American Statistician 69, 2015).
The thresholds below are tuned by simulation: benchmarks/coverage.py, results in docs/statistics-results.md.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from sizewise.core.errors import InputError
from sizewise.stats.arrays import Float64

CONFIDENCE = 0.95
MIN_UNITS = 100
MIN_GROUPS = 30
MAX_SKEWNESS = 0.35
MAX_BIAS = 0.25
NO_SPREAD = 1e-9


@dataclass(frozen=True)
class Interval:
    """A 95% interval; `approximate` when its 95% cannot be relied on, and then `why` says so in words."""

    low: float
    high: float
    approximate: bool
    why: str = ""


def interval(
    point: float,
    draws: Float64,
    n_units: int,
    n_groups: int | None = None,
    *,
    binary: bool = False,
    conditional: bool = False,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """The 95% interval of a statistic from its bootstrap.

    Args:
        draws: float64[B], the bootstrapped values.
        n_groups: how many groups were resampled; None where units were.
        binary: every unit is right or wrong, once (accuracy with one draw). Then, without groups, Wilson's interval.
        conditional: the statistic takes a fit as given (V-measure): its own bias belongs to it, the interval is
            centred on `point`, and it is always approximate.
        bounds: the lowest and highest possible value. The lowest matters only where the bootstrap shows no spread.

    Raises:
        InputError: fewer than two draws or groups, or values that are not finite.
    """
    size = n_units if n_groups is None else n_groups
    if len(draws) < 2 or size < 2 or not (np.isfinite(point) and np.all(np.isfinite(draws))):
        raise InputError(f"no interval from {size} independent units and {len(draws)} resamples, or not finite ones")
    reasons = _too_few(n_units, n_groups)
    if conditional:
        reasons.append("the clustering is taken as fitted")
    spread = float(draws.std())
    if binary and n_groups is None:
        low, high = wilson(point, n_units)
    elif spread < NO_SPREAD:
        low, high = _unseen(point, size, bounds)
        reasons.append("all units score alike")
    else:
        bias = float(draws.mean()) - point
        skewness = skewness_of(draws)
        reasons += _misshapen(skewness, 0.0 if conditional else bias / spread)
        low, high = _bca(point, draws - bias if conditional else draws, skewness, size)
    return Interval(low, min(high, bounds[1]), bool(reasons), "; ".join(reasons))


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval for a share of n independent units (JASA 22, 1927); sound near 0 and 1 too."""
    z = float(ndtri((1 + CONFIDENCE) / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def expanded(z: float, n_groups: int) -> float:
    """A normal quantile widened for few groups: Student's t on n - 1 degrees, times sqrt(n / (n - 1)) (Hesterberg)."""
    return float(stdtrit(n_groups - 1, ndtr(z)) * np.sqrt(n_groups / (n_groups - 1)))


def skewness_of(draws: Float64) -> float:
    """Third standardised moment of float64[B]."""
    centred = draws - draws.mean()
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def _bca(point: float, draws: Float64, skewness: float, size: int) -> tuple[float, float]:
    half_step = 0.5 / len(draws)
    below = (np.mean(draws < point) + np.mean(draws <= point)) / 2
    shift = float(ndtri(np.clip(below, half_step, 1 - half_step)))
    z = expanded(float(ndtri((1 + CONFIDENCE) / 2)), size)
    sides = np.array([shift - z, shift + z])
    # The denominator is positive unless the skewness is extreme; then the interval runs to the last draw.
    low, high = np.quantile(draws, ndtr(shift + sides / np.maximum(1 - skewness / 6 * sides, 0.05)))
    return float(low), float(high)


def _unseen(point: float, size: int, bounds: tuple[float, float]) -> tuple[float, float]:
    """No unit differed, so only the rule of three speaks: as many groups may be otherwise as could hide from `size`.

    Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983.
    """
    hidden = 1 - ((1 - CONFIDENCE) / 2) ** (1 / size)
    return point + hidden * (bounds[0] - point), point + hidden * (bounds[1] - point)


def _too_few(n_units: int, n_groups: int | None) -> list[str]:
    reasons = []
    if n_units < MIN_UNITS:
        reasons.append(f"{n_units} units are fewer than {MIN_UNITS}")
    if n_groups is not None and n_groups < MIN_GROUPS:
        reasons.append(f"{n_groups} groups are fewer than {MIN_GROUPS}")
    return reasons


def _misshapen(skewness: float, bias: float) -> list[str]:
    """Cochran's rule on skewness ("Sampling Techniques", 1977, 2.15) and Efron's on bias, in standard errors."""
    reasons = []
    if abs(skewness) > MAX_SKEWNESS:
        reasons.append("a few units decide the value (its bootstrap is skewed)")
    if abs(bias) > MAX_BIAS:
        reasons.append("the value is biased at this number of units")
    return reasons
