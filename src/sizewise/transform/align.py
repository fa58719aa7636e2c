"""Alignment: vectors of one encoder brought into the space of another, so that the two can be compared."""

from dataclasses import dataclass

import numpy as np

from sizewise.transform.chain import unit
from sizewise.transform.transform import Vectors

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Ridge penalties that are tried."""
HELD = 5
"""One text in so many chooses among them."""
FEWEST = 10


@dataclass(frozen=True)
class Alignment:
    """x -> x A + b, scaled to length one."""

    matrix: Vectors
    """float32 [d, d']."""
    offset: Vectors
    """float32 [d']."""

    @staticmethod
    def fit(source: Vectors, target: Vectors, seed: int = 0) -> "Alignment":
        """Ridge regression (Hoerl and Kennard, 1970) of `target` float32 [n, d'] on `source` [n, d], unit vectors of
        the same texts; of its penalties the one whose held-out texts come nearest. Raises ValueError for fewer than
        FEWEST texts."""
        if len(source) < FEWEST:
            raise ValueError(f"{len(source)} texts are too few to align two encoders on; {FEWEST} are needed")
        order = np.random.default_rng(seed).permutation(len(source))
        held, kept = order[: len(order) // HELD], order[len(order) // HELD :]
        tried = {
            strength: (_ridge(source[kept], target[kept], strength).apply(source[held]) * target[held]).sum()
            for strength in STRENGTHS
        }
        return _ridge(source, target, max(tried, key=lambda strength: float(tried[strength])))

    def apply(self, vectors: Vectors) -> Vectors:
        """Unit vectors float32 [n, d'] of `vectors` float32 [n, d]."""
        return unit(unit(vectors) @ self.matrix + self.offset)


def _ridge(source: Vectors, target: Vectors, strength: float) -> Alignment:
    x, y = source.astype(np.float64), target.astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    matrix = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)
    return Alignment(matrix.astype(np.float32), (y_mean - x_mean @ matrix).astype(np.float32))
