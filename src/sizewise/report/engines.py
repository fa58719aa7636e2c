"""The certificates of a run's engines, as its page shows them: with the worst texts, where these can be read again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sizewise.certify.certificate import Certificate, Shown
from sizewise.core.text import clipped
from sizewise.data.task import Task
from sizewise.report.again import Tasks
from sizewise.study.run import Run

MOST_TEXT = 300
"""Characters shown of a text."""


def engines(run: Run, *, text: bool, tasks: Tasks) -> Sequence[dict[str, Any]]:
    """A certificate for each engine of the run; a run of an earlier version has none."""
    found = [Certificate.from_json(one) for one in run.about.get("engines", ())]
    return [
        one.to_json()
        | {"rows": list(one.rows()), "shown": [_shown(worst, text=text, tasks=tasks) for worst in one.shown]}
        for one in found
    ]


def _shown(worst: Shown, *, text: bool, tasks: Tasks) -> dict[str, Any]:
    task = tasks.get(worst.task) if worst.task is not None else None
    if text and isinstance(task, Task):
        worst = replace(worst, text=next(part.texts[worst.at] for part in task.text_sets() if part.name == worst.part))
    return {
        "cosine": worst.cosine,
        "source": worst.source,
        "text": None if worst.text is None else clipped(worst.text, MOST_TEXT),
    }
