"""Fewer dimensions: truncation and principal components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.transform.transform import Transform, Vectors


class Projection(Transform):
    """A transform whose value is the number of dimensions to keep."""

    @classmethod
    def check(cls, value: int | None, dimensions: int) -> int:
        if value is None:
            raise InputError("needs the number of dimensions to keep, as in truncate=128")
        if not 1 <= value <= dimensions:
            raise InputError(f"keeps {value} dimensions, and the vectors have {dimensions}; keep 1 to {dimensions}")
        return value


@dataclass(frozen=True)
class Truncate(Projection):
    """Keep the first dimensions (what Matryoshka-trained models are made for; Kusupati et al. 2022)."""

    needs_fit = False
    kept: int

    @classmethod
    def fit(cls, vectors: Vectors, value: int | None) -> Self:
        return cls(value or vectors.shape[1])

    def apply(self, vectors: Vectors) -> Vectors:
        return vectors[:, : self.kept]

    def dimensions(self, incoming: int) -> int:
        return self.kept

    @classmethod
    def from_parameters(cls, value: int | None, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        if value is None:
            raise InputError("needs the number of dimensions to keep, as in truncate=128")
        return cls(value)

    def linear(self, incoming: int) -> tuple[Vectors, Vectors | None]:
        return np.eye(incoming, self.kept, dtype=np.float32), None


@dataclass(frozen=True)
class PCA(Projection):
    """Project on the directions of largest variance around the mean (Pearson 1901; Jolliffe 2002).

    The mean is only used to find the directions, and is not subtracted from vectors: subtracting it would change
    cosines even where no dimension is dropped.
    """

    axes: Vectors
    """float32 [d, kept], orthonormal columns (scaled by 1/standard deviation when whitening)."""

    @classmethod
    def fewest(cls, value: int | None) -> int:
        return (value or 0) + 1

    @classmethod
    def fit(cls, vectors: Vectors, value: int | None) -> Self:
        _, axes = principal_axes(vectors, value or vectors.shape[1])
        return cls(np.ascontiguousarray(axes, dtype=np.float32))  # read back from a file, they multiply to the same bit

    def apply(self, vectors: Vectors) -> Vectors:
        return vectors @ self.axes

    def dimensions(self, incoming: int) -> int:
        return int(self.axes.shape[1])

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        return {"axes": self.axes}

    def linear(self, incoming: int) -> tuple[Vectors, Vectors | None]:
        return self.axes, None


@dataclass(frozen=True)
class Whiten(PCA):
    """Centre, project on principal components and scale each to unit variance (Su et al. 2021, BERT-whitening)."""

    mean: Vectors
    """float32 [d]."""

    @classmethod
    def fit(cls, vectors: Vectors, value: int | None) -> Self:
        variances, axes = principal_axes(vectors, value or vectors.shape[1])
        least = max(0.0, 1e-12 * variances[0]) or 1.0
        scale = 1.0 / np.sqrt(np.maximum(variances, least))
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(np.ascontiguousarray(axes * scale, dtype=np.float32), mean)

    def apply(self, vectors: Vectors) -> Vectors:
        centred: Vectors = vectors - self.mean
        return centred @ self.axes

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        return {"axes": self.axes, "mean": self.mean}

    def linear(self, incoming: int) -> tuple[Vectors, Vectors | None]:
        added = -(self.mean.astype(np.float64) @ self.axes.astype(np.float64))
        return self.axes, added.astype(np.float32)


def principal_axes(vectors: Vectors, kept: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Variances [kept] and orthonormal axes [d, kept] of `vectors`, largest variance first.

    The sign of each axis is fixed (largest entry positive), so that the same data give the same axes everywhere.
    Raises InputError when there are fewer vectors than dimensions to keep.
    """
    if len(vectors) <= kept:
        raise InputError(
            f"keeping {kept} principal components needs more than {kept} texts to fit on, "
            f"and there are {len(vectors)}; keep fewer or add corpus or training text"
        )
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred / (len(vectors) - 1))
    axes = axes[:, ::-1][:, :kept]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(kept)]
    return variances[::-1][:kept], axes * np.where(largest < 0, -1.0, 1.0)
