"""The embedded model through the command line, against what was measured before."""

import json
import time
from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.slow


@pytest.fixture
def stsb():
    folder = DATA / "stsb" / "en"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    return folder


def test_stsb(sizewise, stsb, tmp_path):
    words = [
        "eval",
        "all-MiniLM-L6-v2",
        "all-MiniLM-L6-v2+truncate=128",
        "--task",
        stsb,
        "--json",
        tmp_path / "out.json",
    ]
    found = sizewise(*words)
    assert found.code == 0, found.err
    whole, cut = json.loads((tmp_path / "out.json").read_bytes())["results"]
    assert whole["value"] == pytest.approx(82.03, abs=0.05)
    assert cut["value"] == pytest.approx(80.7, abs=0.1)
    assert whole["ci95"][0] < 82.03 < whole["ci95"][1]
    assert (whole["units"], whole["task"], whole["metric"]) == (1379, "stsb/en", "spearman")
    started = time.perf_counter()
    again = sizewise(*words)
    assert again.code == 0
    assert time.perf_counter() - started < 15, "nothing is encoded again"
    assert json.loads((tmp_path / "out.json").read_bytes())["results"][0]["value"] == whole["value"]
