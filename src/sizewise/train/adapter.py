"""A linear adapter of query vectors: the cheap baseline that fine-tuning on pairs must beat. Closed form, seconds."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)
"""Ridge penalties that are tried."""
HELD = 5
"""One pair in so many chooses among them."""
MOST_JUDGED = 2000


@dataclass(frozen=True)
class Adapter:
    """q -> q + q A. With A = 0, which a large penalty comes near, nothing changes."""

    matrix: Vectors
    """float32 [d, d]."""
    strength: float

    @classmethod
    def fit(cls, queries: Vectors, documents: Vectors, seed: int = 0) -> Self:
        """Ridge regression of what is missing from each query to the document that belongs to it (unit vectors
        float32 [n, d]); the penalty by the mean reciprocal rank of held-out pairs."""
        order = np.random.default_rng(seed).permutation(len(queries))
        held, kept = order[: max(1, len(order) // HELD)][:MOST_JUDGED], order[max(1, len(order) // HELD) :]
        scores = []
        for strength in STRENGTHS:
            adapter = cls(_ridge(queries[kept], documents[kept], strength), strength)
            scores.append(reciprocal_rank(adapter.apply(queries[held]), documents[held]))
        best = STRENGTHS[len(STRENGTHS) - 1 - int(np.argmax(scores[::-1]))]  # of equals the one that changes least
        return cls(_ridge(queries, documents, best), best)

    def apply(self, queries: Vectors) -> Vectors:
        """Unit vectors [n, d]."""
        found = queries + queries @ self.matrix
        unit: Vectors = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-12))
        return unit


def reciprocal_rank(queries: Vectors, documents: Vectors) -> float:
    """Mean over the rows of 1 / the rank of a query's own document among all rows."""
    cosines = queries @ documents.T
    ranks = (cosines >= np.diag(cosines)[:, None]).sum(axis=1)
    return float((1.0 / ranks).mean())


def _ridge(queries: Vectors, documents: Vectors, strength: float) -> Vectors:
    q = queries.astype(np.float64)
    gram = q.T @ q + strength * np.eye(q.shape[1])
    solved: Vectors = np.linalg.solve(gram, q.T @ (documents - queries)).astype(np.float32)
    return solved
