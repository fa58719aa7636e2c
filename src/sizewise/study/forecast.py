"""How long a study will take: from a pilot of each encoder on its own texts."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sizewise.core.grammar import parse
from sizewise.cost.sample import sample
from sizewise.data.load import load_task
from sizewise.data.task import Need, Task
from sizewise.pipeline.bench import calibration_sample
from sizewise.store.store import Store

if TYPE_CHECKING:
    from sizewise.study.study import Study
    from sizewise.study.work import Outline

PILOT_TEXTS = 48
SECONDS_A_RECORD: Mapping[Need, float] = {"pairs": 0.1, "rankings": 0.3, "vectors": 2.5}
"""A derived candidate on a task, about; classification heads and clusterings are fitted."""
SECONDS_AN_ENCODER = 25.0
"""Measuring one encoder's cost."""


def forecast(study: "Study", outline: "Outline") -> Iterator[str]:
    """Lines of a plan: what is to be encoded and about how long it takes, from a timed pilot; then the rest."""
    from sizewise.core.candidate import Embed, encoders
    from sizewise.encode.resolve import resolve

    tasks: list[Task] = [task if isinstance(task, Task) else load_task(task) for task in study.tasks]
    texts = sample(tasks)
    total = 0.0
    for name in dict.fromkeys(model for model, _, _, _ in outline.encodes):
        rows = [(task, missing, there) for model, task, missing, there in outline.encodes if model == name]
        missing = sum(row[1] for row in rows)
        there = sum(row[2] for row in rows)
        if not missing:
            yield f"{name}: all {there:,} texts are in the store"
            continue
        candidate = parse(name)
        assert isinstance(candidate, Embed)
        if candidate.model.is_remote:
            yield f"{name}: {missing:,} texts to encode ({there:,} in the store), over the network: not timed"
            continue
        encoder = resolve(candidate.model, study.trust)
        encoder.calibrate(calibration_sample(tasks))
        encoder.attach(Store(study.store))
        pilot = texts.bulk[:PILOT_TEXTS]
        encoder.encode(pilot[:4], texts.bulk_role, "")
        started = time.perf_counter()
        encoder.encode(pilot, texts.bulk_role, "")
        seconds = missing * (time.perf_counter() - started) / len(pilot)
        total += seconds
        yield f"{name}: {missing:,} texts to encode ({there:,} in the store), about {duration(seconds)}"
    for sends in outline.sends:
        yield f"with --allow-remote it would send {sends}"
    records = len(outline.tasks) * len(outline.candidates)
    total += len(outline.candidates) * sum(SECONDS_A_RECORD[task.needs] for task in tasks)
    measured = {plain for name in outline.candidates for plain in encoders(parse(name))}
    total += len(measured) * SECONDS_AN_ENCODER
    yield f"{records:,} candidate-tasks to score, {len(measured)} encoders to measure"
    yield f"in all about {duration(total)}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
