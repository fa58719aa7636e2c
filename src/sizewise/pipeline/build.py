"""Candidates made live, in one place: what runs in production is what a study derived its records with."""

from collections.abc import Callable
from typing import overload

from sizewise.core.candidate import ROLES, Asym, Candidate, Cross, Embed, Fuse, Lexical, Rerank
from sizewise.data.task import Task
from sizewise.index.dense import DenseIndex
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.hybrid import AsymPipeline, Fresh, FusePipeline, RerankPipeline, Together
from sizewise.pipeline.live import EmbedPipeline, Given, LexicalPipeline, Pipeline
from sizewise.pipeline.stages import aligner


@overload
def build(bench: Bench, candidate: Embed, task: Task) -> EmbedPipeline: ...
@overload
def build(bench: Bench, candidate: Embed | Lexical, task: Task) -> EmbedPipeline | LexicalPipeline: ...
@overload
def build(
    bench: Bench, candidate: Candidate, task: Task, part: Callable[[Candidate], Pipeline] | None = None
) -> Pipeline: ...
def build(
    bench: Bench, candidate: Candidate, task: Task, part: Callable[[Candidate], Pipeline] | None = None
) -> Pipeline:
    """The pipeline of `candidate`, fitted on what `task` offers for fitting; nothing indexed yet.

    `part` makes the pipelines that a hybrid is put together from; by default this function does.
    """
    part = part or (lambda one: build(bench, one, task))
    match candidate:
        case Lexical():
            return LexicalPipeline()
        case Embed():
            encoder = bench.encoder(candidate.model)
            prompts = {role: encoder.prompt(role, task.prompts) for role in ROLES}
            return EmbedPipeline(encoder, prompts, bench.chain(candidate, task), candidate.rescore)
        case Fuse(parts, weight):
            return FusePipeline([part(one) for one in parts], weight)
        case Rerank(first, second, depth, margin, fresh):
            if isinstance(second, Cross):
                return RerankPipeline(part(first), Together(bench.encoder(second.scorer)), depth, margin)
            ranking = part(second)
            assert isinstance(ranking, EmbedPipeline)
            return RerankPipeline(part(first), Fresh(ranking) if fresh else ranking, depth, margin)
        case Asym(queries, documents):
            encoder = bench.encoder(queries.model)
            prompt = encoder.prompt("query", task.prompts)
            kept = part(documents)
            assert isinstance(kept, EmbedPipeline)
            return AsymPipeline(encoder, prompt, aligner(bench, task, candidate), kept)


def index_from_store(bench: Bench, pipeline: Pipeline, task: Task) -> None:
    """Index the task's documents, their vectors taken from the store (encoded first where they are missing). Parts that
    have an index keep it."""
    documents = next(part for part in task.text_sets() if part.name == "documents")
    match pipeline:
        case EmbedPipeline(documents=None):
            rows = bench.vectors(pipeline.encoder.model, task, documents)
            pipeline.documents = DenseIndex(pipeline.chain, rows, pipeline.rescore)
        case FusePipeline():
            pipeline.count = len(documents.texts)
            for one in pipeline.parts:
                index_from_store(bench, one, task)
        case RerankPipeline():
            pipeline.count = len(documents.texts)
            index_from_store(bench, pipeline.first, task)
            if isinstance(pipeline.second, EmbedPipeline):
                index_from_store(bench, pipeline.second, task)
            else:
                pipeline.second.keep(Given(documents.texts))
        case AsymPipeline():
            index_from_store(bench, pipeline.kept, task)
        case LexicalPipeline(documents=None):
            pipeline.index(documents.texts)
