"""Candidates made live, in one place: what runs in production is what a study derived its records with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

from sizewise.core.candidate import ROLES, Asym, Candidate, Cross, Embed, Lexical
from sizewise.data.task import Task
from sizewise.encode.encoder import Encoder
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.live import EmbedPipeline, LexicalPipeline, Pipeline
from sizewise.pipeline.parts import keep_stored, put_together
from sizewise.pipeline.stages import aligner, fixed
from sizewise.transform.align import Alignment


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
    """The pipeline of `candidate`, fitted and tuned on what `task` offers for that; nothing indexed yet.

    `part` makes the pipelines that a hybrid is put together from; by default this function does.
    """
    return put_together(fixed(bench, task, candidate)[0], _Fitted(bench, task), part)


@dataclass(frozen=True)
class _Fitted:
    """Parts from a bench, fitted on a task."""

    bench: Bench
    task: Task

    def embed(self, one: Embed) -> EmbedPipeline:
        encoder = self.bench.encoder(one.model)
        prompts = {role: encoder.prompt(role, self.task.prompts) for role in ROLES}
        return EmbedPipeline(encoder, prompts, self.bench.chain(one, self.task), one.rescore)

    def cross(self, one: Cross) -> Encoder:
        return self.bench.encoder(one.scorer)

    def aligned(self, one: Asym) -> tuple[Encoder, str, Alignment]:
        encoder = self.bench.encoder(one.queries.model)
        return encoder, encoder.prompt("query", self.task.prompts), aligner(self.bench, self.task, one)


def index_from_store(bench: Bench, pipeline: Pipeline, task: Task) -> None:
    """Index the task's documents, their vectors taken from the store (encoded first where they are missing). Parts that
    have an index keep it."""
    documents = next(part for part in task.text_sets() if part.name == "documents")
    keep_stored(pipeline, documents.texts, lambda part: bench.vectors(part.encoder.model, task, documents))
