"""Live hybrids: pipelines made of pipelines. What several stages encode is encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import When
from sizewise.core.rows import InMemory
from sizewise.encode.encoder import Encoder
from sizewise.encode.pairs import pair
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.pipeline.live import EmbedPipeline, Given, Pipeline, Ties, indexed, texts_of
from sizewise.rank.again import agreements, margins, reranked
from sizewise.rank.fusion import by_ranks, by_scores
from sizewise.transform.align import Alignment
from sizewise.transform.transform import Vectors

POOL = 200
"""Documents that each stage hands on to the next one, unless that looks at more."""


@dataclass
class FusePipeline(Pipeline):
    """Several pipelines over the same documents, fused by ranks, or by scores where there is a weight."""

    parts: Sequence[Pipeline]
    weight: float | None = None

    @property
    def bytes_per_vector(self) -> float | None:
        return sum(part.bytes_per_vector or 0.0 for part in self.parts)

    def keep(self, documents: Given) -> None:
        for part in self.parts:
            part.keep(documents)

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        return self.fused(self.views(queries, depth, tie_rank), depth, tie_rank)

    def views(self, queries: Given, depth: int, tie_rank: Ties = None) -> list[tuple[Ids, Scores]]:
        """What each part finds."""
        return [part.find(queries, max(POOL, depth), tie_rank) for part in self.parts]

    def fused(self, found: list[tuple[Ids, Scores]], depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        """One ranking of what the parts found."""
        if self.weight is None:
            return by_ranks([ids for ids, _ in found], depth, tie_rank)
        return by_scores(found, (self.weight, 1 - self.weight), depth, tie_rank)


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
        """Scores float32 [q, k] of the documents `ids` [q, k]; -inf for -1."""
        ...


@dataclass(kw_only=True)
class _Reading:
    """Has the texts of documents, and nothing stored of them."""

    documents: Sequence[str] | None = field(default=None, repr=False)
    bytes_per_vector: float = 0.0

    def keep(self, documents: Given) -> None:
        self.documents = documents.texts


@dataclass
class Fresh(_Reading):
    """An encoder that encodes documents when they are found."""

    pipeline: EmbedPipeline

    def scores(self, queries: Given, ids: Ids) -> Scores:
        texts, there = indexed(self.documents), ids >= 0
        wanted, where = np.unique(ids[there], return_inverse=True)
        if not len(wanted):
            return np.full(ids.shape, -np.inf, np.float32)
        found = self.pipeline.document_vectors(Given(texts_of(texts, wanted.tolist())))
        places = np.full(ids.shape, -1, np.int32)
        places[there] = where
        index = DenseIndex(self.pipeline.chain, InMemory(found))
        return index.scores(self.pipeline.query_vectors(queries), places)


@dataclass
class Together(_Reading):
    """A cross-encoder, which reads a query and a document together."""

    encoder: Encoder

    def scores(self, queries: Given, ids: Ids) -> Scores:
        texts, there = indexed(self.documents), ids >= 0
        rows, read = np.nonzero(there)[0].tolist(), texts_of(texts, ids[there].tolist())
        pairs = [pair(queries.texts[row], text) for row, text in zip(rows, read, strict=True)]
        found = np.full(ids.shape, -np.inf, np.float32)
        found[there] = self.encoder.encode(pairs, "text", "")[:, 0]
        return found


@dataclass
class RerankPipeline(Pipeline):
    """A pipeline, whose first `again` documents something else ranks again: of all queries, or of those that `when`
    is for."""

    first: Pipeline
    second: Scorer
    again: int
    when: When | None = None
    count: int = 0

    @property
    def bytes_per_vector(self) -> float | None:
        return (self.first.bytes_per_vector or 0.0) + (self.second.bytes_per_vector or 0.0)

    def keep(self, documents: Given) -> None:
        self.count = len(documents.texts)
        self.first.keep(documents)
        self.second.keep(documents)

    @property
    def reach(self) -> int:
        """How many are ranked again, at most."""
        return min(self.again, max(POOL, self.count))

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        again = self.reach
        ids, scores, which = self._first(queries, max(POOL, depth, again), tie_rank)
        others = np.full(ids.shape, -np.inf, np.float32)
        rows = np.flatnonzero(which)
        if len(rows):
            others[rows, :again] = self.second.scores(queries.take(rows), ids[rows, :again])
        ids, scores = reranked(ids, scores, others, again, which)
        return ids[:, :depth], scores[:, :depth]

    def _first(self, queries: Given, depth: int, tie_rank: Ties) -> tuple[Ids, Scores, npt.NDArray[np.bool_]]:
        """What is found first, and which queries are worth more."""
        if self.when is None:
            ids, scores = self.first.find(queries, depth, tie_rank)
            return ids, scores, np.ones(len(ids), bool)
        limit = self.when.below or 0.0
        if self.when.signal == "margin":
            ids, scores = self.first.find(queries, depth, tie_rank)
            usual = max(POOL, self.again)  # fused scores depend on how deep they reach, and so would their margins
            known = (ids, scores) if depth <= usual else self.first.find(queries, usual, tie_rank)
            return ids, scores, margins(*known) < limit
        assert isinstance(self.first, FusePipeline)
        views = self.first.views(queries, depth, tie_rank)
        ids, scores = self.first.fused(views, depth, tie_rank)
        return ids, scores, agreements(views[0][0], views[1][0]) < limit


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

    def query_vectors(self, queries: Given) -> Vectors:
        """float32 [n, d], in the space of the documents."""
        return self.alignment.apply(queries.by(self.encoder, "query", self.prompt))

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        return indexed(self.kept.documents).search(self.query_vectors(queries), depth, tie_rank, queries.within)
