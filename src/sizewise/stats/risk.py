"""Risk control: the boldest setting whose expected loss is below a bound, with confidence.

Learn then Test (Angelopoulos, Bates, Candes, Jordan and Lei, 2021) with fixed-sequence testing: settings are tested
from the most careful one on, each on the same units, until one is not certified. With probability 1 - `delta` over the
units, the expected loss of the setting that comes out is at most the bound. Nothing is assumed of the losses but that
units are drawn independently and losses lie between 0 and 1.
"""

from math import ceil, exp, log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def certified(losses: Floats, bound: float, delta: float = 0.05) -> int:
    """How many of the settings, from the first one on, have an expected loss of at most `bound` (0 to 1).

    `losses` float64 [settings, units] between 0 and 1, the most careful setting first.
    """
    kept = 0
    for row in losses:
        if p_value(float(row.mean()), len(row), bound) > delta:
            break
        kept += 1
    return kept


def p_value(mean: float, n: int, bound: float) -> float:
    """Of the hypothesis that losses between 0 and 1, whose mean over `n` units is `mean`, have an expectation above
    `bound`: the Hoeffding-Bentkus inequality (Bates, Angelopoulos, Lei, Malik and Jordan, "Distribution-free,
    risk-controlling prediction sets", 2021, section 3.1)."""
    from scipy.stats import binom

    if n == 0 or mean >= bound:  # a bound of 1 is kept by anything, and is not asked for
        return 1.0
    hoeffding = exp(-n * _divergence(mean, bound))
    bentkus = exp(1) * float(binom.cdf(ceil(n * mean - 1e-9), n, bound))
    return min(1.0, hoeffding, bentkus)


def units_needed(bound: float, delta: float = 0.05) -> int:
    """Below so many units nothing can be certified, even where no loss is seen: 598 for half a point."""
    return ceil(log(delta) / log(1 - bound))


def _divergence(mean: float, bound: float) -> float:
    """Of Kullback and Leibler, between coins of these probabilities."""
    first = mean * log(mean / bound) if mean > 0 else 0.0
    return first + (1 - mean) * log((1 - mean) / (1 - bound))
