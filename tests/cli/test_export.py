"""`sizewise export`: what it says; what it writes is tested in tests/report/test_export.py."""

import csv
import json
from pathlib import Path

import pytest


def test_a_table(sizewise, run, tmp_path):
    found = sizewise("export", run, "--as", "csv", "--out", tmp_path / "out", "--candidate", "small")
    assert (found.code, found.out) == (0, f"1 file in {tmp_path / 'out'}\n")
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["candidate"], row["task"]) for row in rows] == [("small", "search"), ("small", "intents")]


def test_results_for_mteb(sizewise, run, tmp_path):
    found = sizewise("export", run, "--as", "mteb", "--out", tmp_path / "out")
    assert found.code == 0
    listed = json.loads(sizewise("export", run, "--as", "mteb", "--out", tmp_path / "out", "--json", "-").out)
    assert len(listed["files"]) == 9
    assert all(Path(path).is_file() for path in listed["files"])
    assert found.out.startswith(f"9 files in {tmp_path / 'out'}\n"), "three candidates, two tasks, three of metadata"
    assert "the tasks are yours and not those of MTEB" in found.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--as", "trec"], "has no rankings of these candidates"),
        (["--as", "xml"], "Invalid value for '--as'"),
        (["--as", "csv", "--candidate", "smal"], "has no candidate 'smal'; did you mean small?"),
        ([], "Missing option '--as'"),
    ],
)
def test_what_can_be_wrong(sizewise, run, tmp_path, words, message):
    found = sizewise("export", run, "--out", tmp_path / "out", *words)
    assert (found.code, found.out) == (2, "")
    assert message in found.err
    assert found.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
