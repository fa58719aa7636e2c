"""Resamples as multiplicities: how often each unit, and each draw, is taken. The same seed gives the same resamples.

A statistic that accepts multiplicities is computed for thousands of resamples without copying any data, and candidates
that share them are compared pair by pair (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).
"""

from collections.abc import Iterator

import numpy as np

from sizewise.core.errors import InputError
from sizewise.stats.arrays import Float32, Int64

CHUNK_BYTES = 64 * 2**20
BYTES_PER_COUNT = 24  # the drawn index, its tally (int64 each), the tally as float32 and its expansion to units
UNIT_STREAM, DRAW_STREAM = 0, 1


def n_groups_of(n: int, groups: Int64 | None) -> int:
    """The number of independently sampled things among `n` units: groups where they are given, else units."""
    return n if groups is None else len(np.unique(groups))


def resampled_counts(n: int, groups: Int64 | None, resamples: int, seed: int = 0) -> Iterator[Float32]:
    """Multiplicities of `n` units in each of `resamples` bootstrap samples, in chunks of about 64 MB of work.

    Args:
        groups: int64[n], any labels. Whole groups are drawn, as many as there are, since the units of one group are not
            independent (cluster bootstrap: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, 3.8).

    Yields:
        float32[b, n] of whole numbers. Without groups every row sums to n.

    Raises:
        InputError: if there are no units, or `groups` has another length.
    """
    if n < 1:
        raise InputError("there are no units to resample")
    if groups is not None and len(groups) != n:
        raise InputError(f"{n} units have {len(groups)} group labels")
    group_of = None if groups is None else np.unique(groups, return_inverse=True)[1]
    size = n_groups_of(n, groups)
    rng = np.random.default_rng([seed, UNIT_STREAM])
    step = max(1, CHUNK_BYTES // (BYTES_PER_COUNT * n))
    for start in range(0, resamples, step):
        counts = _multinomial(rng, min(step, resamples - start), size, taken=size)
        yield counts if group_of is None else counts[:, group_of]


def draw_counts(draws: int, resamples: int, seed: int = 0) -> Float32:
    """float32[resamples, draws]: how often each of the `draws` training draws or k-means seeds is taken.

    One fewer is taken than there are: a bootstrap of 3 seeds gives 2/3 of the variance of their mean, one that takes
    S - 1 of S gives all of it (McCarthy and Snowden, "The bootstrap and finite population sampling", 1985).
    """
    return _multinomial(np.random.default_rng([seed, DRAW_STREAM]), resamples, draws, taken=max(draws - 1, 1))


def _multinomial(rng: np.random.Generator, rows: int, size: int, taken: int) -> Float32:
    """float32[rows, size]: the tally of `taken` uniform draws from `size` things, row by row."""
    drawn = rng.integers(size, size=(rows, taken))
    drawn += np.arange(rows)[:, None] * size
    return np.bincount(drawn.ravel(), minlength=rows * size).astype(np.float32).reshape(rows, size)
