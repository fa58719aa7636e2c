"""Opening the held-out units: once in a run's life, and that is logged."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from sizewise.core.candidate import Candidate
from sizewise.core.grammar import parse
from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import Evidence
from sizewise.decide.holdout import Positions, confirmation
from sizewise.decide.recommend import choose
from sizewise.decide.terms import Terms
from sizewise.evaluate import record
from sizewise.pipeline.bench import Bench
from sizewise.store.files import write_json


class Recorded(dict[Candidate, Raw]):
    """Records on one task, made when they are asked for: to confirm a choice takes two."""

    def __init__(self, bench: Bench, task: Task) -> None:
        super().__init__()
        self._bench, self._task = bench, task

    def __missing__(self, candidate: Candidate) -> Raw:
        return record(self._bench, self._task, candidate)


def confirmed(
    folder: Path,
    evidence: Evidence,
    terms: Terms,
    tasks: Sequence[Task],
    splits: Sequence[tuple[Positions, Positions]],
    raws: Mapping[str, Mapping[Candidate, Raw]],
    references: Mapping[str, Raw | None],
) -> Mapping[str, Any] | None:
    """What held-out units say of the recommended candidate; None when none are held out or nothing is recommended.

    `confirmation.json` in the run folder is the log: where it exists, the units are not opened again, whatever the
    recommendation has become since.
    """
    path = folder / "confirmation.json"
    if path.exists():
        logged: Mapping[str, Any] = orjson.loads(path.read_bytes())
        return logged
    choice = choose(evidence, terms)
    if choice.candidate is None or not any(len(held) for _, held in splits):
        return None
    stands = {one.task: one for one in choice.tasks}
    results = [
        confirmation(
            task,
            raws[task.name][parse(choice.candidate)],
            raws[task.name][parse(stands[task.name].best)],
            held,
            stands[task.name].margin,
            references[task.name],
        )
        for task, (_, held) in zip(tasks, splits, strict=True)
        if len(held) and task.name in stands
    ]
    found = {"opened": datetime.now(UTC).isoformat(timespec="seconds"), "candidate": choice.candidate, "tasks": results}
    write_json(path, found)
    return found
