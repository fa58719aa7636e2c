"""Studies hybrids of bm25, small models and a large one on public search tasks, and answers what one asks of them.

    python benchmarks/hybrids.py --out DIR static:./static ./L1 ./L3          beside all-MiniLM-L6-v2 and bm25

Fusion by ranks and by weights that are found, ranking again at depths 5 to 200, always or by a calibrated threshold,
funnels and asymmetric pairs. The models are those of `benchmarks/distil.py`, which keeps the tested queries out of
their text. Stopped, the same command goes on; of a finished run it prints the answers again.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data import data_folder
from sizewise.core.candidate import Asym, Embed, Fuse, Rerank, is_hybrid
from sizewise.core.grammar import parse
from sizewise.data.stdlib import write_demo_tasks
from sizewise.decide.evidence import Compared, TaskFacts
from sizewise.report.hybrids import hybrids
from sizewise.study.run import Run

LARGE = "all-MiniLM-L6-v2"
TASKS = ("arxiv/search", "medquad/liveqa", "pubmedqa", "xquad/en-en")


def study(retrievers: list[str], tasks: list[Path]) -> str:
    """The study file."""
    lines = [
        'name = "hybrids"',
        f"tasks = {json.dumps([str(task) for task in tasks])}",
        f"candidates = {json.dumps([LARGE, *retrievers])}",
        "[hybrids]",
        f"rerankers = {json.dumps([LARGE])}",
        "depths = [5, 10, 20, 50, 100, 200]",
        "risks = [0.5]",
        "fuse = true",
        "tune = true",
        "asym = true",
        "funnels = true",
        "[decide]",
        'minimise = "p95_ms"',
    ]
    return "\n".join(lines) + "\n"


class Answers:
    """What a run says, in Markdown."""

    def __init__(self, run: Run) -> None:
        self.run, self.evidence, self.told = run, run.evidence, hybrids(run, run.terms)
        self.trees = {name: parse(name) for name in self.evidence.candidates}
        self.row = {name: at for at, name in enumerate(self.evidence.candidates)}

    def to_json(self) -> dict[str, Any]:
        """Every candidate and every cascade, in rows."""
        compared, large = self.evidence.compared, self.row[LARGE]
        rows = []
        for name, at in self.row.items():
            cost = self.evidence.figures[name]
            known = [cost.mean_ms, cost.p95_ms, cost.bytes_per_vector]
            scores = [round(float(one.points[at]), 2) for one in compared]
            bounds = [(one.bounds[at, large], one.bounds[large, at]) for one in compared]
            least = [[round(0.0 - float(most), 2), round(float(other), 2)] for most, other in bounds]
            rows.append([name, *(None if one is None else round(one, 2) for one in known), scores, least])
        columns = ("found", "share", "queries", "needed", "always", "against_fixed")
        tasks = {task.name: at for at, task in enumerate(self.evidence.tasks)}
        cascades = [
            [tasks[one["task"]], self.row[one["candidate"]], self.row.get(one["fixed"]), *(one[key] for key in columns)]
            for one in self.told["cascades"]
        ]
        return {
            "tasks": [task.name for task in self.evidence.tasks],
            "large": LARGE,
            "columns": ["candidate", "mean_ms", "p95_ms", "bytes_per_vector", "score by task",
                        "least and largest difference to large by task"],
            "rows": rows,
            "cascade_columns": ["task", "row", "row of the best fixed one", *columns],
            "cascades": rounded(cascades),
            "finalists": self.told["finalists"],
            "seconds": self.run.about["seconds"],
            "environment": self.run.about["environment"],
        }  # fmt: skip

    def lines(self) -> Iterator[str]:
        """All of it."""
        for task, compared in zip(self.evidence.tasks, self.evidence.compared, strict=True):
            yield from self.task(task, compared)
        for one in self.told["finalists"]:
            yield f"finalist: {json.dumps(one)}"
        yield f"{len(self.trees)} candidates; seconds: {json.dumps(self.run.about['seconds'])}"

    def line(self, name: str, compared: Compared) -> str:
        """A row of a table."""
        at, large, cost = self.row[name], self.row[LARGE], self.evidence.figures[name]
        low, high = -compared.bounds[at, large], compared.bounds[large, at]
        lost = f"{compared.points[at] - compared.points[large]:+.2f} ({low:+.2f} to {high:+.2f})"
        size = cost.bytes_per_vector or 0
        return f"| {name} | {compared.points[at]:.2f} | {lost} | {cost.mean_ms:.1f} | {cost.p95_ms:.1f} | {size:.0f} |"

    def task(self, task: TaskFacts, compared: Compared) -> Iterator[str]:
        """Plain candidates, fusions and pairs; the cheapest that hold; depths, funnels and cascades."""
        margin, large = self.run.terms.margin_of(task.name, task.margin), self.row[LARGE]
        yield f"\n### {task.name}: {task.metric}, {task.units:,} queries, margin {margin:g}\n"
        yield "| candidate | score | against always large (bounds) | mean ms | p95 ms | bytes/doc |"
        yield "|---|---|---|---|---|---|"
        for name, one in self.trees.items():
            if isinstance(one, Asym | Fuse) or (not is_hybrid(one) and not getattr(one, "steps", ())):
                yield self.line(name, compared)
        fit = [name for name in self.trees if compared.bounds[self.row[name], large] < margin]
        for cost in ("mean_ms", "p95_ms", "bytes_per_vector"):
            costs = {name: self.evidence.figures[name].value(cost) for name in fit}
            known = [name for name in fit if costs[name] is not None]
            best = min(known, key=lambda name, costs=costs: (costs[name], -compared.points[self.row[name]]))
            yield f"cheapest by {cost} that surely loses less than {margin:g}: {self.line(best, compared)}"
        yield f"best: {self.line(max(self.trees, key=lambda name: compared.points[self.row[name]]), compared)}"
        for name, one in self.trees.items():
            first = one.first if isinstance(one, Rerank) else None
            if (
                isinstance(first, Embed)
                and [step.name for step in first.steps] == ["binary"]
                and one.second == first.plain
            ):
                kept = compared.points[self.row[name]] / compared.points[self.row[str(one.second)]]
                yield f"funnel: {name}: {100 * kept:.2f}% of the floats' score"
        for one in self.told["depths"]:
            if one["task"] == task.name:
                yield (
                    f"depth: {one['first']} > {one['second']}: {one['enough']} is enough ({one['score']:.2f}, ceiling "
                    f"{one['ceiling']:.2f}; {one['deepest']}: {one['deepest_score']:.2f}, {one['deepest_ceiling']:.2f})"
                )
        yield from (f"cascade: {json.dumps(one)}" for one in self.told["cascades"] if one["task"] == task.name)


def rounded(value: Any) -> Any:
    """With numbers to two digits, however deep."""
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return round(value, 2) if isinstance(value, float) else value


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("retrievers", nargs="+")
    asked.add_argument("--out", required=True, type=Path)
    asked.add_argument("--json", type=Path, help="write all figures to this file")
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    stdlib = write_demo_tasks(given.out / "stdlib")[0]
    file, run = given.out / "STUDY.toml", given.out / "run"
    file.write_text(study(given.retrievers, [*(data_folder() / name for name in TASKS), stdlib.resolve()]))
    if not (run / "run.json").exists():
        command = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "study", str(file)]
        done = subprocess.run([*command, "--out", str(run)])
        if done.returncode:
            sys.exit(done.returncode)
    answers = Answers(Run.load(run))
    print("\n".join(answers.lines()))
    if given.json is not None:
        given.json.write_text(json.dumps(answers.to_json(), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
