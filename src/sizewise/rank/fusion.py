"""Several rankings made one, by ranks or by scores."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sizewise.index.exact import Ids, Scores

Floats = npt.NDArray[np.float64]

RANK_CONSTANT = 60
"""Of reciprocal rank fusion: the one of its authors."""


def by_ranks(
    rankings: Sequence[Ids], depth: int, documents: int, tie_rank: npt.NDArray[np.int64] | None = None
) -> tuple[Ids, Scores]:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009): a document's score is the sum of 1 / (60 + its
    rank) over the rankings int32 [q, k] (-1: no more) that found it.

    Returns ids int32 and scores float32 [q, depth]; ties go by `tie_rank` as in `exact.search`.
    """
    shares = [
        np.broadcast_to(1.0 / (RANK_CONSTANT + 1 + np.arange(ids.shape[1], dtype=np.float64)), ids.shape)
        for ids in rankings
    ]
    return _summed(rankings, shares, depth, documents, tie_rank)


def by_scores(
    rankings: Sequence[tuple[Ids, Scores]],
    weights: Sequence[float],
    depth: int,
    documents: int,
    tie_rank: npt.NDArray[np.int64] | None = None,
) -> tuple[Ids, Scores]:
    """A convex combination of scores, each brought to 0 (the last that was found) to 1 (the first) for each query, and
    0 for what was not found: Bruch, Gai and Ingber, "An analysis of fusion functions for hybrid retrieval", 2023."""
    ids = [found for found, _ in rankings]
    shares = [weight * _to_one(*ranking) for weight, ranking in zip(weights, rankings, strict=True)]
    return _summed(ids, shares, depth, documents, tie_rank)


def _to_one(ids: Ids, scores: Scores) -> Floats:
    found = ids >= 0
    high = np.where(found, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    low = np.where(found, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    width = np.where(high > low, high - low, 1.0)
    alone = np.where(high > low, 0.0, 1.0)  # where all scores are equal, all are the best
    return np.where(found, (scores - low) / width + alone, 0.0).astype(np.float64)


def _summed(
    rankings: Sequence[Ids],
    shares: Sequence[Floats],
    depth: int,
    documents: int,
    tie_rank: npt.NDArray[np.int64] | None,
) -> tuple[Ids, Scores]:
    """The documents with the largest sums of shares, for each query."""
    ids, share = np.concatenate(rankings, axis=1), np.concatenate(shares, axis=1)
    queries, width = ids.shape
    row = np.repeat(np.arange(queries, dtype=np.int64), width)[ids.ravel() >= 0]
    place = ids.ravel()[ids.ravel() >= 0].astype(np.int64)
    keys, which = np.unique(row * documents + place, return_inverse=True)
    sums = np.bincount(which, share.ravel()[ids.ravel() >= 0], len(keys))
    row, place = keys // documents, keys % documents
    order = np.lexsort((place if tie_rank is None else tie_rank[place], -sums, row))
    row, place, sums = row[order], place[order], sums[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < depth
    found = np.full((queries, depth), -1, np.int32)
    scores = np.full((queries, depth), -np.inf, np.float32)
    found[row[kept], rank[kept]], scores[row[kept], rank[kept]] = place[kept], sums[kept]
    return found, scores
