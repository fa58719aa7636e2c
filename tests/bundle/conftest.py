"""Bundles of tiny models, written without their check in a fresh process, which takes seconds."""

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Writer:
    """Writes bundles of candidates that are fitted on one task."""

    bench: object
    task: object
    root: Path

    def __call__(self, text: str, **about) -> Path:
        from sizewise.bundle.write import write
        from sizewise.core.grammar import parse
        from sizewise.pipeline.build import build

        candidate = parse(text)
        folder = self.root / f"bundle-{len(list(self.root.iterdir()))}"
        folder.mkdir()
        about = {"fitted_on": None, "measured": [], "run": None, "cost": None, "decided": [], "decision": None} | about
        write(folder, candidate, build(self.bench, candidate, self.task), about)
        return folder


@pytest.fixture(scope="session")
def task(retrieval_folder):
    from sizewise.data.load import load_task

    return load_task(retrieval_folder)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """One for all: vectors are encoded once."""
    from sizewise.pipeline.bench import Bench
    from sizewise.store.store import Store

    with Store(tmp_path_factory.mktemp("bundle-store")) as store:
        yield Bench(store)


@pytest.fixture(scope="session")
def write_bundle(bench, task, tmp_path_factory) -> Writer:
    return Writer(bench, task, tmp_path_factory.mktemp("bundles"))
