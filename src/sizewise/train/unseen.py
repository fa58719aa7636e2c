"""No model is scored on texts that it was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sizewise.core.candidate import Candidate, Cross, Embed, Model, leaves
from sizewise.core.errors import InputError
from sizewise.data.seen import Seen
from sizewise.data.task import Task
from sizewise.encode.folder import local_folder
from sizewise.train.card import seen_by
from sizewise.train.texts import tested_texts


@dataclass(frozen=True)
class Overlap:
    """Texts that a task tests and that a model was trained on."""

    task: str
    tested: int
    exact: int
    near: int
    """Alike but for punctuation, numbers and the order of words; the exact ones are not counted."""


def overlap(task: Task, seen: Seen) -> Overlap:
    """How many of the texts that `task` tests are in `seen`."""
    texts = list(dict.fromkeys(tested_texts(task)))
    exact = seen.holds(texts)
    return Overlap(task.name, len(texts), int(exact.sum()), int((seen.nearly_holds(texts) & ~exact).sum()))


def check_unseen(candidates: Sequence[Candidate], tasks: Sequence[Task]) -> list[str]:
    """What is worth knowing of near-duplicates, a line each.

    Raises InputError where a task tests texts that a candidate's model says it was trained on.
    """
    return [
        f"{model.name} was trained on near-duplicates of {found.near:,} of the {found.tested:,} texts that "
        f"{found.task} tests"
        for model in dict.fromkeys(
            part.model for one in candidates for part in leaves(one) if isinstance(part, Embed | Cross)
        )
        for found in _overlaps(model, tasks)
        if found.near
    ]


def _overlaps(model: Model, tasks: Sequence[Task]) -> Iterator[Overlap]:
    folder = local_folder(model)
    seen = seen_by(folder) if folder else None
    if seen is None:
        return
    for task in tasks:
        found = overlap(task, seen)
        if found.exact:
            raise InputError(
                f"{model.name} was trained on {found.exact:,} of the {found.tested:,} texts that {task.name} "
                f"({task.path}) tests, so its score there means nothing; leave out one of them, or make the model "
                f"again with --task {task.path}, which keeps them out"
            )
        yield found
