"""The statistic of one task, for all candidates and many resamples at once. Natural units, [0, 1] or [-1, 1].

A resample is a row of multiplicities (see `resample`): `resampled` gives exactly what the plain metric would give on
the sample with each unit repeated that often, ties included.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.special import xlogy

from sizewise.core.errors import InputError
from sizewise.stats.arrays import Bools, Float32, Float64, Floats, Int64, Ints, cache_blocks
from sizewise.stats.resample import draw_counts, resampled_counts


class Statistic(Protocol):
    """C candidates on n units, and the mean over S draws (training draws or k-means seeds; 1 where there are none).

    `reach` is what one unit among n can cost at most, times n: 1 for a mean of values in [0, 1]. For statistics of
    ranks or clusters it is the order of magnitude, which is enough as simulated (docs/statistics.md).
    `lowest` is the least value possible; the largest is 1.
    """

    n: int
    draws: int
    n_candidates: int
    reach: float = 1.0
    lowest: float = 0.0

    def resampled(self, counts: Float32, draws: Float32) -> Float64:
        """float64[C, b]: the statistic under multiplicities float32[b, n] of units and float32[b, S] of draws."""

    def point(self) -> Float64:
        """float64[C]: the statistic on the data as they are, everything taken once."""
        return self.resampled(np.ones((1, self.n), np.float32), np.ones((1, self.draws), np.float32))[:, 0]

    def _size(self, n_candidates: int, draws: int, n: int, n_other: int) -> None:
        if n < 1 or n_candidates < 1 or draws < 1:
            raise InputError("a statistic needs at least one candidate, one draw and one unit")
        if n_other != n:
            raise InputError(f"{n} units are scored, but {n_other} have a label or a gold score")
        self.n_candidates, self.draws, self.n = n_candidates, draws, n


def bootstrap(
    statistic: Statistic, groups: Int64 | None = None, resamples: int = 2000, seed: int = 0
) -> tuple[Float64, Float64]:
    """The point estimates float64[C] and their joint bootstrap float64[C, resamples], with shared resamples.

    Units and draws are resampled apart and their deviations added. Resampled in one go, what is particular to one unit
    in one draw counts three times (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007); so, twice.

    Raises:
        InputError: as `resampled_counts`.
    """
    out = np.empty((statistic.n_candidates, resamples))
    start = 0
    for counts in resampled_counts(statistic.n, groups, resamples, seed):
        stop = start + len(counts)
        out[:, start:stop] = statistic.resampled(counts, np.ones((len(counts), statistic.draws), np.float32))
        start = stop
    point = statistic.point()
    if statistic.draws > 1:
        out += of_draws(statistic, draw_counts(statistic.draws, resamples, seed)) - point[:, None]
    return point, out


def of_draws(statistic: Statistic, taken: Float32) -> Float64:
    """float64[C, b]: the statistic on all units under multiplicities float32[b, S] of its draws, whose mean it is."""
    alone = statistic.resampled(
        np.ones((statistic.draws, statistic.n), np.float32), np.eye(statistic.draws, dtype=np.float32)
    )
    result: Float64 = alone @ (taken / taken.sum(axis=1, keepdims=True)).T
    return result


class Mean(Statistic):
    """Mean over units and draws of a value per unit: nDCG, reciprocal rank, 0/1 for right or wrong."""

    def __init__(self, values: Floats) -> None:
        """`values` is float[C, S, n]."""
        self.values = np.ascontiguousarray(values, np.float32)
        n_candidates, draws, n = self.values.shape
        self._size(n_candidates, draws, n, n)

    def resampled(self, counts: Float32, draws: Float32) -> Float64:
        total = np.zeros((self.n_candidates, len(counts)))
        for s in range(self.draws):
            total += (self.values[:, s] @ counts.T) * draws[:, s]
        total /= counts.sum(axis=1, dtype=np.float64) * draws.sum(axis=1, dtype=np.float64)
        return total

    def point(self) -> Float64:
        means: Float64 = self.values.mean(axis=(1, 2), dtype=np.float64)
        return means


@dataclass(frozen=True)
class _Sorted:
    """A sorting of n units into runs of equal score: `order` is the permutation, `starts` where each run begins."""

    order: Int64
    starts: Int64

    @classmethod
    def by(cls, scores: Floats) -> "_Sorted":
        order = np.argsort(scores, kind="stable")
        return cls(order, np.flatnonzero(np.append(True, np.diff(scores[order]) != 0)))

    def totals(self, weights: Float64) -> Float64:
        """float64[runs, b]: the sum over each run of `weights` float64[n, b]."""
        taken = weights[self.order]
        return taken if len(self.starts) == len(taken) else np.add.reduceat(taken, self.starts, axis=0)


class Spearman(Statistic):
    """Spearman's rank correlation with the gold scores, ties by midranks; 0 where either side is constant.

    A run of equal scores with multiplicities t_1, t_2, ... has the midrank (before + after + 1) / 2, and the ranks have
    the sum of squares (N^3 - sum t^3) / 12 (Kendall, "Rank Correlation Methods", 1948, ch. 3). The gold is ranked anew
    in every resample, as it would be on the repeated sample.
    """

    reach = 2.0  # from agreement to disagreement
    lowest = -1.0

    def __init__(self, scores: Floats, gold: Floats) -> None:
        """`scores` is float[C, n], `gold` float[n]."""
        self._size(len(scores), 1, np.shape(scores)[1], len(gold))
        self._sorted = [_Sorted.by(row) for row in np.asarray(scores)]
        self._gold = _Sorted.by(np.asarray(gold))
        runs = np.zeros(self.n, np.int64)
        runs[self._gold.starts[1:]] = 1
        self._run_of = np.empty(self.n, np.int64)
        self._run_of[self._gold.order] = np.cumsum(runs)

    def resampled(self, counts: Float32, draws: Float32) -> Float64:
        out = np.empty((self.n_candidates, len(counts)))
        for block in cache_blocks(len(counts), self.n):
            weights = counts[block].T.astype(np.float64, order="C")
            ranks, spread = _centred_ranks(self._gold.totals(weights))
            pull = weights * ranks[self._run_of]
            for c, runs in enumerate(self._sorted):
                ranks, own_spread = _centred_ranks(runs.totals(weights))
                scale = np.sqrt(spread * own_spread)
                shared = np.einsum("nb,nb->b", ranks, runs.totals(pull))
                out[c, block] = np.divide(shared, scale, out=np.zeros_like(scale), where=scale > 0)
        return out


def _centred_ranks(totals: Float64) -> tuple[Float64, Float64]:
    """Midranks minus their mean, float64[runs, b], and their sum of squares float64[b], from the size of each run."""
    after = np.cumsum(totals, axis=0)
    n = after[-1]
    spread = (n**3 - np.einsum("nb,nb,nb->b", totals, totals, totals)) / 12
    return after - (totals + n) / 2, spread


class AveragePrecision(Statistic):
    """Average precision, all units of one score entering together, as sklearn's; 0 where no positive is drawn."""

    def __init__(self, scores: Floats, labels: Bools) -> None:
        """`scores` is float[C, n], `labels` bool[n]."""
        self._size(len(scores), 1, np.shape(scores)[1], len(labels))
        self._sorted = [_Sorted.by(-row) for row in np.asarray(scores)]
        self._labels = np.asarray(labels, np.bool_)
        self.reach = self.n / max(int(self._labels.sum()), 1)  # a lost positive costs one share of the positives

    def resampled(self, counts: Float32, draws: Float32) -> Float64:
        out = np.empty((self.n_candidates, len(counts)))
        for block in cache_blocks(len(counts), self.n):
            weights = counts[block].T.astype(np.float64, order="C")
            positives = weights * self._labels[:, None]
            n_positive = np.maximum(positives.sum(axis=0), 1.0)
            for c, runs in enumerate(self._sorted):
                gained = runs.totals(positives)
                seen = np.maximum(np.cumsum(runs.totals(weights), axis=0), 1.0)
                out[c, block] = np.einsum("nb,nb->b", gained, np.cumsum(gained, axis=0) / seen) / n_positive
        return out


class VMeasure(Statistic):
    """V-measure of each seed's clusters, averaged over the seeds: 2 I(labels; clusters) / (H(labels) + H(clusters)).

    Rosenberg and Hirschberg, "V-Measure", EMNLP 2007, with beta = 1. The clusters are taken as given, not fitted anew.
    """

    def __init__(self, clusters: Ints, labels: Ints) -> None:
        """`clusters` is int[C, S, n], `labels` int[n]; any whole numbers name them."""
        n_candidates, draws, n = np.shape(clusters)
        self._size(n_candidates, draws, n, len(labels))
        self._labels = np.unique(labels, return_inverse=True)[1]
        shares = np.bincount(self._labels) / self.n
        # A unit that joins the wrong cluster costs up to ln n of the labels' entropy, shared among n.
        self.reach = max(1.0, float(np.log(self.n) / max(-xlogy(shares, shares).sum(), np.log(2))))
        self._clusters = [[np.unique(row, return_inverse=True)[1] for row in seeds] for seeds in np.asarray(clusters)]

    def resampled(self, counts: Float32, draws: Float32) -> Float64:
        weights = counts.T.astype(np.float64, order="C")
        total = weights.sum(axis=0)
        of_labels = _entropy_sum(_tally(self._labels, weights))
        out = np.zeros((self.n_candidates, len(counts)))
        for c, seeds in enumerate(self._clusters):
            for s, clusters in enumerate(seeds):
                cells = np.unique(clusters * (self._labels.max() + 1) + self._labels, return_inverse=True)[1]
                of_clusters, of_cells = (_entropy_sum(_tally(codes, weights)) for codes in (clusters, cells))
                out[c] += draws[:, s] * _v_of(xlogy(total, total), of_labels, of_clusters, of_cells)
        out /= draws.sum(axis=1, dtype=np.float64)
        return out


def _tally(codes: Int64, weights: Float64) -> Float64:
    """float64[codes, b]: the total of `weights` float64[n, b] over the units of each code 0, 1, ..."""
    n = len(codes)
    member = sparse.csr_array((np.ones(n), (codes, np.arange(n))), shape=(int(codes.max()) + 1, n))
    result: Float64 = member @ weights
    return result


def _entropy_sum(tallies: Float64) -> Float64:
    """float64[b]: the sum of t ln t over the tallies float64[codes, b]; N times an entropy is N ln N less this."""
    result: Float64 = xlogy(tallies, tallies).sum(axis=0)
    return result


def _v_of(whole: Float64, labels: Float64, clusters: Float64, cells: Float64) -> Float64:
    """V from sums of t ln t; 1 where one label and one cluster are all there is."""
    entropies = 2 * whole - labels - clusters
    shared = whole - labels - clusters + cells
    tiny = entropies <= 1e-9 * np.maximum(whole, 1.0)
    return np.where(tiny, 1.0, 2 * shared / np.where(tiny, 1.0, entropies))
