"""`[ladder]`: rungs are made once, stand among the candidates, and are held against what they were made from."""

import json

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.store.prepared import FOLDER
from sizewise.study.config import read_config
from sizewise.study.rungs import Ladder
from sizewise.study.study import Study
from sizewise.train import teacher


@pytest.fixture(autouse=True)
def no_costs(cheap_costs):
    patch = cheap_costs()
    yield
    patch.undo()


@pytest.fixture
def ladder(tiny_model, monkeypatch):
    monkeypatch.setattr(teacher, "quick", lambda model: model)
    return Ladder(str(tiny_model), layers=(1,), static=True, epochs=1.0)


def test_the_rungs_of_a_study(ladder, tiny_model, similarity_folder, retrieval_folder, tmp_path, heard):
    told = heard()
    study = Study(
        [str(similarity_folder), str(retrieval_folder)], [], ladder=ladder, store=tmp_path / "store", threads=1,
        progress=told,
    )  # fmt: skip
    assert set(study.plan().candidates) == {str(tiny_model), "bm25"}
    assert f"ladder: L1, static would be made from {tiny_model} first" in told.said
    run = study.run(tmp_path / "run")
    models = tmp_path / "run" / "models"
    l1, static = str(models / "L1"), f"static:{models / 'static'}"
    assert set(run.evidence.candidates) == {str(tiny_model), l1, static, "bm25"}
    assert {name: one.start for name, one in run.evidence.origins.items()} == {
        l1: str(tiny_model),
        static: str(tiny_model),
    }
    about = json.loads((models / "L1" / "training.json").read_text())
    assert about["sources"] == ["the tasks of the study"]
    kept = list((tmp_path / "store" / FOLDER).glob("*/model/training.json"))
    assert len(kept) == 2
    assert not list((tmp_path / "store" / FOLDER).glob(".*/")), "no half work stays"
    assert any("ladder: " in line and "texts to train on" in line for line in told.said)

    before = {path: path.stat().st_mtime_ns for path in kept}
    again = Study(
        [str(similarity_folder), str(retrieval_folder)], [], ladder=ladder, store=tmp_path / "store", threads=1
    ).run(tmp_path / "other")
    assert {path: path.stat().st_mtime_ns for path in kept} == before, "a recipe is made once"
    for before, after in zip(run.evidence.compared, again.evidence.compared, strict=True):
        assert np.array_equal(before.points, after.points, equal_nan=True)


def test_what_a_made_candidate_was_made_from_is_added(ladder, tiny_model, similarity_folder, tmp_path, heard):
    Study([str(similarity_folder)], [], ladder=ladder, store=tmp_path / "store", threads=1).run(tmp_path / "run")
    told = heard()
    made = str(tmp_path / "run" / "models" / "L1")
    run = Study(
        [str(similarity_folder)], [made], store=tmp_path / "store", threads=1, progress=told
    ).run(tmp_path / "other")  # fmt: skip
    assert str(tiny_model) in run.evidence.candidates
    assert run.evidence.origins[made].start == str(tiny_model)
    assert f"{tiny_model}: added, since candidates were made from it" in told.said


def read(tmp_path, text):
    (tmp_path / "STUDY.toml").write_text(f'tasks = ["x"]\n{text}')
    return read_config(tmp_path / "STUDY.toml")


def test_what_a_study_file_may_say(tmp_path):
    found = read(
        tmp_path, '[ladder]\nfrom = "m"\nlayers = [3, 1]\nstatic = true\ntext = ["a.jsonl"]\nepochs = 2\nseed = 4'
    )
    assert found.ladder == Ladder("m", (3, 1), True, (tmp_path / "a.jsonl",), 2, 4)
    assert found.ladder.names == ["L3", "L1", "static"]
    assert read(tmp_path, '[ladder]\nfrom = "m"\nstatic = true\ntext = "b"').ladder.text == (tmp_path / "b",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ladder]\nlayers = [1]", "ladder.from is missing"),
        ('[ladder]\nfrom = "m"', "ladder names no rung"),
        ('[ladder]\nfrom = "m"\nlayers = [0]', "ladder.layers must be a list of whole numbers above zero"),
        ('[ladder]\nfrom = "m"\nstatic = 1', "ladder.static must be true or false"),
        ('[ladder]\nfrom = "m"\nlayers = [1]\nepochs = 0', "ladder.epochs must be above zero"),
        ('[ladder]\nfrom = "m"\nlayer = [1]', "ladder.layer is not known; did you mean layers?"),
    ],
)
def test_what_it_may_not(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
