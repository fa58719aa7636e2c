"""A study of 1,000,000 short generated documents with an encoder from outside the package, and its peak memory.

    python benchmarks/million.py --work DIR [--documents 1000000]

The encoder is the feature-hashing example of CONTRIBUTING.md (`hash:256`), found through its entry point. Memory is
that of the study and of all processes together (proportional set size, so that what they share counts once),
sampled ten times a second; files that are only mapped count too.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
QUERIES = 200
VOCABULARY = 60_000
CANDIDATES = ("hash:256", "hash:256+int8", "hash:256+binary+rescore=100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=1_000_000)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    task = given.work / "generated"
    if not task.exists():
        generate(task, given.documents)
    started = time.perf_counter()
    process = subprocess.Popen(
        [
            *(
                sys.executable,
                "-c",
                "from sizewise.cli.main import run; run()",
                "study",
                "--task",
                str(task),
                *CANDIDATES,
            ),
            *("--out", str(given.work / "run"), "--store", str(given.work / "store"), "--quiet"),
        ],
        env={**os.environ, "PYTHONPATH": f"{plugin(given.work)}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    own, together = watch(process)
    run = json.loads((given.work / "run" / "run.json").read_bytes())
    found = {
        "documents": given.documents,
        "seconds": round(time.perf_counter() - started, 1),
        "phases": run["seconds"],
        "peak_gb": {"study": round(own / 1e9, 2), "all processes": round(together / 1e9, 2)},
        "scores": dict(zip(run["evidence"]["candidates"], scores(given.work / "run"), strict=True)),
    }
    print(json.dumps(found, indent=2))
    assert process.returncode == 0
    assert together < 4e9, "over 4 GB"


def generate(folder: Path, count: int) -> None:
    """Documents of 6 to 12 made-up words, and queries of half the words of some of them, half of those misspelt."""
    dice = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(dice.choice(letters, dice.integers(4, 10))) for _ in range(VOCABULARY)])
    (folder / "qrels").mkdir(parents=True)
    asked = set(dice.choice(count, QUERIES, replace=False).tolist())
    queries, relevant = [], ["query-id\tcorpus-id\tscore"]
    with (folder / "corpus.jsonl").open("w") as corpus:
        for number in range(count):
            text = words[(VOCABULARY * dice.random(dice.integers(6, 13)) ** 2).astype(int)].tolist()
            corpus.write(f'{{"_id": "d{number}", "title": "", "text": "{" ".join(text)}"}}\n')
            if number in asked:
                half = text[: len(text) // 2]
                half[0] = half[0][:2] + half[0][3:]
                queries.append(json.dumps({"_id": f"q{number}", "text": " ".join(half)}))
                relevant.append(f"q{number}\td{number}\t1")
    (folder / "queries.jsonl").write_text("\n".join(queries) + "\n")
    (folder / "qrels" / "test.tsv").write_text("\n".join(relevant) + "\n")


def plugin(work: Path) -> Path:
    """A folder for PYTHONPATH with the example plugin, installed as pip would: module and entry points."""
    site = work / "site"
    about = site / "sizewise_example-0.1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (site / "sizewise_example.py").write_bytes((ROOT / "examples" / "plugin" / "sizewise_example.py").read_bytes())
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sizewise-example\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text("[sizewise.encoders]\nhash = sizewise_example:HashEncoder\n")
    return site


def watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Peak bytes of the process, and of it and its descendants together, until it ends."""
    own = together = 0
    while process.poll() is None:
        sizes = {pid: proportional_bytes(pid) for pid in family(process.pid)}
        own = max(own, sizes.get(process.pid, 0))
        together = max(together, sum(sizes.values()))
        time.sleep(0.1)
    return own, together


def family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            found += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except OSError:
            continue
    return found


def proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def scores(run: Path) -> list[float]:
    with np.load(run / "matrices.npz") as matrices:
        return [round(float(point), 2) for point in matrices["points_0"]]


if __name__ == "__main__":
    main()
