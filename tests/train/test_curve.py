"""Learning curves: growing parts, frozen and fine-tuned, on what was trained on and on what was not."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.progress import Silent
from sizewise.data.load import load_task
from sizewise.data.seen import Seen
from sizewise.pipeline.bench import Bench
from sizewise.report.curve import curve_chart, curve_svg
from sizewise.train.curve import SHARES, learning_curve, part_of, parts, trained_on
from sizewise.train.examples import read_labels
from sizewise.train.finetune import FineTuning


@pytest.fixture
def folder(tmp_path, sentences):
    task = tmp_path / "intents"
    task.mkdir()
    rows = [
        json.dumps({"text": text, "label": "wet" if "river" in text or "rain" in text else "dry"}) for text in sentences
    ]
    (task / "train.jsonl").write_text("\n".join(rows[:120]))
    (task / "test.jsonl").write_text("\n".join(rows[120:]))
    return task


def test_parts_grow_and_hold_each_other(folder):
    examples = read_labels([folder / "train.jsonl"], Seen.of([]))
    found = [part for _, part in parts(examples, (), seed=0)]
    assert [len(part) for part in found] == [round(share * 120) for share in SHARES]
    for small, large in pairwise(found):
        assert set(small.texts) < set(large.texts)
    few = list(parts(examples, (4, 2), seed=0))
    assert [each for each, _ in few] == [2, 4, None]
    assert [len(part) for _, part in few] == [4, 8, 120]


def test_frozen_and_fine_tuned_on_growing_parts(folder, tiny_model, tmp_path, store, monkeypatch):
    task, examples = load_task(folder), read_labels([folder / "train.jsonl"], Seen.of([]))
    model = Model(str(tiny_model))
    asked = FineTuning(model, epochs=2, batch=16, learning_rate=2e-3)
    bench = Bench(store, progress=Silent())
    found = list(learning_curve([model], examples, task, asked, bench, tmp_path / "models", (4,)))
    assert [(one.arm, one.texts, one.per_label) for one in found] == [
        ("frozen", 8, 4), ("fine-tuned", 8, 4), ("frozen", 120, None), ("fine-tuned", 120, None)
    ]  # fmt: skip
    for one in found:
        assert 0 <= one.low <= one.held_out <= one.high <= 100
        assert one.training >= 50
    from sizewise.core.grammar import parse
    from sizewise.evaluate import record

    whole = record(bench, task, parse(str(tiny_model)))
    right = 100 * np.mean(whole["predictions"][:, 0] == task.test_codes)
    assert found[2].held_out == pytest.approx(right), "with all texts it is the task's own score"

    from sizewise.train import curve

    monkeypatch.setattr(curve, "finetune", None)
    again = list(learning_curve([model], examples, task, asked, bench, tmp_path / "models", (4,)))
    assert again == found, "nothing is trained twice"
    with pytest.raises(TypeError):  # that there is nothing to train with
        next(
            p for p in learning_curve([model], examples, task, replace(asked, seed=1), bench, tmp_path / "models", (4,))
        )
    chart = curve_chart(found)
    assert len(chart["data"]["values"]) == 8
    assert curve_svg(found).startswith("<svg")


def test_its_tasks_are_others(folder):
    task = load_task(folder)
    examples = read_labels([folder / "train.jsonl"], Seen.of([]))
    some = part_of(task, examples.few(3, seed=0))
    known = trained_on(some)
    assert len(some.train) == len(known.test) == 6
    assert [task.labels[code] for code in some.train_codes] == [
        "wet" if "river" in text or "rain" in text else "dry" for text in some.train
    ]
    assert len({task.fingerprint, some.fingerprint, known.fingerprint}) == 3
    assert replace(task).fingerprint == task.fingerprint
