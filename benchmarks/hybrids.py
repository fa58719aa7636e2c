"""Studies hybrids of bm25, a static model and a transformer on public search tasks.

    python benchmarks/hybrids.py --out DIR static:./static          retrievers beside all-MiniLM-L6-v2 and bm25

Fusion by ranks and scores, ranking again at depths 5 to 200, always or by margin, funnels and asymmetric pairs.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from data import data_folder

LARGE = "all-MiniLM-L6-v2"
TASKS = ("arxiv/search", "medquad/liveqa", "pubmedqa", "xquad/en-en")


def study(retrievers: list[str], data: Path) -> str:
    """The study file."""
    lines = [
        'name = "hybrids"',
        f"tasks = {json.dumps([str(data / name) for name in TASKS])}",
        f"candidates = {json.dumps([LARGE, *retrievers])}",
        "[hybrids]",
        f"rerankers = {json.dumps([LARGE])}",
        "depths = [5, 10, 20, 50, 100, 200]",
        "weights = [0.2, 0.5, 0.8]",
        "margins = [0.02, 0.05, 0.1]",
        "fuse = true",
        "asym = true",
        "funnels = true",
        "[decide]",
        'minimise = "p95_ms"',
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("retrievers", nargs="+")
    asked.add_argument("--out", required=True, type=Path)
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "STUDY.toml"
    file.write_text(study(given.retrievers, data_folder()))
    command = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "study", str(file)]
    sys.exit(subprocess.run([*command, "--out", str(given.out / "run")]).returncode)


if __name__ == "__main__":
    main()
