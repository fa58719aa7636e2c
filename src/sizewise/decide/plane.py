"""Quality against cost as rows, for whoever draws it: how each candidate stands, and on what kind of scale."""

from collections.abc import Sequence
from typing import Any

from sizewise.decide.recommendation import Recommendation
from sizewise.decide.words import UNITS

LOG_FROM = 3.0
"""Costs whose largest is so many times the smallest are drawn on a logarithmic scale."""

Row = dict[str, Any]


def rows(found: Recommendation) -> list[Row]:
    """A row for each candidate with a score and a cost, cheapest first: mean quality over tasks with its 95% interval,
    the cost that is minimised, and whether it is recommended, on the frontier, or dominated."""
    return [
        {
            "candidate": point.candidate,
            "quality": point.quality,
            "low": point.low,
            "high": point.high,
            "cost": point.cost,
            "state": _state(found, point.candidate, point.on_frontier),
            "onFrontier": point.on_frontier,
        }
        for point in found.frontier
    ]


def is_logarithmic(costs: Sequence[float]) -> bool:
    """Whether these costs are drawn on a logarithmic scale."""
    return len(costs) > 0 and min(costs) > 0 and max(costs) > LOG_FROM * min(costs)


def plane(name: str, found: Recommendation) -> dict[str, Any]:
    """All that a bundle carries of the study called `name`, for a picture of it. It holds no text of the data."""
    return {
        "name": name,
        "minimise": found.terms.minimise,
        "unit": UNITS[found.terms.minimise],
        "logarithmic": is_logarithmic([point.cost for point in found.frontier]),
        "fidelity_only": found.fidelity_only,
        "rows": rows(found),
    }


def _state(found: Recommendation, candidate: str, on_frontier: bool) -> str:
    if candidate == found.candidate:
        return "recommended"
    return "frontier" if on_frontier else "dominated"
