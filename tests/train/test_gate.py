"""The gate and the refusal: a made model against what it was made from, on units that it never saw."""

from dataclasses import replace

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.data.seen import Seen
from sizewise.pipeline.bench import Bench
from sizewise.train import teacher as teachers
from sizewise.train.adapter import Adapter
from sizewise.train.distil import Distillation, distil
from sizewise.train.gate import OnTask, Verdict, gate
from sizewise.train.texts import TrainingText
from sizewise.train.texts import tested_texts as all_tested
from sizewise.train.unseen import check_unseen, overlap


@pytest.fixture
def bench(store):
    return Bench(store)


@pytest.fixture
def made(tiny_model, training_texts, tmp_path, store, monkeypatch):
    """A distilled model that is trained on the texts that it is given."""
    monkeypatch.setattr(teachers, "quick", lambda model: model)

    def make(*more):
        text = replace(training_texts, texts=(*training_texts.texts, *more))
        asked = Distillation(Model(str(tiny_model)), layers=1, epochs=1, batch_tokens=512)
        distil(asked, text, tmp_path / "made", Bench(store))
        return str(tmp_path / "made")

    return make


def test_a_model_against_itself(bench, tiny_model, retrieval_folder, similarity_folder):
    tasks = [load_task(retrieval_folder), load_task(similarity_folder)]
    same = parse(str(tiny_model))
    kept = gate(bench, same, same, keeps=tasks, margin=5)
    assert [one.after - one.before for one in kept.tasks] == [0, 0]
    assert all(one.low <= 0 <= one.high for one in kept.tasks)
    gained = gate(bench, same, same, gains=tasks)
    assert not gained.ships
    assert gained.words()[0].endswith(f"don't ship: {tasks[0].name}, {tasks[1].name}")
    assert "no gain shown" in gained.words()[1]


def test_it_must_beat_others_too(bench, tiny_model, made, retrieval_folder, similarity_folder):
    start, other = parse(made()), parse(str(tiny_model))
    tasks = {"gains": [load_task(retrieval_folder)], "keeps": [load_task(similarity_folder)]}
    found = gate(bench, start, start, **tasks, against=[other, parse("bm25")])
    assert [one.against for one in found.tasks] == [str(start), str(other), "bm25", str(start)]
    assert found.tasks[1].before == gate(bench, other, other, tasks["gains"]).tasks[0].before


def test_a_worse_one_is_not_shipped(bench, tiny_model, made, retrieval_folder):
    task = load_task(retrieval_folder)
    found = gate(bench, parse(str(tiny_model)), parse(made()), keeps=[task], margin=0.01)
    one = found.tasks[0]
    assert (one.units, one.margin, one.must_gain) == (20, 0.01, False)
    assert one.low <= one.after - one.before <= one.high
    assert not found.ships
    assert "of 0.01 points" in found.words()[1] or "beyond 0.01 points" in found.words()[1]


def test_an_adapter_stands_beside(bench, tiny_model, retrieval_folder):
    task, same = load_task(retrieval_folder), parse(str(tiny_model))
    nothing = Adapter(np.zeros((32, 32), np.float32), 1.0)
    found = gate(bench, same, same, gains=[task], adapter=nothing)
    assert [one.against for one in found.tasks] == [str(same), f"{same} with a linear adapter of its queries"]
    assert found.tasks[0].before == pytest.approx(found.tasks[1].before)


@pytest.mark.parametrize(
    ("low", "high", "must_gain", "passes", "said"),
    [
        (0.1, 2.0, True, True, "a gain"),
        (-0.1, 2.0, True, False, "no gain shown"),
        (-2.0, -0.1, True, False, "a loss"),
        (-1.9, 0.0, False, True, "no loss of 2 points"),
        (-2.1, 0.0, False, False, "a loss beyond 2 points not excluded"),
        (-5.0, -2.1, False, False, "a loss beyond 2 points shown"),
    ],
)
def test_what_an_interval_says(low, high, must_gain, passes, said):
    one = OnTask("t", "x", "accuracy", 9, 50.0, 50.0 + (low + high) / 2, low, high, "", must_gain, 2.0)
    assert one.passes is passes
    assert one.words().endswith(f"units: {said}")
    assert Verdict("x", "y", (one,)).ships is passes
    assert Verdict("x", "y", (one,)).to_json()["ships"] is passes


def test_no_tasks_no_verdict():
    assert not Verdict("x", "y", ()).ships


def test_texts_that_it_was_trained_on_are_not_scored(bench, tiny_model, made, retrieval_folder):
    task = load_task(retrieval_folder)
    query = next(all_tested(task))
    name = made(query.upper())
    with pytest.raises(InputError, match=rf"was trained on 1 of the 20 texts that {task.name} .* means nothing"):
        gate(bench, parse(str(tiny_model)), parse(name), keeps=[task])
    with pytest.raises(InputError, match="make the model again with --task"):
        check_unseen([parse(f"{name}+int8")], [task])


def test_near_duplicates_are_told(made, retrieval_folder):
    task = load_task(retrieval_folder)
    words = next(all_tested(task)).split()
    name = made(", ".join(reversed(words)) + " 42!")
    assert check_unseen([parse(name)], [task]) == [
        f"{name} was trained on near-duplicates of 1 of the 20 texts that {task.name} tests"
    ]


def test_what_is_offered_for_training_is_not_tested(retrieval_folder):
    task = load_task(retrieval_folder)
    documents = next(part.texts for part in task.text_sets() if part.name == "documents")
    assert overlap(task, Seen.of(documents)).exact == 0
    assert set(TrainingText(tuple(documents), 0, 0, 0).texts).isdisjoint(all_tested(task))


def test_models_from_elsewhere_have_seen_nothing_known(tiny_model, retrieval_folder):
    task = load_task(retrieval_folder)
    assert check_unseen([parse(str(tiny_model)), parse("bm25"), parse("shape:bert-large")], [task]) == []
