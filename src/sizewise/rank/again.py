"""A ranking whose first documents are ranked again by other scores."""

import numpy as np
import numpy.typing as npt

from sizewise.index.exact import Ids, Scores

AGREEING = 10
Bools = npt.NDArray[np.bool_]


def reranked(ids: Ids, scores: Scores, others: Scores, depth: int, which: Bools | None = None) -> tuple[Ids, Scores]:
    """The rankings `ids` int32 [q, k] (-1: no more) with their first `depth` ordered by `others` float32 [q, k]; ties
    keep their order, and what follows stays where it is. Only the queries of `which` [q], where it is given.

    Scores of the first `depth` are then `others`; those that follow are `scores`, moved so that they go on from there.
    """
    depth = min(depth, ids.shape[1])
    if not depth:
        return ids, scores
    head = np.where(ids[:, :depth] >= 0, others[:, :depth], -np.inf)
    order = np.argsort(-head, axis=1, kind="stable")
    again = np.concatenate([np.take_along_axis(ids[:, :depth], order, axis=1), ids[:, depth:]], axis=1)
    head = np.take_along_axis(head, order, axis=1)
    with np.errstate(invalid="ignore"):  # where less was found than ranked again, nothing follows: inf - inf
        tail = scores[:, depth:] - scores[:, depth - 1 : depth] + head[:, -1:]
    tail = np.where(ids[:, depth:] >= 0, tail, -np.inf)
    found = np.concatenate([head, tail], axis=1).astype(np.float32)
    if which is None:
        return again, found
    return np.where(which[:, None], again, ids), np.where(which[:, None], found, scores).astype(np.float32)


def margins(ids: Ids, scores: Scores) -> npt.NDArray[np.float32]:
    """How far the second score is below the first, float32 [q]; infinite where fewer than two were found."""
    if ids.shape[1] < 2:
        return np.full(len(ids), np.inf, np.float32)
    found = np.full(len(ids), np.inf, np.float32)
    two = ids[:, 1] >= 0
    found[two] = scores[two, 0] - scores[two, 1]
    return found


def agreements(first: Ids, second: Ids) -> npt.NDArray[np.float32]:
    """The share of the first AGREEING that two rankings int32 [q, k] (-1: no more) have in common, float32 [q]."""
    ours, theirs = first[:, :AGREEING], second[:, :AGREEING]
    common = ((ours[:, :, None] == theirs[:, None, :]).any(axis=2) & (ours >= 0)).sum(axis=1)
    most = np.maximum((ours >= 0).sum(axis=1), (theirs >= 0).sum(axis=1))
    share: npt.NDArray[np.float32] = (common / np.maximum(most, 1)).astype(np.float32)
    return share
