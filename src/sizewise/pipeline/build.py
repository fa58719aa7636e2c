"""Candidates made live, in one place: what runs in production is what a study derived its records with."""

from sizewise.core.candidate import Candidate, Lexical, Role
from sizewise.data.task import Task
from sizewise.index.dense import DenseIndex
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.live import EmbedPipeline, LexicalPipeline


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
