"""What a live pipeline is. Nothing here knows tasks, stores or torch: this is all that serving needs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.core.errors import InputError
from sizewise.core.rows import InMemory
from sizewise.encode.encoder import Encoder
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.index.where import Within
from sizewise.transform.chain import Chain
from sizewise.transform.transform import Codes, Vectors

Index = TypeVar("Index")
Ties = npt.NDArray[np.int64] | None
"""See `exact.search`."""


class Vectored(Protocol):
    """Documents as an encoder's codes: `index.dense.DenseIndex`, or an engine that has them."""

    def search(
        self, queries: Vectors, depth: int, tie_rank: Ties = None, within: Within | None = None
    ) -> tuple[Ids, Scores]:
        """The best `depth` documents for query vectors float32 [q, d], among those that are `within`."""
        ...

    def scores(self, queries: Vectors, ids: Ids) -> Scores:
        """The scores float32 [q, k] of the documents `ids` [q, k] for query vectors float32 [q, d]; -inf for -1."""
        ...


class Worded(Protocol):
    """Documents as their words: `index.lexical.BM25`."""

    def search(
        self, queries: Sequence[str], depth: int, tie_rank: Ties = None, within: Within | None = None
    ) -> tuple[Ids, Scores]:
        """The same for texts."""
        ...


class Given:
    """Texts that a pipeline was given, and their vectors: each encoder makes them once, however many stages ask.

    Of queries also which documents they are `within`; None: all.
    """

    def __init__(self, texts: Sequence[str], within: Within | None = None) -> None:
        self.texts = texts
        self.within = within
        self._vectors: dict[tuple[int, Role, str], Vectors] = {}

    def by(self, encoder: Encoder, role: Role, prompt: str) -> Vectors:
        """float32 [n, d]."""
        key = (id(encoder), role, prompt)
        if key not in self._vectors:
            self._vectors[key] = encoder.encode(self.texts, role, prompt)
        return self._vectors[key]

    def know(self, encoder: Encoder, role: Role, prompt: str, vectors: Vectors) -> None:
        """Take `vectors` float32 [n, d] for what the encoder would make of them."""
        self._vectors[id(encoder), role, prompt] = vectors

    def take(self, rows: npt.NDArray[np.int64]) -> "Given":
        """Those at `rows`, with what is known of them."""
        if len(rows) == len(self.texts):
            return self
        some = Given([self.texts[at] for at in rows.tolist()], self.within)
        some._vectors = {key: vectors[rows] for key, vectors in self._vectors.items()}
        return some


class Pipeline(ABC):
    """A candidate, live: give it documents, then ask it."""

    @property
    @abstractmethod
    def bytes_per_vector(self) -> float | None:
        """Bytes stored for each document; None where there are no vectors."""

    def index(self, documents: Sequence[str]) -> None:
        """Make these documents the ones that `search` looks through."""
        self.keep(Given(documents))

    def search(
        self, queries: Sequence[str], depth: int, tie_rank: Ties = None, within: Within | None = None
    ) -> tuple[Ids, Scores]:
        """Positions int32 [q, depth] (-1: no more) and scores float32 [q, depth] of the best documents, of those that
        are `within`.

        Raises InputError before documents were indexed.
        """
        return self.find(Given(queries, within), depth, tie_rank)

    @abstractmethod
    def keep(self, documents: Given) -> None:
        """`index`, as a stage of a pipeline that may have encoded them before."""

    @abstractmethod
    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        """`search`, likewise."""


@dataclass
class EmbedPipeline(Pipeline):
    """An encoder, its prompts, fitted transforms and an exact index."""

    encoder: Encoder
    prompts: dict[Role, str]
    chain: Chain
    rescore: int = 0
    documents: Vectored | None = None

    @property
    def bytes_per_vector(self) -> float:
        return self.chain.bytes_per_vector + (4.0 * self.chain.incoming if self.rescore else 0.0)

    def query_vectors(self, queries: Given) -> Vectors:
        """float32 [n, d], as the encoder makes them."""
        return queries.by(self.encoder, "query", self.prompts["query"])

    def document_vectors(self, documents: Given) -> Vectors:
        """float32 [n, d], as the encoder makes them."""
        return documents.by(self.encoder, "document", self.prompts["document"])

    def encode_queries(self, texts: Sequence[str]) -> Codes:
        """Codes [n, d] of queries."""
        return self.chain.queries(self.query_vectors(Given(texts)))

    def encode_documents(self, texts: Sequence[str]) -> Codes:
        """Codes [n, d] of documents."""
        return self.chain.documents(self.document_vectors(Given(texts)))

    def scores(self, queries: Given, ids: Ids) -> Scores:
        """Scores float32 [q, k] of the documents `ids` int32 [q, k], by their codes; -inf for -1."""
        return indexed(self.documents).scores(self.query_vectors(queries), ids)

    def keep(self, documents: Given) -> None:
        self.documents = DenseIndex(self.chain, InMemory(self.document_vectors(documents)), self.rescore)

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        return indexed(self.documents).search(self.query_vectors(queries), depth, tie_rank, queries.within)


@dataclass
class LexicalPipeline(Pipeline):
    """BM25 over the documents."""

    documents: Worded | None = None

    @property
    def bytes_per_vector(self) -> None:
        return None

    def keep(self, documents: Given) -> None:
        from sizewise.index.lexical import BM25  # loads scipy, which pipelines of vectors do without

        self.documents = BM25(documents.texts)

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        return indexed(self.documents).search(queries.texts, depth, tie_rank, queries.within)


@runtime_checkable
class Fetched(Protocol):
    """Texts that are somewhere else: one question for several of them."""

    def fetch(self, ids: Sequence[int]) -> list[str]:
        """The texts of the documents `ids`, in that order; empty where one was deleted since it was found."""
        ...


def texts_of(documents: Sequence[str], ids: Sequence[int]) -> list[str]:
    """The texts of the documents `ids`."""
    return documents.fetch(ids) if isinstance(documents, Fetched) else [documents[at] for at in ids]


def indexed(documents: Index | None) -> Index:
    """An index that is there. Raises InputError before one was made."""
    if documents is None:
        raise InputError("search needs documents: call index(documents) first")
    return documents
