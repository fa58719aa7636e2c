"""Live hybrids: pipelines made of pipelines, and how they are put together of their parts, wherever these come from.

What several stages encode is encoded once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Asym, Candidate, Cross, Embed, Fuse, Lexical, Rerank, Role, When
from sizewise.core.rows import LIMIT, InMemory, Rows
from sizewise.encode.cross import pair
from sizewise.encode.encoder import Encoder
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.pipeline.live import EmbedPipeline, Given, LexicalPipeline, Pipeline, Ties, indexed
from sizewise.rank.again import agreements, margins, reranked
from sizewise.rank.fusion import by_ranks, by_scores
from sizewise.transform.align import Alignment

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
        texts, there = indexed(self.documents), ids >= 0
        wanted, where = np.unique(ids[there], return_inverse=True)
        if not len(wanted):
            return np.full(ids.shape, -np.inf, np.float32)
        found = self.pipeline.document_vectors(Given([texts[at] for at in wanted.tolist()]))
        places = np.full(ids.shape, -1, np.int32)
        places[there] = where
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

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        again = min(self.again, max(POOL, self.count))
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

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        asked = self.alignment.apply(queries.by(self.encoder, "query", self.prompt))
        return indexed(self.kept.documents).search(asked, depth, tie_rank)


class Parts(Protocol):
    """Where the parts of a hybrid come from: a bench, or a bundle."""

    def embed(self, one: Embed) -> EmbedPipeline:
        """An encoder with its transforms."""
        ...

    def cross(self, one: Cross) -> Encoder:
        """What scores pairs."""
        ...

    def aligned(self, one: Asym) -> tuple[Encoder, str, Alignment]:
        """The encoder of queries, its prompt, and what brings its vectors into the space of the documents."""
        ...


def put_together(candidate: Candidate, parts: Parts, part: Callable[[Candidate], Pipeline] | None = None) -> Pipeline:
    """The pipeline of `candidate`, in which nothing is left to tune. `part` makes the pipelines within it; by default
    this function does."""
    part = part or (lambda one: put_together(one, parts))
    match candidate:
        case Lexical():
            return LexicalPipeline()
        case Embed():
            return parts.embed(candidate)
        case Fuse(inner, weight):
            assert weight != "tuned"
            return FusePipeline([part(one) for one in inner], weight)
        case Rerank(first, second, depth, when, fresh):
            if isinstance(second, Cross):
                return RerankPipeline(part(first), Together(parts.cross(second)), depth, when)
            ranking = part(second)
            assert isinstance(ranking, EmbedPipeline)
            return RerankPipeline(part(first), Fresh(ranking) if fresh else ranking, depth, when)
        case Asym(_, documents):
            kept = part(documents)
            assert isinstance(kept, EmbedPipeline)
            return AsymPipeline(*parts.aligned(candidate), kept)


def taken_apart(
    candidate: Candidate, pipeline: Pipeline
) -> Iterator[tuple[Embed | Cross | Asym, EmbedPipeline | Encoder | AsymPipeline]]:
    """The parts that `pipeline`, which was made of `candidate`, was put together from, with what each was made of."""
    match candidate, pipeline:
        case Embed(), EmbedPipeline():
            yield candidate, pipeline
        case Fuse(parts), FusePipeline():
            for one, live in zip(parts, pipeline.parts, strict=True):
                yield from taken_apart(one, live)
        case Rerank(first, second), RerankPipeline():
            yield from taken_apart(first, pipeline.first)
            match second, pipeline.second:
                case Cross(), Together() as together:
                    yield second, together.encoder
                case Embed(), Fresh() as fresh:
                    yield second, fresh.pipeline
                case Embed(), EmbedPipeline() as stored:
                    yield second, stored
        case Asym(_, documents), AsymPipeline():
            yield candidate, pipeline
            yield documents, pipeline.kept


def with_documents_stored(pipeline: Pipeline) -> Pipeline:
    """The same, in which nothing encodes documents when they are found: it answers alike, and many queries sooner."""
    match pipeline:
        case FusePipeline():
            return replace(pipeline, parts=[with_documents_stored(one) for one in pipeline.parts])
        case RerankPipeline():
            second = pipeline.second.pipeline if isinstance(pipeline.second, Fresh) else pipeline.second
            return replace(pipeline, first=with_documents_stored(pipeline.first), second=second)
        case _:
            return pipeline


def encoded(pipeline: Pipeline) -> Iterator[tuple[Encoder, Role, str]]:
    """What is encoded: by which encoder, in which role, with which prompt; some of it perhaps several times."""
    match pipeline:
        case EmbedPipeline(encoder, prompts):
            yield encoder, "query", prompts["query"]
            yield encoder, "document", prompts["document"]
        case FusePipeline(parts):
            for part in parts:
                yield from encoded(part)
        case RerankPipeline(first, second):
            yield from encoded(first)
            second = second.pipeline if isinstance(second, Fresh) else second
            if isinstance(second, EmbedPipeline):
                yield from encoded(second)
        case AsymPipeline(encoder, prompt, _, kept):
            yield encoder, "query", prompt
            yield kept.encoder, "document", kept.prompts["document"]


def dense(pipeline: Pipeline) -> Iterator[EmbedPipeline]:
    """The parts that have vectors of documents stored, each once."""
    seen: set[int] = set()
    for part in _dense(pipeline):
        if id(part) not in seen:
            seen.add(id(part))
            yield part


def _dense(pipeline: Pipeline) -> Iterator[EmbedPipeline]:
    match pipeline:
        case EmbedPipeline():
            yield pipeline
        case FusePipeline(parts):
            for part in parts:
                yield from _dense(part)
        case RerankPipeline(first, second):
            yield from _dense(first)
            if isinstance(second, EmbedPipeline):
                yield second
        case AsymPipeline(kept=kept):
            yield kept


def keep_stored(
    pipeline: Pipeline, texts: Sequence[str], rows_of: Callable[[EmbedPipeline], Rows], limit: int = LIMIT
) -> None:
    """`index` without encoding: `rows_of` has the vectors of the documents `texts` for each part that stores some,
    which keeps at most `limit` bytes in memory. Parts that have an index keep it."""
    match pipeline:
        case EmbedPipeline(documents=None):
            pipeline.documents = DenseIndex(pipeline.chain, rows_of(pipeline), pipeline.rescore, limit)
        case FusePipeline(parts):
            for part in parts:
                keep_stored(part, texts, rows_of, limit)
        case RerankPipeline(first, second):
            pipeline.count = len(texts)
            keep_stored(first, texts, rows_of, limit)
            if isinstance(second, EmbedPipeline):
                keep_stored(second, texts, rows_of, limit)
            else:
                second.keep(Given(texts))
        case AsymPipeline(kept=kept):
            keep_stored(kept, texts, rows_of, limit)
        case LexicalPipeline(documents=None):
            pipeline.index(texts)
