"""What a study tells of its hybrids beside scores: how good a pool is, and what was tuned."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sizewise.core.candidate import Candidate, is_tuned, reranks
from sizewise.data.retrieval import Retrieval
from sizewise.data.task import Task
from sizewise.evaluate import applies
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.stages import fixed, pool, stage


def ceilings(bench: Bench, task: Task, candidates: Sequence[Candidate]) -> Iterator[dict[str, Any]]:
    """For each pool that is ranked again: what a perfect reranker would reach, x100 points."""
    if not isinstance(task, Retrieval):
        return
    pools = {(one.first, one.depth) for each in candidates for one in reranks(each) if applies(each, task)}
    for first, depth in sorted(pools, key=lambda pool: (str(pool[0]), pool[1])):
        ids, _ = stage(bench, task, first, pool(task, depth))
        points = 100 * float(task.ideal(ids, depth).mean())
        yield {"task": task.name, "first": str(first), "depth": depth, "ceiling": points}


def tuned(bench: Bench, task: Task, candidates: Sequence[Candidate]) -> Iterator[dict[str, Any]]:
    """Of every candidate that is tuned: what was found, on all queries that the task has for it."""
    where = "queries kept for it" if task.tune is not None else "its own queries, a fifth ranked by the other four"
    for candidate in candidates:
        if is_tuned(candidate) and applies(candidate, task):
            served, found = fixed(bench, task, candidate)
            for one in found:
                told = {"task": task.name, "candidate": str(candidate), "served": str(served), "on": where}
                yield told | asdict(one)
