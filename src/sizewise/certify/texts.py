"""The texts that engines are certified on: strange ones, short plain ones, and the tasks' own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sizewise.bundle.canary import TEXTS
from sizewise.core.candidate import Role
from sizewise.cost.sample import packaged
from sizewise.data.task import Task

TASK_TEXTS = 2_000
"""Of all tasks together; canaries and packaged sentences come on top."""
ALONE_OF_TASKS = 150
"""Task texts that are also encoded one by one."""
SENTENCES_ALONE = 50


@dataclass(frozen=True)
class Part:
    """Texts that go with one prompt. `at` are their positions in the set `name` of `task`; without a task they are
    ours."""

    task: Task | None
    name: str
    role: Role
    texts: Sequence[str]
    at: Sequence[int]


def parts(tasks: Sequence[Task] = ()) -> list[Part]:
    """Canaries, packaged sentences and a fixed random sample of each task's texts, at most TASK_TEXTS in all."""
    ours = {"canary texts": TEXTS, "packaged sentences": packaged().bulk}
    found = [Part(None, name, "text", texts, range(len(texts))) for name, texts in ours.items()]
    for task in tasks:
        found += _sampled(task, -(-TASK_TEXTS // len(tasks)))
    return found


def _sampled(task: Task, most: int) -> list[Part]:
    """`most` of the task's texts, each once in a set."""
    sets = [(part, sorted({text: at for at, text in enumerate(part.texts)}.values())) for part in task.text_sets()]
    which = np.repeat(np.arange(len(sets)), [len(at) for _, at in sets])
    chosen = np.sort(np.random.default_rng(0).permutation(len(which))[:most])
    starts = np.cumsum([0, *(len(at) for _, at in sets)])
    found = []
    for number, (part, places) in enumerate(sets):
        at = [places[one - starts[number]] for one in chosen[which[chosen] == number]]
        if at:
            found.append(Part(task, part.name, part.role, [part.texts[one] for one in at], at))
    return found


def strangest(found: Sequence[Part]) -> list[str]:
    """Those to encode alone: all canaries, the shortest sentences, and of the tasks' texts the shortest, the longest,
    those with the fewest ASCII letters, and others."""
    canaries, sentences, *rest = found
    texts = [*canaries.texts, *sorted(sentences.texts, key=len)[:SENTENCES_ALONE]]
    pool = list(dict.fromkeys(text for part in rest for text in part.texts))
    share = ALONE_OF_TASKS // 4
    by_length = sorted(pool, key=len)
    others = np.random.default_rng(0).permutation(len(pool))[: ALONE_OF_TASKS - 3 * share]
    texts += [*by_length[:share], *by_length[-share:], *sorted(pool, key=_plain)[:share], *(pool[at] for at in others)]
    return list(dict.fromkeys(texts))


def _plain(text: str) -> float:
    """Share of characters that are ASCII letters."""
    return sum(one.isascii() and one.isalpha() for one in text) / max(1, len(text))
