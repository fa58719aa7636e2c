"""How alike two sets of vectors are, row by row."""

import numpy as np

from sizewise.stats.arrays import Float32, Float64


def alike(found: Float32, wanted: Float32) -> tuple[Float64, Float64]:
    """Of `found` and `wanted` [n, d]: the cosine of each row with its like, and the relative difference of their
    lengths, float64 [n].

    Rows of zeros are alike. What is not finite has a cosine of -1, and so has everything where the shapes differ.
    """
    if found.shape != wanted.shape:
        return np.full(len(wanted), -1.0), np.full(len(wanted), np.inf)
    first, second = found.astype(np.float64), wanted.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    both = lengths[0] * lengths[1]
    cosines = np.where(both > 0, (first * second).sum(axis=1) / np.where(both > 0, both, 1.0), 0.0)
    cosines[(lengths[0] == 0) & (lengths[1] == 0)] = 1.0
    cosines[~np.isfinite(both)] = -1.0
    apart = np.abs(lengths[0] - lengths[1]) / np.maximum(np.maximum(*lengths), 1e-12)
    apart[~np.isfinite(apart)] = np.inf
    return np.minimum(cosines, 1.0), apart
