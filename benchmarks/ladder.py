"""Studies the ladder below one model: where is size worth its price, and where is it not?

    python benchmarks/ladder.py --out DIR                      makes the rungs first, on the text of distil.py's `mixed`
    python benchmarks/ladder.py --out DIR --rungs static:S L1 L2 L3      with rungs that are there

Static, one, two, three and six layers x dimensions x precisions, on similarity, retrieval, intents, clauses and topics.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from distil import TEACHER, TEXTS

from data import data_folder

TASKS = ("stsb/en", "medquad/liveqa", "banking77", "cuad", "arxiv")


def study(rungs: list[str], data: Path) -> str:
    """The study file."""
    tasks = [str(data / name) for name in TASKS]
    lines = [
        'name = "ladder"',
        f"tasks = {json.dumps(tasks)}",
        f"candidates = {json.dumps([TEACHER, *rungs] if rungs else [])}",
        "[space]",
        "dimensions = [256, 128, 64]",
        'vectors = ["float32", "int8", "binary"]',
        "[decide]",
        'minimise = "p95_ms"',
    ]
    if not rungs:
        text = [str(data / name) for name in TEXTS["mixed"]]
        lines += [
            "[ladder]",
            f'from = "{TEACHER}"',
            "layers = [3, 2, 1]",
            "static = true",
            f"text = {json.dumps(text)}",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--out", required=True, type=Path)
    asked.add_argument("--rungs", nargs="*", default=[])
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "STUDY.toml"
    file.write_text(study(given.rungs, data_folder()))
    command = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "study", str(file)]
    sys.exit(subprocess.run([*command, "--out", str(given.out / "run")]).returncode)


if __name__ == "__main__":
    main()
