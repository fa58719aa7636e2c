"""Scores of pairs of a query and a document, each worked out once: many rankings ask for the same ones."""

import threading

import numpy as np
import numpy.typing as npt

from sizewise.core.rows import Matrix, Rows
from sizewise.index.exact import Ids, Scores, products, scores_at

MOST_PAIRS = 2**26
"""A quarter of a gigabyte. Of more queries and documents every pair is worked out whenever it is asked for."""


class Pairs:
    """The dot products of `queries` [q, d] and `documents`."""

    def __init__(self, queries: Matrix, documents: Rows) -> None:
        self._queries, self._documents = queries, documents
        self._lock = threading.Lock()
        self._known: Scores | None = None
        if len(queries) * len(documents) <= MOST_PAIRS:
            self._known = np.full((len(queries), len(documents)), np.nan, np.float32)

    def at(self, ids: Ids, rows: npt.NDArray[np.int64]) -> Scores:
        """Of the documents `ids` int32 [q, k] for the queries at `rows` int64 [q], float32 [q, k]; -inf for -1: as
        `exact.scores_at`, to the last bit."""
        if self._known is None:
            return scores_at(ids, self._queries[rows], self._documents)
        with self._lock:
            found = self._known[rows[:, None], np.maximum(ids, 0)]
            found[ids < 0] = -np.inf
            at, column = np.nonzero(np.isnan(found))
            row, place = rows[at], ids[at, column].astype(np.int64)
            found[at, column] = self._known[row, place] = products(row, place, self._queries, self._documents)
            return found
