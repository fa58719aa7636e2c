"""The texts that cost is measured on: the tasks' own, the same for all encoders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
import orjson

from sizewise.core.candidate import Cross, Embed, Part, Role, model_of
from sizewise.core.errors import InputError
from sizewise.data.task import Task
from sizewise.encode.encoder import Trust
from sizewise.encode.pairs import pair
from sizewise.encode.resolve import resolve

SINGLES = 300
BULK = 2_000
LONGEST = 20_000
"""Characters of a text that are sent to be timed; all models cut off far earlier."""


@dataclass(frozen=True)
class Sample:
    """Texts to time one by one (what is asked at serving time) and in bulk (what is embedded once)."""

    single: list[str]
    bulk: list[str]
    single_role: Role
    bulk_role: Role
    about: str
    """Where the texts come from, in words."""

    def given_to(self, subject: Part) -> "Sample":
        """The same; for a cross-encoder each single text with a bulk one, and each bulk text with a single one."""
        if not isinstance(subject, Cross):
            return self
        single = [pair(*two) for two in zip(self.single, cycle(self.bulk), strict=False)]
        bulk = [pair(*two) for two in zip(cycle(self.single), self.bulk, strict=False)]
        return replace(self, single=single, bulk=bulk, single_role="text", bulk_role="text")

    def tokens_per_text(self, subject: Part, texts: Sequence[str], trust: Trust) -> float | None:
        """Mean tokens of `texts` as the subject's encoder sees them, cut at its limit; None where it cannot tell."""
        if not isinstance(subject, Embed | Cross) or not texts:
            return None
        encoder = resolve(model_of(subject), trust)
        counts = encoder.count_tokens(list(texts), "")
        if counts is None:
            return None
        return float(np.minimum(counts, encoder.max_tokens or counts.max()).mean())


def sample(tasks: Sequence[Task]) -> Sample:
    """A fixed random sample over all tasks, each with the same share."""
    singles: list[str] = []
    bulk: list[str] = []
    for task in tasks:
        sets = {part.name: part for part in task.text_sets()}
        tested = [part for name, part in sets.items() if not name.startswith("train")]
        asked = sets.get("queries") or tested[0]
        stored = sets.get("documents") or asked
        singles += _draw(asked.texts, -(-SINGLES // len(tasks)))
        bulk += _draw(stored.texts, -(-BULK // len(tasks)))
    if not singles or not bulk:
        raise InputError("cost is measured on the tasks' texts, and there are none; give a task with texts")
    order = np.random.default_rng(1)
    searched = any(task.needs == "rankings" for task in tasks)
    return Sample(
        [singles[at] for at in order.permutation(len(singles))],
        [bulk[at] for at in order.permutation(len(bulk))],
        "query" if searched else "text",
        "document" if searched else "text",
        "texts of " + ", ".join(task.name for task in tasks),
    )


def packaged() -> Sample:
    """The short sentences that come with Sizewise, for cost without a task."""

    folder = Path(__file__).parent.parent / "data" / "senses"
    lines = (folder / "train.jsonl").read_bytes().splitlines() + (folder / "test.jsonl").read_bytes().splitlines()
    texts = [orjson.loads(line)[field] for line in lines for field in ("sentence1", "sentence2")]
    return Sample(texts[:SINGLES], texts, "text", "text", f"{len(texts)} packaged short sentences")


def _draw(texts: Sequence[str], count: int) -> list[str]:
    """`count` of the texts (all, when there are fewer), in random order, always the same; blank ones left out."""
    chosen = np.random.default_rng(0).permutation(len(texts))[:count]
    return [texts[at][:LONGEST] for at in chosen if texts[at].strip()]
