"""The command as it is typed, in this process or in one of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

COMMAND = [sys.executable, "-c", "from sizewise.cli.main import run; run()"]


@pytest.fixture
def sizewise(fakes, tmp_path, monkeypatch, capsys):
    """`sizewise("eval", ...)` -> code, out and err, with a store of its own. Quick: in this process."""
    from sizewise.cli.main import run
    from sizewise.cost import measure
    from sizewise.study import costing

    monkeypatch.setenv("SIZEWISE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "160")
    for name, value in {"SINGLE_SECONDS": 0.05, "SINGLES": 5, "BULK_SECONDS": 0.01}.items():
        monkeypatch.setattr(measure, name, value)
    monkeypatch.setattr(costing, "FINALISTS", 1)

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["sizewise", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code or 0, out=out, err=err)

    return command


@pytest.fixture
def process(fakes, tmp_path, monkeypatch):
    """`process("cost", ...)`: the command in a process of its own, started."""
    monkeypatch.setenv("SIZEWISE_STORE", str(tmp_path / "store"))
    running = []

    def start(*words, **more):
        environment = dict(os.environ) | more.pop("env", {})
        running.append(
            subprocess.Popen(
                [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=environment, **more
            )
        )  # fmt: skip
        return running[-1]

    yield start
    for one in running:
        if one.poll() is None:
            one.kill()
        one.communicate()


@pytest.fixture(scope="session")
def labels(tmp_path_factory, sentences) -> Path:
    """A small classification task."""
    folder = tmp_path_factory.mktemp("cli") / "labels"
    folder.mkdir()
    for file, texts in (("train", sentences[:60]), ("test", sentences[60:100])):
        rows = [{"text": text, "label": "long" if len(text) > 50 else "short"} for text in texts]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="session")
def write_run(tmp_path_factory):
    """`write_run(name, ...)`: a run of three candidates on two tasks, made up of numbers, in a folder of its own."""
    import numpy as np

    from sizewise.cost.figures import Figures
    from sizewise.cost.price import Prices
    from sizewise.decide.evidence import Compared, Evidence, TaskFacts
    from sizewise.decide.terms import Terms
    from sizewise.stats.compare import upper_bounds
    from sizewise.stats.statistics import Mean, bootstrap
    from sizewise.study.run import Run, RunFolder

    def written(
        name, gains=None, slower=None, data=None, environment=None, limits=None, extra=None, rename="", units=600
    ):
        means = {"small": 0.700, "middle": 0.705, "large": 0.71} | ({extra: 0.5} if extra else {})
        names = tuple(f"{rename}{one}" for one in means)
        tasks, compared = [f"{rename}{one}" for one in ("search", "intents")], []
        for at, _ in enumerate(tasks):
            hard = 0.2 * np.random.default_rng([at, 7]).standard_normal(units)
            values = np.stack([mean + hard + (gains or {}).get(one, 0.0) for one, mean in means.items()])
            found, draws = bootstrap(Mean(values[:, None]), resamples=400)
            bounds = 100 * upper_bounds(found, draws, units)
            compared.append(
                Compared(
                    100 * found, 100 * found - 2, 100 * found + 2, ("",) * len(names),
                    (100 * draws).astype(np.float32), bounds,
                )
            )  # fmt: skip
        facts = tuple(TaskFacts(task, "retrieval", "ndcg@10", units, units, is_quality=True) for task in tasks)
        figures = {}
        for at, (one, full) in enumerate(zip(means, names, strict=True)):
            ms = 10.0 * (at + 1) * (slower or {}).get(one, 1.0)
            figures[full] = Figures(
                mean_ms=ms, p50_ms=ms, p95_ms=ms, texts_per_s=640 / (10 * (at + 1)), memory_mb=800.0 + at, disk_mb=91.0,
                bytes_per_vector=48.0 * 2**at, parameters=22_713_216,
            )  # fmt: skip
        surroundings = {"processor": "one", "threads": 2, "versions": {"sizewise": "0.1.0", "torch": "2.9"}}
        about = {
            "name": name,
            "prices": {one: getattr(Prices(), one) for one in Prices.__slots__},
            "documents": 1000,
            "cost_texts": "made up",
            "environment": surroundings | (environment or {}),
            "truncation": [],
            "tasks": [
                {
                    "name": task, "path": "/none", "protocol": None, "margin": None,
                    "fingerprint": (data or {}).get(task, task),
                }
                for task in tasks
            ],
        }  # fmt: skip
        folder = RunFolder(tmp_path_factory.mktemp("runs") / name)
        folder.path.mkdir()
        terms = Terms("p95_ms", {"memory_mb": 900.0} if limits is None else limits)
        evidence = Evidence(facts, names, tuple(compared), figures, 0.05, 0.05)
        return Run.write(folder, evidence, terms, about, [], [], {}, {}).folder

    return written


@pytest.fixture(scope="session")
def run(write_run) -> Path:
    """The folder of such a run."""
    return write_run("run")
