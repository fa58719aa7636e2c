"""Exact search: the k largest dot products, in blocks, with ties broken as trec_eval breaks them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from sizewise.core.errors import RunError
from sizewise.core.rows import Matrix, Rows, blocks, gather

Ids = npt.NDArray[np.signedinteger[Any]]
"""Documents, -1 for none: int32 where they are positions, int64 where an engine has numbers of its own for them."""
Scores = npt.NDArray[np.float32]

SCORE_CELLS = 8 * 2**20
"""Scores in memory at a time."""
PAIR_CELLS = 2**18
"""Numbers of the vectors of pairs in memory at a time: few enough to stay in a processor's cache."""
SMALL = 2**18
"""Scores that one thread is done with before a second would be awake."""
GROUPS = 4
"""Groups of columns for each score that is wanted, at least: fewer would let many more of the scores pass."""
NOTHING = np.iinfo(np.int64).min
"""Sorts behind every score: no document."""
UINT32 = np.int64(0xFFFFFFFF)
SPARSE = 4
"""Where fewer than one document in so many may be found, only these are multiplied."""


def search(
    queries: Matrix,
    documents: Rows,
    depth: int,
    tie_rank: npt.NDArray[np.int64] | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
) -> tuple[Ids, Scores]:
    """The `depth` documents with the largest dot product for each query.

    queries: float32 or int8 [q, d]; documents: rows of the same width. Ties go to the document with the smaller
    `tie_rank` int64 [n], a permutation of 0 to n - 1 (default: its position). With `mask` bool [n], only documents
    where it is true. Returns positions int32 [q, depth] (-1 where there are no more documents) and scores float32
    [q, depth], best first. Memory does not grow with the number of documents.

    Integer codes are multiplied as float32, which is exact up to 2^24 (1,040 dimensions of int8).
    """
    count = len(documents)
    ranks = np.arange(count) if tie_rank is None else tie_rank
    kept = min(depth, count if mask is None else int(np.count_nonzero(mask)))
    best = np.full((len(queries), kept), NOTHING)
    queries = np.asarray(queries, dtype=np.float32)
    with small_product() if len(queries) * count < SMALL else nullcontext():
        for start, stop in blocks(documents):
            block, meant = documents.block(start, stop), None if mask is None else np.flatnonzero(mask[start:stop])
            of_block = ranks[start:stop] if meant is None else ranks[start:stop][meant]
            if meant is not None and SPARSE * len(meant) < stop - start:
                block, meant = block[meant], None
            block = np.asarray(block, dtype=np.float32).T
            queries_at_once = max(1, SCORE_CELLS // (stop - start))
            for first in range(0, len(queries), queries_at_once):
                some = slice(first, first + queries_at_once)
                scores = queries[some] @ block
                keys = top_keys(scores if meant is None else scores[:, meant], of_block, kept)
                best[some] = largest(np.concatenate([best[some], keys], axis=1), kept) if start else keys
    best = -np.sort(-best, axis=1)
    by_rank = np.empty(count, dtype=np.int32)
    by_rank[ranks] = np.arange(count, dtype=np.int32)
    return padded(by_rank[UINT32 - (best & UINT32)], -1, depth), padded(scores_of(best), -np.inf, depth)


class _OneThread:
    """How many are within `small_product`, and what gives the threads back when the last one leaves: the limit is the
    whole process's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.within = 0
        self.limits: Any = None


_ONE_THREAD = _OneThread()


@contextmanager
def small_product() -> Iterator[None]:
    """One BLAS thread inside the `with`: beside torch, whose threads wait busily, a second one costs far more than it
    gains on one query (p95 of 140 ms where 24 ms were the sum of the parts)."""
    with _ONE_THREAD.lock:
        if not _ONE_THREAD.within:
            _ONE_THREAD.limits = _blas().limit(limits=1)
        _ONE_THREAD.within += 1
    try:
        yield
    finally:
        with _ONE_THREAD.lock:
            _ONE_THREAD.within -= 1
            if not _ONE_THREAD.within:
                _ONE_THREAD.limits.restore_original_limits()


@cache
def _blas() -> ThreadpoolController:
    """Found once: looking for loaded libraries takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


def rescore(ids: Ids, queries: Matrix, documents: Rows, depth: int) -> tuple[Ids, Scores]:
    """The rankings `ids`, ranked again by the dot products of `queries` and `documents` (floats).

    Ties keep their order. The result [q, depth] is padded with -1 where the rankings are shorter.
    """
    scores = scores_at(ids, queries, documents)
    order = np.argsort(-scores, axis=1, kind="stable")
    ids, scores = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return padded(ids[:, :depth], -1, depth), padded(scores[:, :depth], -np.inf, depth)


def scores_at(ids: Ids, queries: Matrix, documents: Rows) -> Scores:
    """The dot products of `queries` [q, d] and the documents `ids` [q, k], float32 [q, k]; -inf for -1."""
    scores = np.full(ids.shape, -np.inf, dtype=np.float32)
    row, column = np.nonzero(ids >= 0)
    scores[row, column] = products(row, ids[row, column].astype(np.int64), queries, documents)
    return scores


def products(
    rows: npt.NDArray[np.int64], places: npt.NDArray[np.int64], queries: Matrix, documents: Rows
) -> npt.NDArray[np.float32]:
    """The dot product of query `rows` [m] and document `places` [m], float32 [m]: of each pair the same to the last
    bit, whatever pairs are asked for with it."""
    queries = np.asarray(queries, dtype=np.float32)
    found = np.empty(len(rows), np.float32)
    at_once = max(1, PAIR_CELLS // max(1, documents.dimensions))
    for start in range(0, len(rows), at_once):
        some = slice(start, start + at_once)
        wanted, where = np.unique(places[some], return_inverse=True)
        vectors = np.asarray(gather(documents, wanted), dtype=np.float32)[where]
        found[some] = np.einsum("md,md->m", queries[rows[some]], vectors)
    return found


def padded(array: Matrix, value: float, depth: int) -> Matrix:
    """`array` [q, k] with columns of `value` added up to `depth`."""
    return np.pad(array, ((0, 0), (0, max(0, depth - array.shape[1]))), constant_values=value)


def sortable(scores: Scores, ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """One int64 for each score that sorts by score, then by rank, descending.

    The upper half is the float's bits, made monotone; the lower half counts ranks down. So ties are broken without a
    second sort. scores: float32 [n] or [q, n]; ranks: int64, of a shape that broadcasts with it.
    """
    bits = np.ascontiguousarray(scores + np.float32(0.0)).view(np.int32)
    monotone = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return (monotone.astype(np.int64) << 32) | (UINT32 - ranks)


def scores_of(keys: npt.NDArray[np.int64]) -> Scores:
    """The scores that went into `sortable`."""
    monotone = (keys >> 32).astype(np.int32)
    return np.ascontiguousarray(monotone ^ ((monotone >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)


def top_keys(scores: Scores, ranks: npt.NDArray[np.int64], kept: int) -> npt.NDArray[np.int64]:
    """The `kept` largest keys of each row of `scores` [q, n], NOTHING where there are fewer; int64 [q, kept], unsorted.

    Keys are made only of scores that reach a bound that enough of the row's scores reach: most of the time would go
    into the others.
    """
    count = scores.shape[1]
    if not kept:
        return np.empty((len(scores), 0), np.int64)
    if count <= kept:
        return padded(sortable(scores, ranks), NOTHING, kept)
    reached = np.flatnonzero(scores >= _reached(scores, kept))  # in one dimension: three times as fast as in two
    rows, columns = np.divmod(reached, count)
    starts = np.searchsorted(rows, np.arange(len(scores) + 1))
    if (np.diff(starts) < kept).any():
        raise RunError("scores that are not numbers: a vector of a query or a document holds NaN; encode it again")
    keys = np.full((len(scores), np.diff(starts).max(initial=kept)), NOTHING)
    keys[rows, np.arange(len(rows)) - starts[rows]] = sortable(scores.ravel()[reached], ranks[columns])
    return largest(keys, kept)


def _reached(scores: Scores, kept: int) -> Scores:
    """[q, 1]: what at least `kept` of each row of `scores` [q, n] reach, and hardly more. It is the least of the `kept`
    largest of the maxima of groups of columns: to find it among all scores takes several times as long."""
    while (half := scores.shape[1] // 2) >= GROUPS * kept:
        left = scores[:, 2 * half :]
        scores = np.maximum(scores[:, :half], scores[:, half : 2 * half])
        scores[:, : left.shape[1]] = np.maximum(scores[:, : left.shape[1]], left)
    return np.partition(scores, scores.shape[1] - kept, axis=1)[:, scores.shape[1] - kept, None]


def largest(keys: npt.NDArray[np.int64], kept: int) -> npt.NDArray[np.int64]:
    """The `kept` largest of each row of int64 [q, n], n >= kept, unsorted."""
    return np.partition(keys, keys.shape[1] - kept, axis=1)[:, -kept:]
