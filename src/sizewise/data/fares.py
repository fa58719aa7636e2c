"""How well each unit fares where the metric is no mean over units. Finds what breaks; decides nothing."""

import numpy as np
import numpy.typing as npt

from sizewise.data.case import Level

Floats = npt.NDArray[np.float64]


def percentile_ranks(values: npt.NDArray[np.floating]) -> Floats:
    """float64 [n] in [0, 1]: each value's place among all, equal ones sharing the middle of theirs; 0.5 alone."""
    low, high = _places(values)
    return (low + high) / 2


def level(values: npt.NDArray[np.floating], at: int) -> Level:
    """The value at `at` of float [n] and its percentile rank."""
    return Level(float(values[at]), float(percentile_ranks(values)[at]))


def in_place(scores: npt.NDArray[np.floating], gold: npt.NDArray[np.floating]) -> Floats:
    """How near each score float [n] stands, by percentile rank, to where its gold score float [n] puts it.

    float64 [n]: 1 less the distance from the score's rank to the ranks that units of its gold score share. Within
    those any order is as good as any other: of pairs that are alike or not, each is right on its own side.
    """
    low, high = _places(gold)
    rank = percentile_ranks(scores)
    near: Floats = 1.0 - np.maximum(np.maximum(low - rank, rank - high), 0.0)
    return near


def among_their_own(clusters: npt.NDArray[np.integer], codes: npt.NDArray[np.int64]) -> Floats:
    """float64 [n]: the share of the columns of `clusters` int [n, seeds] in which no label is more frequent in a
    unit's cluster than its own, `codes` int64 [n]."""
    right = np.zeros(len(codes))
    for seed in range(clusters.shape[1]):
        counts = label_counts(clusters[:, seed], codes)
        of_unit = counts[clusters[:, seed]]
        right += of_unit[np.arange(len(codes)), codes] == of_unit.max(axis=1)
    share: Floats = right / clusters.shape[1]
    return share


def label_counts(clusters: npt.NDArray[np.integer], codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 [clusters, labels]: how many units of each label each cluster holds."""
    shape = int(clusters.max()) + 1, int(codes.max()) + 1
    return np.bincount(clusters.astype(np.int64) * shape[1] + codes, minlength=shape[0] * shape[1]).reshape(shape)


def _places(values: npt.NDArray[np.floating]) -> tuple[Floats, Floats]:
    """The lowest and highest percentile rank, float64 [n] each, that each value and its equals take together."""
    ordered = np.sort(values)
    last = len(values) - 1
    if last < 1:
        return np.full(len(values), 0.5), np.full(len(values), 0.5)
    low = np.searchsorted(ordered, values, "left") / last
    high = (np.searchsorted(ordered, values, "right") - 1) / last
    return low, high
