"""A statistic on some of its units: what lets units be held out without scoring anything again."""

import numpy as np

from sizewise.stats.arrays import Float32, Float64, Int64
from sizewise.stats.statistics import Statistic


class Subset(Statistic):
    """`inner` on the units at positions `kept` int64 [m] only: the others get multiplicity zero, which is exact."""

    def __init__(self, inner: Statistic, kept: Int64) -> None:
        self._inner, self._kept = inner, np.asarray(kept, np.int64)
        self.reach, self.lowest = inner.reach, inner.lowest
        self._size(inner.n_candidates, inner.draws, len(self._kept), len(self._kept))

    def resampled(self, counts: Float32, draws: Float32) -> Float64:
        """float64[C, b] from multiplicities float32[b, m] of the kept units."""
        whole = np.zeros((len(counts), self._inner.n), np.float32)
        whole[:, self._kept] = counts
        return self._inner.resampled(whole, draws)

    def point(self) -> Float64:
        return self.resampled(np.ones((1, self.n), np.float32), np.ones((1, self.draws), np.float32))[:, 0]
