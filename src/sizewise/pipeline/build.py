"""Candidates made live, in one place: what runs in production is what a study derived its records with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Candidate, Lexical, Role
from sizewise.core.errors import InputError
from sizewise.core.rows import InMemory
from sizewise.data.task import Task
from sizewise.encode.encoder import Encoder
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.index.lexical import BM25
from sizewise.pipeline.bench import Bench
from sizewise.transform.chain import Chain
from sizewise.transform.transform import Codes


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

    documents: BM25 | None = None
    bytes_per_vector: None = None

    def index(self, documents: Sequence[str]) -> None:
        self.documents = BM25(documents)

    def search(
        self, queries: Sequence[str], depth: int, tie_rank: npt.NDArray[np.int64] | None = None
    ) -> tuple[Ids, Scores]:
        if self.documents is None:
            raise InputError("search needs documents: call index(documents) first")
        return self.documents.search(queries, depth, tie_rank)


def build(bench: Bench, candidate: Candidate, task: Task) -> EmbedPipeline | LexicalPipeline:
    """The pipeline of `candidate`, its transforms fitted on what `task` offers for fitting; nothing indexed yet."""
    if isinstance(candidate, Lexical):
        return LexicalPipeline()
    encoder = bench.encoder(candidate.model)
    roles: tuple[Role, ...] = ("query", "document", "text")
    prompts = {role: encoder.prompt(role, task.prompts) for role in roles}
    return EmbedPipeline(encoder, prompts, bench.chain(candidate, task), candidate.rescore)


def index_from_store(bench: Bench, pipeline: EmbedPipeline | LexicalPipeline, task: Task) -> None:
    """Index the task's documents, their vectors taken from the store (encoded first where they are missing)."""
    documents = next(part for part in task.text_sets() if part.name == "documents")
    if isinstance(pipeline, LexicalPipeline):
        pipeline.index(documents.texts)
    else:
        rows = bench.vectors(pipeline.encoder.model, task, documents)
        pipeline.documents = DenseIndex(pipeline.chain, rows, pipeline.rescore)
