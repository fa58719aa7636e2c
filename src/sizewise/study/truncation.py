"""How much of the texts a model's limit cuts off: reported for every task, never silent."""

from typing import Any

import numpy as np

from sizewise.core.candidate import Embed
from sizewise.data.task import Task
from sizewise.pipeline.bench import Bench
from sizewise.store.files import digest
from sizewise.store.vectors import text_keys


def truncation(bench: Bench, task: Task, candidate: Embed) -> dict[str, Any]:
    """Texts and tokens of the task's text sets, and how many of them the encoder of `candidate` cuts off.

    Counts are None where the model's tokenizer cannot count.
    """
    encoder = bench.encoder(candidate.model)
    totals = np.zeros(4, dtype=np.int64)
    known = True
    for part in task.text_sets():
        prompt = encoder.prompt(part.role, task.prompts)
        key = digest(["tokens", encoder.key(prompt), text_keys(part.texts).tobytes().hex()])
        found = bench.store.find_record(key)
        if found is None:
            counts = encoder.count_tokens(part.texts, prompt)
            if counts is None:
                known = False
                break
            limit = encoder.max_tokens or int(counts.max(initial=0))
            cut = np.maximum(counts - limit, 0)
            found = {"totals": np.array([len(counts), (cut > 0).sum(), counts.sum(), cut.sum()], dtype=np.int64)}
            bench.store.keep_record(key, found)
        totals += found["totals"]
    names = ("texts", "truncated_texts", "tokens", "cut_tokens")
    values = [int(total) for total in totals] if known else [None] * 4
    return {
        "model": str(candidate),
        "task": task.name,
        "limit": encoder.max_tokens,
        **dict(zip(names, values, strict=True)),
    }
