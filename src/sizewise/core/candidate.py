"""Candidates: points of the search space as data. A candidate is a small immutable tree, never a live model."""

from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class Cross:
    """A cross-encoder: reads a query and a document together. It only scores what something else has found."""

    model: Model
    """Without its scheme."""

    def __str__(self) -> str:
        from sizewise.core.grammar import write

        return write(self)

    @property
    def scorer(self) -> Model:
        """As the encoder of pairs that it is."""
        return replace(self.model, name=f"cross:{self.model.name}")


@dataclass(frozen=True, slots=True)
class Fuse:
    """Rankings of several candidates made one: by reciprocal ranks, or by scores of which the first one's have
    `weight` (0 to 1) and the other's the rest; "tuned": the weight that is best on queries kept for it."""

    parts: tuple["Candidate", ...]
    weight: float | Literal["tuned"] | None = None

    def __str__(self) -> str:
        from sizewise.core.grammar import write

        return write(self)


Signal = Literal["margin", "agreement"]
"""What is known of a query once it was ranked: how far the second score is below the first; which share of the first
ten two fused rankings have in common."""


@dataclass(frozen=True, slots=True)
class When:
    """Queries that are worth more: those whose `signal` is `below` a threshold. Where that is None, it is found on
    queries kept for it: the lowest that loses at most `risk` points (x100) against taking them all."""

    signal: Signal
    below: float | None = None
    risk: float | None = None


@dataclass(frozen=True, slots=True)
class Rerank:
    """The first `depth` that `first` finds, ranked again by `second`; what follows stays as it is."""

    first: "Candidate"
    second: Embed | Cross
    depth: int
    when: When | None = None
    """None: always."""
    fresh: bool = False
    """Documents are encoded by `second` when they are found, instead of being stored beforehand."""

    def __str__(self) -> str:
        from sizewise.core.grammar import write

        return write(self)


@dataclass(frozen=True, slots=True)
class Asym:
    """Queries by one encoder, aligned to the space of another one, which encodes the documents."""

    queries: Embed
    documents: Embed

    def __str__(self) -> str:
        from sizewise.core.grammar import write

        return write(self)


Candidate = Embed | Lexical | Fuse | Rerank | Asym
Part = Candidate | Cross
"""What hybrids are made of."""


def stages(candidate: Part) -> "tuple[Part, ...]":
    """What a hybrid is put together from, in order; nothing for others."""
    match candidate:
        case Fuse(parts):
            return parts
        case Rerank(first, second):
            return first, second
        case Asym(queries, documents):
            return queries, documents
        case _:
            return ()


def leaves(candidate: Part) -> "Iterator[Embed | Lexical | Cross]":
    """What it is put together from in the end, each as often as it comes; of what is no hybrid, itself."""
    if isinstance(candidate, Embed | Lexical | Cross):
        yield candidate
    for part in stages(candidate):
        yield from leaves(part)


def model_of(part: Embed | Cross) -> Model:
    """The model that is resolved to an encoder."""
    return part.scorer if isinstance(part, Cross) else part.model


def encoders(candidate: Part) -> list[Embed]:
    """The plain encoders that it needs, each once."""
    return list(dict.fromkeys(one.plain for one in leaves(candidate) if isinstance(one, Embed)))


def is_hybrid(candidate: Part) -> bool:
    """Whether several rankings or encoders have a part in it."""
    return isinstance(candidate, Fuse | Rerank | Asym)


def awaits_tuning(candidate: Part) -> bool:
    """Whether the weight or the threshold of its last stage must be found first, on queries of a task."""
    match candidate:
        case Fuse(weight="tuned") | Rerank(when=When(below=None)):
            return True
        case _:
            return False


def is_tuned(candidate: Part) -> bool:
    """Whether a weight or a threshold somewhere in it must be found first."""
    return awaits_tuning(candidate) or any(is_tuned(part) for part in stages(candidate))


def reranks(candidate: Part) -> Iterator[Rerank]:
    """Every stage of it that ranks again, the first one first."""
    for part in stages(candidate):
        yield from reranks(part)
    if isinstance(candidate, Rerank):
        yield candidate


def is_shape(candidate: Candidate) -> bool:
    """Whether something in the candidate has random weights, and so a cost but no quality."""
    return any(isinstance(one, Embed | Cross) and one.model.is_shape for one in leaves(candidate))
