"""A linear adapter of query vectors: the cheap baseline that fine-tuning on pairs must beat. Closed form, seconds."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from sizewise.transform.chain import unit

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
        float32 [n, d]). The penalty is the largest whose held-out pairs have a mean reciprocal rank within one standard
        error of the best: what changes more must find more."""
        order = np.random.default_rng(seed).permutation(len(queries))
        held, kept = order[: max(1, len(order) // HELD)][:MOST_JUDGED], order[max(1, len(order) // HELD) :]
        found = {}
        for strength in STRENGTHS:
            adapter = cls(_ridge(queries[kept], documents[kept], strength), strength)
            found[strength] = reciprocal_ranks(adapter.apply(queries[held]), documents[held])
        best = max(found.values(), key=lambda ranks: float(ranks.mean()))
        enough = best.mean() - best.std() / np.sqrt(len(best))
        chosen = max(strength for strength, ranks in found.items() if ranks.mean() >= enough)
        return cls(_ridge(queries, documents, chosen), chosen)

    def apply(self, queries: Vectors) -> Vectors:
        """Unit vectors [n, d]."""
        return unit(queries + queries @ self.matrix)


def reciprocal_ranks(queries: Vectors, documents: Vectors) -> npt.NDArray[np.float64]:
    """float64 [n]: 1 / the rank of each query's own document, the one in its row, among all."""
    cosines = queries @ documents.T
    ranks: npt.NDArray[np.float64] = 1.0 / (cosines >= np.diag(cosines)[:, None]).sum(axis=1)
    return ranks


def _ridge(queries: Vectors, documents: Vectors, strength: float) -> Vectors:
    q = queries.astype(np.float64)
    gram = q.T @ q + strength * np.eye(q.shape[1])
    solved: Vectors = np.linalg.solve(gram, q.T @ (documents - queries)).astype(np.float32)
    return solved
