"""Requests that schemathesis makes of the description of routes: whatever comes, the server does not break."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("SIZEWISE_SCHEMA_EXAMPLES", "60"))
"""For each operation. For 20,000 requests: `SIZEWISE_SCHEMA_EXAMPLES=4000 pytest -s tests/serve/test_schema.py`."""


def test_no_request_breaks_the_server(serving, write_bundle, tiny_model, static_model, tmp_path):
    folders = {
        "bundle": write_bundle(f"{tiny_model}@fp32/onnx+int8"),
        "hybrid": write_bundle(f"rerank(bm25, static:{static_model}, 3)"),
    }
    running = serving(*(f"{name}={folder}" for name, folder in folders.items()))
    (tmp_path / "schemathesis.toml").write_text('[parameters]\n"body.model" = ["bundle", "hybrid", "none"]\n')
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{running.url}/openapi.json"),
            *(
                "--checks",
                "not_a_server_error",
                "--max-examples",
                str(EXAMPLES),
                "--phases",
                "examples,coverage,fuzzing",
            ),
            *("--generation-database", "none", "--seed", "7", "--no-color"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    words = done.stdout + done.stderr
    assert done.returncode == 0, words[-6000:]
    print(words[-800:])
    made = [one for one in running.log if one["event"] == "request" and one["path"] != "/readyz"]
    assert len(made) > 5 * EXAMPLES
    assert not [one for one in running.log if one["event"] == "error"]
    assert sum(one["status"] == 200 for one in made) > 50
    assert {one["status"] for one in made if one["status"] >= 500} == set()
