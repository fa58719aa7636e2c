"""Smaller numbers: int8 and binary codes. Dot products of codes rank like scores of the vectors, roughly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sizewise.transform.transform import Codes, Transform, Vectors


@dataclass(frozen=True)
class Int8(Transform):
    """Symmetric int8 with one scale for all dimensions, so that dot products of codes are dot products of vectors.

    (With a scale per dimension or an offset they would not be.)
    """

    is_quantiser = True
    scale: float
    """The absolute value that becomes 127."""

    @classmethod
    def fit(cls, vectors: Vectors, value: int | None) -> Self:
        return cls(float(np.abs(vectors).max(initial=0.0)) or 1.0)

    def apply(self, vectors: Vectors) -> Codes:
        codes: Codes = np.clip(np.rint(vectors * (127.0 / self.scale)), -127, 127).astype(np.int8)
        return codes

    def dimensions(self, incoming: int) -> int:
        return incoming

    def bytes_per_vector(self, dimensions: int) -> float:
        return float(dimensions)

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        return {"scale": np.array([self.scale], dtype=np.float32)}

    @classmethod
    def from_parameters(cls, value: int | None, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        return cls(float(arrays["scale"][0]))


@dataclass(frozen=True)
class Binary(Transform):
    """The sign of each dimension after centring; the dot product of the signs is d - 2 x Hamming distance.

    Signs are -1 and +1 in int8 in memory; the bytes counted are those of packed bits.
    """

    is_quantiser = True
    mean: Vectors
    """float32 [d], subtracted first: without it, dimensions far from zero would carry no information."""

    @classmethod
    def fit(cls, vectors: Vectors, value: int | None) -> Self:
        return cls(vectors.mean(axis=0, dtype=np.float64).astype(np.float32))

    def apply(self, vectors: Vectors) -> Codes:
        return np.where(vectors >= self.mean, 1, -1).astype(np.int8)

    def dimensions(self, incoming: int) -> int:
        return incoming

    def bytes_per_vector(self, dimensions: int) -> float:
        return float(-(-dimensions // 8))

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": self.mean}


@dataclass(frozen=True)
class BinaryAsymmetric(Binary):
    """Binary documents, float queries (centred too): as small as `binary`, and the query loses nothing.

    The asymmetric distance of Gordo et al. 2014.
    """

    def apply_queries(self, vectors: Vectors) -> Vectors:
        return vectors - self.mean
