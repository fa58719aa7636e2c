"""The example of CONTRIBUTING.md, as somebody else's package: installed beside Sizewise, named nowhere in it."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"
COMMAND = [sys.executable, "-c", "from sizewise.cli.main import run; run()"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """What an installer leaves in site-packages: the module, and the entry points of its pyproject.toml."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(PLUGIN / "sizewise_example.py", site)
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    about = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


@pytest.fixture
def call(installed, tmp_path):
    """Runs the command line with the plugin on the path; returns what it printed."""

    def call(*arguments: str, fails: bool = False) -> str:
        environment = {**os.environ, "PYTHONPATH": str(installed), "SIZEWISE_STORE": str(tmp_path / "store")}
        command = [*COMMAND, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    return call


@pytest.fixture
def pairs(tmp_path) -> str:
    """A task of the plugin's own kind."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    things = ["parcel", "password", "invoice", "courier", "refund", "voucher", "address", "receipt"]
    rows = []
    for thing, other in zip(things, things[1:] + things[:1], strict=True):
        asked = f"where is the {thing}"
        rows.append({"sentence1": asked, "sentence2": f"the {thing}, where is it", "paraphrase": True})
        rows.append({"sentence1": asked, "sentence2": f"send another {other}", "paraphrase": False})
    write(folder / "pairs.jsonl", rows)
    write(folder / "train.jsonl", [{"sentence1": f"my {thing}", "sentence2": f"that {thing}"} for thing in things])
    return str(folder)


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_eval_knows_the_encoder_the_transform_and_the_kind(call, pairs):
    printed = call("eval", "hash:256", "hash:256+center", "--task", pairs, "--json", "-", "--quiet")
    found = json.loads(printed)["results"]
    assert [(one["candidate"], one["kind"], one["units"]) for one in found] == [
        ("hash:256", "paraphrase", 16),
        ("hash:256+center", "paraphrase", 16),
    ]
    assert found[0]["value"] > 90


def test_a_study_measures_and_recommends_it(call, retrieval_folder, tmp_path):
    candidates = ("hash:64", "hash:256", "hash:256+center+int8")
    call("study", "--task", str(retrieval_folder), *candidates, "--out", "run", "--quiet")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    figures = run["evidence"]["figures"]
    assert figures["hash:256"]["p95_ms"] > 0
    assert figures["hash:256"]["bytes_per_vector"] == 1024
    assert figures["hash:256+center+int8"]["bytes_per_vector"] == 256
    recommendation = json.loads((tmp_path / "run" / "recommendation.json").read_text())
    assert recommendation["choice"]["candidate"] in run["evidence"]["candidates"]
    assert "Recommendation" in call("recommend", "run", "--minimise", "bytes_per_vector")


def test_what_is_wrong_is_said_before_work_begins(call, pairs):
    assert "give the number of dimensions" in call("eval", "hash:many", "--task", pairs, fails=True)
    assert "takes no value" in call("study", "--task", pairs, "hash:64+center=3", fails=True)
    assert "unknown kind of encoder" in call("eval", "hush:64", "--task", pairs, fails=True)


def test_hashing_adds_up_by_word(monkeypatch):
    """What the encoder does word by word is what scikit-learn does text by text."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    from sizewise_example import HashEncoder
    from sklearn.feature_extraction.text import HashingVectorizer

    from sizewise.core.candidate import Model

    texts = ["The crane lifted a statue", "a b", "", "Ärger im  Büro"]
    whole = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 4), n_features=128).transform(texts).toarray()
    np.testing.assert_allclose(HashEncoder(Model("hash:128")).encode(texts, "text", ""), whole, atol=1e-6)
