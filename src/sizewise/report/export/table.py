"""A table of scores and costs for spreadsheets: one row a candidate and task, and one for each shape."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from sizewise.cost.figures import COSTS
from sizewise.report.export.folder import Folder
from sizewise.study.run import Run

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take for the beginning of a formula (OWASP, "CSV Injection")."""
SCORES = ("task", "kind", "metric", "quality", "score", "low", "high", "approximate", "units", "groups")
END_TO_END = ("p50_ms", "p95_ms", "p99_ms", "memory_mb")
COLUMNS = ("candidate", *SCORES, *COSTS, "source", *(f"end_to_end_{name}" for name in END_TO_END))


def write(run: Run, candidates: list[str], folder: Folder) -> None:
    """results.csv: UTF-8, a header, what is not known is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows(run, candidates))
    folder.write(("results.csv",), [text.getvalue().encode("utf-8", "backslashreplace")])


def rows(run: Run, candidates: list[str]) -> Iterator[dict[str, Any]]:
    """By candidate, then by task. Scores are x100 points; shapes have costs alone."""
    evidence = run.evidence
    for name in candidates:
        figures, whole = evidence.figures[name], evidence.end_to_end.get(name)
        costs: dict[str, Any] = {cost: getattr(figures, cost) for cost in COSTS}
        costs["source"] = figures.source
        if whole is not None:
            costs |= {f"end_to_end_{cost}": getattr(whole, cost) for cost in END_TO_END}
        if name not in evidence.candidates:
            yield {"candidate": name, **costs}
            continue
        at = evidence.candidates.index(name)
        for task, compared in zip(evidence.tasks, evidence.compared, strict=True):
            if not np.isnan(compared.points[at]):
                values = (compared.points[at], compared.low[at], compared.high[at])
                score, low, high = (round(float(value), 6) for value in values)
                about = (task.name, task.kind, task.metric, task.is_quality, score, low, high)
                more = (compared.approximate[at], task.units, task.groups)
                yield {"candidate": name, **dict(zip(SCORES, (*about, *more), strict=True)), **costs}


def cell(value: Any) -> Any:
    """A value as a cell: a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return "" if value is None else value
