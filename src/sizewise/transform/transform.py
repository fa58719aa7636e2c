"""What a transform is: vectors -> vectors, fitted on corpus or training vectors, never on test units."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError

Vectors = npt.NDArray[np.float32]
Codes = npt.NDArray[Any]
"""What is stored and scored: float32 or int8. Scores are always dot products of codes."""


class Transform(ABC):
    """One step of a candidate. Third parties register theirs in the entry point group `sizewise.transforms`."""

    needs_fit: ClassVar[bool] = True
    """Whether `fit` looks at the vectors' values; if not, a task without training text can use it too."""
    is_quantiser: ClassVar[bool] = False
    """A quantiser comes last: what it returns are codes, not vectors that another transform could take."""

    @classmethod
    def check(cls, value: int | None, dimensions: int) -> int:
        """Dimensions of the result for vectors of `dimensions`. Called before anything is encoded.

        Raises InputError when `value` (what stands behind `=` in the candidate) is missing, unexpected or out of range.
        """
        if value is not None:
            raise InputError(f"takes no value, and got {value}; leave it out")
        return dimensions

    @classmethod
    def fewest(cls, value: int | None) -> int:
        """How many texts `fit` needs at least, for this `value`."""
        return 1 if cls.needs_fit else 0

    @classmethod
    @abstractmethod
    def fit(cls, vectors: Vectors, value: int | None) -> Self:
        """Fit on float32 [n, d] vectors; `value` has passed `check`."""

    @abstractmethod
    def apply(self, vectors: Vectors) -> Codes:
        """float32 [n, d] -> float32 or int8 [n, d'], for documents and, unless overridden, for queries."""

    def apply_queries(self, vectors: Vectors) -> Codes:
        """As `apply`, for queries, where queries are treated differently."""
        return self.apply(vectors)

    @abstractmethod
    def dimensions(self, incoming: int) -> int:
        """Dimensions of the result, given those of the input."""

    def bytes_per_vector(self, dimensions: int) -> float:
        """Bytes that one stored document vector of `dimensions` (of the result) takes."""
        return 4.0 * dimensions

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        """What `fit` learned, as named arrays: what a bundle stores."""
        return {}

    @classmethod
    def from_parameters(cls, value: int | None, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The fitted transform again from its `value` and what `parameters` gave: the inverse.

        By default each array becomes the field of its name, as in a dataclass whose fields are what was learned.
        Raises InputError where that does not make one.
        """
        try:
            return cls(**arrays)
        except TypeError as error:
            raise InputError(f"{cls.__name__} is not made from its parameters alone ({error})") from None

    def linear(self, incoming: int) -> tuple[Vectors, Vectors | None] | None:
        """`apply` to vectors of `incoming` dimensions as a matrix float32 [incoming, d'] and a vector float32 [d'] that
        is added (None: zero), which other libraries can run too; None where it is no such thing."""
        return None
