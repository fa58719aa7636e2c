"""Several rankings made one, by ranks or by scores."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sizewise.index.exact import Ids, Scores, padded

Floats = npt.NDArray[np.float64]

LAST = np.iinfo(np.int64).max
FEW = 8
"""A sort of all takes less than one of what reaches the last that is wanted, unless that is one of so many."""
RANK_CONSTANT = 60
"""Of reciprocal rank fusion: the one of its authors."""


def by_ranks(rankings: Sequence[Ids], depth: int, tie_rank: npt.NDArray[np.int64] | None = None) -> tuple[Ids, Scores]:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009): a document's score is the sum of 1 / (60 + its
    rank) over the rankings int32 [q, k] (-1: no more) that found it.

    Returns ids int32 and scores float32 [q, depth]; ties go by `tie_rank` as in `exact.search`.
    """
    shares = [
        np.broadcast_to(1.0 / (RANK_CONSTANT + 1 + np.arange(ids.shape[1], dtype=np.float64)), ids.shape)
        for ids in rankings
    ]
    pool = Pool(rankings, tie_rank)
    return pool.best(np.sum([pool.of(at, share) for at, share in enumerate(shares)], axis=0), depth)


def by_scores(
    rankings: Sequence[tuple[Ids, Scores]],
    weights: Sequence[float],
    depth: int,
    tie_rank: npt.NDArray[np.int64] | None = None,
) -> tuple[Ids, Scores]:
    """A convex combination of scores, each brought to 0 (the last that was found) to 1 (the first) for each query, and
    0 for what was not found: Bruch, Gai and Ingber, "An analysis of fusion functions for hybrid retrieval", 2023."""
    return next(by_each(rankings, [weights], depth, tie_rank))


def by_each(
    rankings: Sequence[tuple[Ids, Scores]],
    weights: Sequence[Sequence[float]],
    depth: int,
    tie_rank: npt.NDArray[np.int64] | None = None,
) -> Iterator[tuple[Ids, Scores]]:
    """`by_scores` with each of several weights: what they have in common is worked out once."""
    pool = Pool([ids for ids, _ in rankings], tie_rank)
    parts = [pool.of(at, _to_one(*ranking)) for at, ranking in enumerate(rankings)]
    for each in weights:
        yield pool.best(np.sum([weight * part for weight, part in zip(each, parts, strict=True)], axis=0), depth)


class Pool:
    """All that several rankings int32 [q, k] (-1: no more) found for each query, a place for each document, in the
    order of ties."""

    def __init__(self, rankings: Sequence[Ids], tie_rank: npt.NDArray[np.int64] | None) -> None:
        ids = np.concatenate(rankings, axis=1)
        ties = ids if tie_rank is None else tie_rank[ids]
        self._order = np.argsort(np.where(ids < 0, LAST, ties), axis=1, kind="stable")  # the same document together
        self._ids = np.take_along_axis(ids, self._order, axis=1)
        self._first = np.ones_like(self._ids, bool)
        self._first[:, 1:] = self._ids[:, 1:] != self._ids[:, :-1]
        self._starts = np.flatnonzero(self._first)
        self._nothing = ~self._first | (self._ids < 0)
        self._columns = np.cumsum([0, *(one.shape[1] for one in rankings)])

    def of(self, at: int, shares: Floats) -> Floats:
        """What the ranking at position `at` gives, by its `shares` float64 [q, k], at the pool's places [q, width]."""
        whole = np.zeros(self._ids.shape)
        whole[:, self._columns[at] : self._columns[at + 1]] = shares
        placed = np.zeros(self._ids.shape)
        if len(self._starts):
            placed[self._first] = np.add.reduceat(np.take_along_axis(whole, self._order, axis=1).ravel(), self._starts)
        return placed

    def best(self, sums: Floats, depth: int) -> tuple[Ids, Scores]:
        """The documents with the largest `sums` float64 [q, width], for each query."""
        width = sums.shape[1]
        falling = np.where(self._nothing, np.inf, -sums)
        kept = min(depth, width)
        if FEW * kept < width:
            few = self._reaching(falling, kept)
        else:
            few = np.argsort(falling, axis=1, kind="stable")[:, :kept]
        value = -np.take_along_axis(falling, few, axis=1)
        ids = np.where(np.isfinite(value), np.take_along_axis(self._ids, few, axis=1), -1)
        found = padded(ids, -1, depth), padded(value, -np.inf, depth)
        return found[0].astype(self._ids.dtype), found[1].astype(np.float32)

    def _reaching(self, falling: Floats, kept: int) -> npt.NDArray[np.int64]:
        """The first `kept` columns of each row by value, ties by position, sorting only what reaches so far."""
        last = np.partition(falling, kept - 1, axis=1)[:, kept - 1, None]
        row, column = np.nonzero(falling <= last)
        order = np.lexsort((falling[row, column], row))  # stable: equal values stay in the order of columns
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        return column[order][rank < kept].reshape(len(falling), kept)


def _to_one(ids: Ids, scores: Scores) -> Floats:
    found = ids >= 0
    high = np.where(found, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    low = np.where(found, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    width = np.where(high > low, high - low, 1.0)
    alone = np.where(high > low, 0.0, 1.0)  # where all scores are equal, all are the best
    return np.where(found, (scores - low) / width + alone, 0.0).astype(np.float64)
