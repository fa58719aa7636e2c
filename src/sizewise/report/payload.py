"""What a report page reads: a run as plain JSON, everything in it that a browser needs to decide again."""

import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.cost.figures import COSTS, MORE_IS_BETTER
from sizewise.decide.evidence import Compared, Evidence
from sizewise.decide.frontier import Point, marginal, points, steps
from sizewise.decide.recommend import SATURATED
from sizewise.decide.recommendation import OTHER_MARGINS, Recommendation
from sizewise.decide.words import MONEY, MOST_NAMES, TOLD, UNITS
from sizewise.report.chart import frontier_chart
from sizewise.report.terminal import SHORT
from sizewise.stats.compare import MIN_GROUPS_FOR_PROOF
from sizewise.study.run import Run

MOST_MATRIX_BYTES = 4_500_000
"""Of the packed bounds of all tasks; a larger run's page shows the answer and cannot decide again."""
NOT_KNOWN = np.iinfo(np.int16).min
DECIMALS = 4
"""Of what is only shown. What a decision reads is written in full."""


def payload(run: Run, found: Recommendation) -> dict[str, Any]:
    """The run and its recommendation; what is missing in a figure or score is null."""
    evidence, terms = run.evidence, found.terms
    matrices = [packed(one.bounds) for one in evidence.compared]
    fits = sum(map(len, matrices)) <= MOST_MATRIX_BYTES
    ladders = {name: points(evidence, replace(terms, minimise=name)) for name in known_costs(evidence)}
    return {
        "name": run.about["name"],
        "folder": str(run.folder),
        "options": [
            part
            for name, value in run.about.get("repriced", {}).items()
            for part in (f"--{name.replace('_', '-')}", str(value))
        ],
        "terms": asdict(terms),
        "study_terms": asdict(run.terms),
        "costs": {
            "names": COSTS,
            "known": list(ladders),
            "more_is_better": MORE_IS_BETTER,
            "money": MONEY,
            "told": TOLD,
            "units": UNITS,
            "short": SHORT,
        },
        "tasks": list(_tasks(evidence)),
        "candidates": evidence.candidates,
        "shapes": evidence.shapes,
        "plain": evidence.plain,
        "origins": {name: asdict(origin) for name, origin in evidence.origins.items()},
        "points": [_exact(one.points) for one in evidence.compared],
        "low": [_exact(one.low) for one in evidence.compared],
        "high": [_exact(one.high) for one in evidence.compared],
        "approximate": [one.approximate for one in evidence.compared],
        "bounds": matrices if fits else None,
        "decided": None if fits else {name: found.to_json()[name] for name in ("choice", "infeasible", "best")},
        "largest_bound": [_largest(one) for one in evidence.compared],
        "figures": {name: one.to_json() for name, one in evidence.figures.items()},
        "end_to_end": {name: one.to_json() for name, one in evidence.end_to_end.items()},
        "searches": run.about["searches"],
        "drift": {name: evidence.drift(name) for name in COSTS},
        "charts": {name: _chart(evidence, found, name, ladder) for name, ladder in ladders.items()},
        "ladders": {name: [_point(point) for point in ladder] for name, ladder in ladders.items()},
        "marginal": {name: list(_marginal(evidence, name, ladder)) for name, ladder in ladders.items()},
        "fidelity_only": found.fidelity_only,
        "saturated": SATURATED,
        "other_margins": OTHER_MARGINS,
        "fewest_groups": MIN_GROUPS_FOR_PROOF,
        "most_names": MOST_NAMES,
        **{name: run.about[name] for name in ("slices", "truncation", "confirmation", "environment", "prices")},
        **{name: run.about[name] for name in ("documents", "seconds", "cost_texts")},
    }


def known_costs(evidence: Evidence) -> list[str]:
    """Costs that any candidate with a score has a figure for."""
    scored = [evidence.figures[name] for name in evidence.candidates]
    return [name for name in COSTS if any(figures.value(name) is not None for figures in scored)]


def packed(bounds: npt.NDArray[np.float64]) -> str:
    """Bounds [C, C] in points (whole hundredths), as int16 hundredths in two planes of bytes, deflated, in base64.

    Low bytes and high bytes apart deflate better than pairs.
    """
    whole = np.where(np.isnan(bounds), NOT_KNOWN, np.rint(bounds * 100)).astype("<i2")
    planes = whole.view(np.uint8).reshape(-1, 2).T
    return b64encode(zlib.compress(planes.tobytes(), 9)).decode()


def _tasks(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for at, task in enumerate(evidence.tasks):
        yield asdict(task) | {"can_prove": task.can_prove, "decides": at in evidence.deciding}


def _chart(evidence: Evidence, found: Recommendation, minimise: str, ladder: Sequence[Point]) -> dict[str, Any]:
    """The chart over one cost, without its rows."""
    shapes = [evidence.figures[name].value(minimise) for name in evidence.shapes]
    known = [cost for cost in shapes if cost]
    costs = [*(point.cost for point in ladder), *known]
    tooltip = {
        "candidate": "candidate",
        "state": "state",
        "tip_cost": UNITS[minimise],
        "tip_quality": "mean score",
        "tip_interval": "95% interval",
        "tip_surely": "on the frontier in",
        "tip_source": "cost is",
        **{f"tip_task{at}": f"{task.name} {task.metric}" for at, task in enumerate(evidence.tasks)},
        **{f"tip_{name}": SHORT.get(name, name) for name in TOLD if name != minimise and name in known_costs(evidence)},
    }
    return frontier_chart(minimise, costs, tooltip, fidelity_only=found.fidelity_only, shapes=bool(known))


def _exact(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _largest(compared: Compared) -> float | None:
    known = compared.bounds[~np.isnan(compared.bounds)]
    return float(known.max()) if known.size else None


def _point(point: Point) -> Mapping[str, Any]:
    shown = {name: round(getattr(point, name), DECIMALS) for name in ("low", "high", "probability")}
    return asdict(point) | shown


def _marginal(evidence: Evidence, minimise: str, ladder: list[Point]) -> Iterator[Mapping[str, Any]]:
    return map(asdict, marginal(evidence, steps(ladder, evidence.drift(minimise))))
