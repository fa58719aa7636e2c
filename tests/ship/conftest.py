"""A run of tiny models whose costs are made up, so that no process is started, and builds that are checked in here."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ship_store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ship") / "store"


@pytest.fixture
def here(monkeypatch):
    """The check of a new bundle runs in this process: a fresh one takes seconds."""
    from sizewise.bundle.verify import verify
    from sizewise.ship import build

    monkeypatch.setattr(build.fresh, "verify", lambda folder, threads=None: verify(folder))


@pytest.fixture(scope="session")
def make_run(cheap_costs, ship_store):
    """`make_run(folder, tasks, candidates)` -> Run."""
    from sizewise.study.study import Study

    def run(folder, tasks, candidates, **more):
        patch = cheap_costs()
        try:
            return Study(tasks, candidates, store=ship_store, threads=1, **more).run(folder)
        finally:
            patch.undo()

    return run


@pytest.fixture(scope="session")
def run(make_run, retrieval_folder, similarity_folder, tiny_model, tmp_path_factory):
    """Two tasks, candidates with and without fitting."""
    candidates = [f"{tiny_model}{steps}" for steps in ("", "+int8", "+truncate=16", "+pca=16+int8")]
    folder = tmp_path_factory.mktemp("runs") / "run"
    return make_run(folder, [retrieval_folder, similarity_folder], candidates, name="two tasks")
