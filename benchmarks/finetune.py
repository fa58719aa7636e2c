"""Fine-tunes models on public data, has the gate judge each, and prints all arms in one table.

    python benchmarks/finetune.py banking77 --out DIR all-MiniLM-L6-v2 DIR/L3 DIR/L1
    python benchmarks/finetune.py cuad --out DIR all-MiniLM-L6-v2 DIR/L3 DIR/L1
    python benchmarks/finetune.py medquad --out DIR all-MiniLM-L6-v2
    python benchmarks/finetune.py rerankers --out DIR all-MiniLM-L6-v2

The first two train on labels, and hold every model against the first one as it is, too. The third one trains on
questions and answers, in several ways, is judged on LiveQA-Med, and must keep what it had on STS-B. The last one trains
cross-encoders on these and on titles with their abstracts; each ranks 50 again on three tasks. What is there is not
made again; `--jobs N` makes N at once, where a GPU has room. What follows `--` goes to `sizewise finetune`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data import data_folder

LABELS = ("banking77", "cuad")
USUAL = ["--learning-rate", "5e-5", "--epochs", "3"]
ARMS = {
    "in-batch": [*USUAL, "--negatives", "0"],
    "mined": USUAL,
    "mined-3": [*USUAL, "--negatives", "3"],
    "gentle": [],
    "lora": ["--lora", "--learning-rate", "2e-4", "--epochs", "3"],
}
"""Ways to fine-tune on pairs."""
RERANKERS = {
    "mined": [],
    "mined-4": ["--negatives", "4"],
    "mined-8": ["--negatives", "8", "--epochs", "2"],
}
RERANKED = ("medquad/liveqa", "pubmedqa", "arxiv/search")


def commands(on: str, models: list[str], data: Path) -> Iterator[tuple[str, list[str]]]:
    """A name and what to ask of `sizewise finetune` for each arm."""
    for at, model in enumerate(models):
        short = Path(model).name
        if on in LABELS:
            larger = ["--against", models[0]] if at else []
            asked = ["--labels", str(data / on / "train.jsonl"), "--task", str(data / on)]
            yield f"{on}-{short}", [model, *asked, *larger]
        elif on == "rerankers":
            pairs = [
                word
                for name in ("medquad/train.jsonl", "arxiv/pairs.jsonl.gz")
                for word in ("--pairs", str(data / name))
            ]
            tasks = [word for name in RERANKED for word in ("--task", str(data / name))]
            for arm, way in RERANKERS.items():
                yield f"{on}-{short}-{arm}", [model, "--reranker", *pairs, *tasks, *way]
        else:
            asked = ["--task", str(data / "medquad/liveqa"), "--keep", str(data / "stsb/en")]
            for arm, way in ARMS.items():
                yield f"{on}-{short}-{arm}", [model, "--pairs", str(data / "medquad/train.jsonl"), *asked, *way]


def make(out: Path, asked: list[str]) -> dict:
    """What `sizewise finetune` tells, made now unless it was before."""
    told = out.with_suffix(".json")
    if not told.exists():
        program = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "finetune"]
        done = subprocess.run([*program, *asked, "--out", str(out), "--json", str(told), "--quiet"])
        if done.returncode:
            sys.exit(f"{out.name}: sizewise finetune ended with {done.returncode}")
    return json.loads(told.read_bytes())


def table(found: dict[str, dict]) -> Iterator[str]:
    """Markdown: a row for each comparison of each arm."""
    yield "| arm | training, s | task | against | before | after | change | passes |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, told in found.items():
        gate = told["gate"]
        for one, passes in zip(gate["tasks"], gate["passes"], strict=True):
            change = f"{one['after'] - one['before']:+.2f} ({one['low']:+.2f} to {one['high']:+.2f})"
            yield (
                f"| {name} | {told['training']['seconds']:.0f} | {one['task']} | {one['against']} | "
                f"{one['before']:.2f} | {one['after']:.2f} | {change} | {'yes' if passes else 'no'} |"
            )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("on", choices=(*LABELS, "medquad", "rerankers"))
    asked.add_argument("models", nargs="+")
    asked.add_argument("--out", required=True, type=Path)
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--arms", nargs="*", help="only these, of medquad and rerankers")
    mine, rest = sys.argv[1:], []
    if "--" in mine:
        mine, rest = mine[: mine.index("--")], mine[mine.index("--") + 1 :]
    given = asked.parse_args(mine)
    given.out.mkdir(parents=True, exist_ok=True)
    arms = {name: [*words, *rest] for name, words in commands(given.on, given.models, data_folder())}
    if given.arms:
        arms = {name: words for name, words in arms.items() if any(name.endswith(f"-{arm}") for arm in given.arms)}
    with ThreadPoolExecutor(given.jobs) as pool:
        done = dict(zip(arms, pool.map(lambda name: make(given.out / name, arms[name]), arms), strict=True))
    print("\n".join(table(done)))


if __name__ == "__main__":
    main()
