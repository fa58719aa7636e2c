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
