"""Candidates: points of the search space as data. A candidate is a small immutable tree, never a live model."""

from dataclasses import dataclass, replace
from typing import Literal

Role = Literal["query", "document", "text"]
"""What a text is to the model: `text` is for symmetric tasks (similarity, classification, clustering)."""

ROLES: tuple[Role, ...] = ("query", "document", "text")


@dataclass(frozen=True, slots=True)
class Model:
    """text -> vectors, as data: a model at one weight precision on one runtime, with its prompts.

    `prompts` holds only those given in the candidate; a model folder's own prompts are added when it is resolved.
    """

    name: str
    precision: str = "float32"
    runtime: str = "torch"
    prompts: tuple[tuple[Role, str], ...] = ()

    @property
    def is_shape(self) -> bool:
        """Random weights of a given architecture: it has a cost and no quality."""
        return self.name.startswith("shape:")

    @property
    def is_remote(self) -> bool:
        """An endpoint of the user's configuration: texts leave the machine."""
        return self.name.startswith("remote:")


@dataclass(frozen=True, slots=True)
class Step:
    """One transform in a candidate: `int8`, or `pca=128` with its value."""

    name: str
    value: int | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Embed:
    """Encode with `model`, transform by `steps` in order, and score the first `rescore` again with float vectors."""

    model: Model
    steps: tuple[Step, ...] = ()
    rescore: int = 0

    def __str__(self) -> str:
        from sizewise.core.grammar import write

        return write(self)

    @property
    def plain(self) -> "Embed":
        """The same encoder without transforms: the vectors that this candidate is derived from."""
        return replace(self, steps=(), rescore=0)


@dataclass(frozen=True, slots=True)
class Lexical:
    """Term matching without vectors. `bm25` is the baseline that every study carries."""

    method: str = "bm25"

    def __str__(self) -> str:
        return self.method


Candidate = Embed | Lexical


def is_shape(candidate: Candidate) -> bool:
    """Whether the candidate has random weights, and so a cost but no quality."""
    return isinstance(candidate, Embed) and candidate.model.is_shape
