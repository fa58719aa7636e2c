"""A study of 60 and more candidates from two encodes, timed by part, and killed ten times without losing anything.

    python benchmarks/study.py run  --work DIR     the study undisturbed, with the rates of its parts
    python benchmarks/study.py kill --work DIR     the same, killed with SIGKILL at ten random moments, then compared

`kill` needs the result of `run`, and starts from an empty store. Data: see benchmarks/data.py.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from data import data_folder

TASKS = ("stsb/en", "medquad/liveqa", "pubmedqa", "arxiv/search", "banking77", "cuad")
HEADS = ("banking77", "cuad")
STUDY = """
name = "benchmark"
tasks = [{tasks}]
candidates = ["all-MiniLM-L6-v2", "all-MiniLM-L6-v2@bf16"]
[space]
dimensions = [256, 192, 128, 64]
pca = [256, 128, 64]
vectors = ["float32", "int8", "binary", "binary-asym+rescore=100"]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "kill"))
    parser.add_argument("--work", type=Path, required=True, help="folder for stores and runs")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--busy", type=float, help="seconds that the work takes (default: as the undisturbed run did)")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    study = given.work / "study.toml"
    study.write_text(STUDY.format(tasks=", ".join(f'"{data_folder() / task}"' for task in TASKS)))
    if given.what == "run":
        undisturbed(given.work, study)
    else:
        killed(given.work, study, given.kills, random.Random(given.seed), given.busy)


def command(work: Path, study: Path, name: str) -> list[str]:
    return [
        *(sys.executable, "-c", "from sizewise.cli.main import run; run()"),
        *("study", str(study), "--out", str(work / name), "--store", str(work / f"store-{name}"), "--quiet"),
    ]


def undisturbed(work: Path, study: Path) -> None:
    started = time.perf_counter()
    subprocess.run(command(work, study, "undisturbed"), check=True)
    total = time.perf_counter() - started
    run = json.loads((work / "undisturbed" / "run.json").read_bytes())
    heads = sum(run["score_seconds"][task] for task in run["score_seconds"] if task.endswith(HEADS))
    rest = sum(run["score_seconds"].values()) - heads
    candidates = len(run["evidence"]["candidates"])
    plain = [task for task in run["evidence"]["tasks"] if not task["name"].endswith(HEADS)]
    scored = sum(candidates if task["kind"] == "retrieval" else candidates - 1 for task in plain)
    print(
        json.dumps(
            {
                "candidates": candidates,
                "seconds": run["seconds"] | {"in all": round(total, 1)},
                "candidate-tasks a minute, without heads": round(60 * scored / rest),
                "seconds of classification heads": round(heads, 1),
                "seconds of the joint bootstrap and bounds": run["seconds"]["compare"],
            },
            indent=2,
        )
    )


def killed(work: Path, study: Path, kills: int, dice: random.Random, busy: float | None) -> None:
    """Kill the study at random moments spread over what an undisturbed run takes; then let it end and compare."""
    phases = json.loads((work / "undisturbed" / "run.json").read_bytes())["seconds"]
    busy = busy or sum(seconds for phase, seconds in phases.items() if phase in ("encode", "score", "compare"))
    store = work / "store-killed"
    for number in range(kills):
        process = subprocess.Popen(command(work, study, "killed"))
        moment = dice.uniform(5.0, max(10.0, 2 * busy / kills))
        try:
            process.wait(moment)
            print(f"kill {number + 1}: it had ended before {moment:.1f} s")
            continue
        except subprocess.TimeoutExpired:
            before = finished(store)
            process.send_signal(signal.SIGKILL)
            process.wait()
        print(f"kill {number + 1} after {moment:.1f} s: {before} vectors were finished", flush=True)
        assert finished(store) >= before, "a finished shard is gone"
    subprocess.run(command(work, study, "killed"), check=True)
    compare(work)
    repeated(store)


def finished(store: Path) -> int:
    return sum(file.stat().st_size // 16 for file in store.glob("vectors/*/*.keys"))


def repeated(store: Path) -> None:
    """No text may have been encoded twice."""
    for space in store.glob("vectors/*"):
        keys = np.concatenate([np.frombuffer(file.read_bytes(), dtype="S16") for file in space.glob("*.keys")])
        twice = len(keys) - len(np.unique(keys))
        assert twice == 0, f"{space.name}: {twice} texts encoded twice"
        print(f"{space.name[:12]}: {len(keys)} texts, each encoded once")


def compare(work: Path) -> None:
    with np.load(work / "undisturbed" / "matrices.npz") as one, np.load(work / "killed" / "matrices.npz") as other:
        worst = max(float(np.nanmax(np.abs(one[name].astype(float) - other[name]))) for name in one.files)
    print(f"largest difference of any score, interval, bound or resample: {worst:.2e} points")
    assert worst < 1e-6, worst


if __name__ == "__main__":
    main()
