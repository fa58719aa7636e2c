"""A study killed at any moment goes on from there, and two do not share a run folder."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.study.run import Run, RunFolder

SCRIPT = """
import sys
from sizewise.cost import measure
from sizewise.encode import stored
from sizewise.study import costing
from sizewise.study.study import Study

measure.SINGLE_SECONDS, measure.SINGLES, measure.BULK_SECONDS = 0.05, 5, 0.01
stored.SHARD_CHARACTERS = 400
costing.FINALISTS = 1
tasks, store, out = sys.argv[3:], sys.argv[1], sys.argv[2]
Study(tasks, ["fake:slow", "fake:slow+int8", "fake:slow+pca=8"], store=store, threads=1).run(out)
"""


@pytest.fixture
def started(fake_encoders, tasks, tmp_path, monkeypatch):
    """`started(name)`: a real process that runs a study with store and run folder of that name."""
    monkeypatch.setenv("PYTHONPATH", str(fake_encoders))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    processes = []

    def start(name):
        folders = [str(tmp_path / f"{name}-store"), str(tmp_path / f"{name}-run")]
        wanted = [str(tasks[kind]) for kind in ("retrieval", "similarity", "clustering")]
        command = [sys.executable, "-c", SCRIPT, *folders, *wanted]
        processes.append(
            subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)
        )
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(process):
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 0, errors


def encoded(tmp_path):
    log = tmp_path / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(int(line.split()[2]) for line in lines if line.startswith("study"))


def kill_group(process):
    """The study and the processes that it started, as when a machine goes down."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_with_the_same_numbers(started, tmp_path, kills):
    begun = time.perf_counter()
    finished(started("whole"))
    took = time.perf_counter() - begun
    once = encoded(tmp_path)
    (tmp_path / "log").unlink()
    chance = random.Random()  # at other moments every time
    for _ in range(kills):
        process = started("killed")
        time.sleep(chance.uniform(0.3, 0.95) * took)
        kill_group(process)
    finished(started("killed"))
    whole, killed = Run.load(tmp_path / "whole-run").evidence, Run.load(tmp_path / "killed-run").evidence
    assert whole.candidates == killed.candidates
    for one, other in zip(whole.compared, killed.compared, strict=True):
        for name in ("points", "low", "high", "draws", "bounds"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-6)
    assert once <= encoded(tmp_path) < once + kills * 60, "each kill loses one shard at most"
    left = [path for folder in ("killed-run", "killed-store") for path in (tmp_path / folder).rglob("*.tmp")]
    assert len(left) <= kills


def test_two_studies_do_not_share_a_run_folder(started, tmp_path):
    folder = RunFolder(tmp_path / "shared-run")
    with folder.locked():
        with pytest.raises(InputError, match=r"another process is running a study in .*shared-run; wait for it or"):
            folder.locked().__enter__()
        process = started("shared")
        assert "another process is running a study in" in process.communicate(timeout=60)[1]
        assert process.returncode != 0
        assert not (tmp_path / "log").exists(), "nothing was begun"
    with folder.locked():
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match=r"the run folder .* cannot be written \(.*\); choose another --out"):
            RunFolder(path).locked().__enter__()
