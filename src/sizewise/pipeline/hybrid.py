"""Live hybrids: pipelines made of pipelines. What several stages encode is encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sizewise.core.rows import InMemory
from sizewise.encode.cross import pair
from sizewise.encode.encoder import Encoder
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.pipeline.live import EmbedPipeline, Given, Pipeline, Ties, indexed
from sizewise.rank.again import margins, reranked
from sizewise.rank.fusion import by_ranks, by_scores
from sizewise.transform.align import Alignment

POOL = 200
"""Documents that each stage hands on to the next one, unless that looks at more."""


@dataclass
class FusePipeline(Pipeline):
    """Several pipelines over the same documents, fused by ranks, or by scores where there is a weight."""

    parts: Sequence[Pipeline]
    weight: float | None = None
    count: int = 0

    @property
    def bytes_per_vector(self) -> float | None:
        return sum(part.bytes_per_vector or 0.0 for part in self.parts)

    def keep(self, documents: Given) -> None:
        self.count = len(documents.texts)
        for part in self.parts:
            part.keep(documents)

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        found = [part.find(queries, max(POOL, depth), tie_rank) for part in self.parts]
        if self.weight is None:
            return by_ranks([ids for ids, _ in found], depth, self.count, tie_rank)
        return by_scores(found, (self.weight, 1 - self.weight), depth, self.count, tie_rank)


class Scorer(Protocol):
    """What ranks again: an encoder with its index, one that encodes what was found, or a cross-encoder."""

    @property
    def bytes_per_vector(self) -> float | None:
        """Bytes stored for each document."""
        ...

    def keep(self, documents: Given) -> None:
        """Make these documents the ones that `scores` speaks of."""
        ...

    def scores(self, queries: Given, ids: Ids) -> Scores:
        """Scores float32 [q, k] of the documents `ids` int32 [q, k]; -inf for -1."""
        ...


@dataclass
class Fresh:
    """An encoder that encodes documents when they are found."""

    pipeline: EmbedPipeline
    documents: Sequence[str] | None = field(default=None, repr=False)
    bytes_per_vector: float = 0.0

    def keep(self, documents: Given) -> None:
        self.documents = documents.texts

    def scores(self, queries: Given, ids: Ids) -> Scores:
        texts, (wanted, where) = indexed(self.documents), np.unique(ids, return_inverse=True)
        found = self.pipeline.document_vectors(Given([texts[max(0, at)] for at in wanted.tolist()]))
        places = np.where(ids < 0, -1, where.reshape(ids.shape)).astype(np.int32)
        index = DenseIndex(self.pipeline.chain, InMemory(found))
        return index.scores(self.pipeline.query_vectors(queries), places)


@dataclass
class Together:
    """A cross-encoder."""

    encoder: Encoder
    documents: Sequence[str] | None = field(default=None, repr=False)
    bytes_per_vector: float = 0.0

    def keep(self, documents: Given) -> None:
        self.documents = documents.texts

    def scores(self, queries: Given, ids: Ids) -> Scores:
        texts, there = indexed(self.documents), ids >= 0
        pairs = [pair(queries.texts[row], texts[ids[row, at]]) for row, at in np.argwhere(there)]
        found = np.full(ids.shape, -np.inf, np.float32)
        found[there] = self.encoder.encode(pairs, "text", "")[:, 0]
        return found


@dataclass
class RerankPipeline(Pipeline):
    """A pipeline, whose first `again` documents something else ranks again: of all queries, or of those whose first two
    scores are nearer than `margin`."""

    first: Pipeline
    second: Scorer
    again: int
    margin: float | None = None
    count: int = 0

    @property
    def bytes_per_vector(self) -> float | None:
        return (self.first.bytes_per_vector or 0.0) + (self.second.bytes_per_vector or 0.0)

    def keep(self, documents: Given) -> None:
        self.count = len(documents.texts)
        self.first.keep(documents)
        self.second.keep(documents)

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        again = min(self.again, max(POOL, self.count))
        ids, scores = self.first.find(queries, max(POOL, depth, again), tie_rank)
        which = np.ones(len(ids), bool) if self.margin is None else margins(ids, scores) < self.margin
        others = np.full(ids.shape, -np.inf, np.float32)
        rows = np.flatnonzero(which)
        if len(rows):
            others[rows, :again] = self.second.scores(queries.take(rows), ids[rows, :again])
        ids, scores = reranked(ids, scores, others, again, which)
        return ids[:, :depth], scores[:, :depth]


@dataclass
class AsymPipeline(Pipeline):
    """Queries by a small encoder, brought into the space of the one that encodes the documents."""

    encoder: Encoder
    """Of queries."""
    prompt: str
    alignment: Alignment
    kept: EmbedPipeline

    @property
    def bytes_per_vector(self) -> float | None:
        return self.kept.bytes_per_vector

    def keep(self, documents: Given) -> None:
        self.kept.keep(documents)

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        asked = self.alignment.apply(queries.by(self.encoder, "query", self.prompt))
        return indexed(self.kept.documents).search(asked, depth, tie_rank)
