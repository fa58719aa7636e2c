"""A run's tasks are read again only where they are what the run was made with."""

import pytest

from sizewise.core.errors import InputError
from sizewise.data.load import load_task
from sizewise.study.source import Source, source


@pytest.fixture
def folder(tasks, tmp_path):
    import shutil

    return shutil.copytree(tasks["fidelity"], tmp_path / "fidelity")


def test_the_same_task_again(folder):
    task = load_task(folder)
    assert source(task).load().fingerprint == task.fingerprint


def test_gone(folder):
    found = source(load_task(folder))
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(InputError, match="cannot be read again"):
        found.load()


def test_other_data(folder):
    found = source(load_task(folder))
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "new", "title": "", "text": "one more"}\n')
    with pytest.raises(InputError, match="has changed"):
        found.load()


def test_another_reference(folder):
    (folder / "task.toml").write_text('reference = "fake:words"\n')
    found = source(load_task(folder))
    assert found.reference == "fake:words"
    (folder / "task.toml").write_text('reference = "fake:letters"\n')
    with pytest.raises(InputError, match="has changed"):
        found.load()


def test_settings_of_the_study_come_back(tasks):
    again = Source("named", str(tasks["retrieval"]), None, load_task(tasks["retrieval"], name="named").fingerprint, 0.5)
    task = again.load()
    assert (task.name, task.margin) == ("named", 0.5)
