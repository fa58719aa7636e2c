"""What a live pipeline is. Nothing here knows tasks, stores or torch: this is all that serving needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.core.errors import InputError
from sizewise.core.rows import InMemory
from sizewise.encode.encoder import Encoder
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.transform.chain import Chain
from sizewise.transform.transform import Codes

if TYPE_CHECKING:
    from sizewise.index.lexical import BM25


class Pipeline(Protocol):
    """A candidate, live: give it documents, then ask it."""

    @property
    def bytes_per_vector(self) -> float | None:
        """Bytes stored for each document; None where there are no vectors."""
        ...

    def index(self, documents: Sequence[str]) -> None:
        """Make these documents the ones that `search` looks through."""
        ...

    def search(
        self, queries: Sequence[str], depth: int, tie_rank: npt.NDArray[np.int64] | None = None
    ) -> tuple[Ids, Scores]:
        """Positions int32 [q, depth] (-1: no more) and scores float32 [q, depth] of the best documents."""
        ...


@dataclass
class EmbedPipeline:
    """An encoder, its prompts, fitted transforms and an exact index."""

    encoder: Encoder
    prompts: dict[Role, str]
    chain: Chain
    rescore: int = 0
    documents: DenseIndex | None = None

    @property
    def bytes_per_vector(self) -> float:
        return self.chain.bytes_per_vector + (4.0 * self.chain.incoming if self.rescore else 0.0)

    def encode_queries(self, texts: Sequence[str]) -> Codes:
        """Codes [n, d] of queries."""
        return self.chain.queries(self.encoder.encode(texts, "query", self.prompts["query"]))

    def encode_documents(self, texts: Sequence[str]) -> Codes:
        """Codes [n, d] of documents."""
        return self.chain.documents(self.encoder.encode(texts, "document", self.prompts["document"]))

    def index(self, documents: Sequence[str]) -> None:
        vectors = self.encoder.encode(documents, "document", self.prompts["document"])
        self.documents = DenseIndex(self.chain, InMemory(vectors), self.rescore)

    def search(
        self, queries: Sequence[str], depth: int, tie_rank: npt.NDArray[np.int64] | None = None
    ) -> tuple[Ids, Scores]:
        if self.documents is None:
            raise InputError("search needs documents: call index(documents) first")
        return self.documents.search(self.encoder.encode(queries, "query", self.prompts["query"]), depth, tie_rank)


@dataclass
class LexicalPipeline:
    """BM25 over the documents."""

    documents: "BM25 | None" = None
    bytes_per_vector: None = None

    def index(self, documents: Sequence[str]) -> None:
        from sizewise.index.lexical import BM25  # loads scipy, which pipelines of vectors do without

        self.documents = BM25(documents)

    def search(
        self, queries: Sequence[str], depth: int, tie_rank: npt.NDArray[np.int64] | None = None
    ) -> tuple[Ids, Scores]:
        if self.documents is None:
            raise InputError("search needs documents: call index(documents) first")
        return self.documents.search(queries, depth, tie_rank)
