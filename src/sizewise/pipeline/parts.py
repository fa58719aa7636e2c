"""How hybrids are put together of their parts, wherever these come from, and how they are walked through.

Here, and only here, a candidate and its pipeline are matched branch by branch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from sizewise.core.candidate import Asym, Candidate, Cross, Embed, Fuse, Lexical, Rerank, Role
from sizewise.core.rows import LIMIT, Rows
from sizewise.encode.encoder import Encoder
from sizewise.index.dense import DenseIndex
from sizewise.pipeline.hybrid import AsymPipeline, Fresh, FusePipeline, RerankPipeline, Together
from sizewise.pipeline.live import EmbedPipeline, Given, LexicalPipeline, Pipeline, Vectored, Worded
from sizewise.transform.align import Alignment


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


def searched(pipeline: Pipeline) -> Iterator[EmbedPipeline]:
    """Those of them in which documents are found; in the others, what was found is scored again."""
    match pipeline:
        case RerankPipeline(first):
            yield from searched(first)
        case FusePipeline(parts):
            for part in parts:
                yield from searched(part)
        case _:
            yield from _dense(pipeline)


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

    def vectored(part: EmbedPipeline) -> Vectored:
        return DenseIndex(part.chain, rows_of(part), part.rescore, limit)

    def worded() -> Worded:
        from sizewise.index.lexical import BM25  # loads scipy, which pipelines of vectors do without

        return BM25(texts)

    keep_indexed(pipeline, texts, vectored, worded)


def keep_indexed(
    pipeline: Pipeline,
    texts: Sequence[str],
    vectored: Callable[[EmbedPipeline], Vectored],
    worded: Callable[[], Worded],
) -> None:
    """`index` with indexes that are there: `vectored` has one for each part that stores vectors of the documents
    `texts`, `worded` one of their words. Parts that have an index keep it."""
    match pipeline:
        case EmbedPipeline(documents=None):
            pipeline.documents = vectored(pipeline)
        case FusePipeline(parts):
            for part in parts:
                keep_indexed(part, texts, vectored, worded)
        case RerankPipeline(first, second):
            pipeline.count = len(texts)
            keep_indexed(first, texts, vectored, worded)
            if isinstance(second, EmbedPipeline):
                keep_indexed(second, texts, vectored, worded)
            else:
                second.keep(Given(texts))
        case AsymPipeline(kept=kept):
            keep_indexed(kept, texts, vectored, worded)
        case LexicalPipeline(documents=None):
            pipeline.documents = worded()
