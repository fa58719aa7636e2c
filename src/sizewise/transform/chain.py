"""A candidate's transforms, fitted, in order: the one implementation that studies derive with and pipelines run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from sizewise.core.candidate import Step
from sizewise.core.errors import InputError
from sizewise.core.registry import TRANSFORMS
from sizewise.transform.transform import Codes, Transform, Vectors

Known = dict[tuple[Step, ...], Transform]
"""Fitted transforms by the steps that lead to them."""


def unit(vectors: Codes) -> Vectors:
    """Rows scaled to length one, float32; zero rows stay zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    scaled: Vectors = vectors / np.maximum(lengths, 1e-12)[:, None]
    return scaled


def needs_fit(steps: Sequence[Step]) -> bool:
    """Whether any of the steps must see vectors to be fitted."""
    return any(TRANSFORMS.get(step.name).needs_fit for step in steps)


def check_steps(steps: Sequence[Step], dimensions: int) -> None:
    """Raises InputError for an unknown transform, a bad value or a transform behind a quantiser."""
    quantiser = None
    for step in steps:
        kind = TRANSFORMS.get(step.name)
        if quantiser is not None:
            raise InputError(f"{step} cannot follow {quantiser}; put int8 and binary last, before rescore")
        try:
            dimensions = kind.check(step.value, dimensions)
        except InputError as error:
            raise InputError(f"{step} {error}") from None
        quantiser = step if kind.is_quantiser else None


@dataclass(frozen=True)
class Chain:
    """Fitted transforms. With `cosine`, vectors are scaled to length one before and after every float transform."""

    transforms: tuple[Transform, ...]
    cosine: bool
    incoming: int
    """Dimensions of the encoder's vectors."""

    @classmethod
    def fit(cls, steps: Sequence[Step], vectors: Vectors, *, cosine: bool, known: Known | None = None) -> Self:
        """Fit each step on what the steps before it make of `vectors` float32 [n, d] (n may be 0 if none needs fit).

        `known` holds what was fitted on the same vectors before, by the steps up to it, and takes in what is new.
        Raises InputError as `check_steps`, and when there is nothing or too little to fit on.
        """
        check_steps(steps, vectors.shape[1])
        fitted: list[Transform] = []
        known = {} if known is None else known
        current = unit(vectors) if cosine else vectors
        for at, step in enumerate(steps):
            kind = TRANSFORMS.get(step.name)
            if kind.needs_fit and not len(current):
                raise InputError(f"{step} needs text to be fitted on; give corpus or training text")
            upto = tuple(steps[: at + 1])
            if upto not in known:
                known[upto] = kind.fit(current, step.value)
            transform = known[upto]
            fitted.append(transform)
            if not transform.is_quantiser:
                current = transform.apply(current)
                current = unit(current) if cosine else current
        return cls(tuple(fitted), cosine, int(vectors.shape[1]))

    def documents(self, vectors: Vectors) -> Codes:
        """float32 [n, d] -> codes [n, d'] of documents."""
        return self._run(vectors, queries=False)

    def queries(self, vectors: Vectors) -> Codes:
        """float32 [n, d] -> codes [n, d'] of queries."""
        return self._run(vectors, queries=True)

    @property
    def dimensions(self) -> int:
        """Dimensions of the codes."""
        result = self.incoming
        for transform in self.transforms:
            result = transform.dimensions(result)
        return result

    @property
    def bytes_per_vector(self) -> float:
        """Bytes of one stored document vector, without the float vectors that rescoring keeps beside it."""
        return self.transforms[-1].bytes_per_vector(self.dimensions) if self.transforms else 4.0 * self.dimensions

    def _run(self, vectors: Vectors, *, queries: bool) -> Codes:
        current: Codes = unit(vectors) if self.cosine else vectors
        for transform in self.transforms:
            current = transform.apply_queries(current) if queries else transform.apply(current)
            if self.cosine and not transform.is_quantiser:
                current = unit(current)
        return current
