"""The plain picture of the frontier: quality against cost, drawn without a browser."""

from typing import Any

from sizewise.decide.recommendation import Recommendation
from sizewise.report.chart import frontier_chart, version

DRAWN = ("recommended", "frontier", "dominated")


def picture(found: Recommendation) -> dict[str, Any]:
    """The Vega-Lite specification: every candidate with its interval, the frontier joined, the choice marked."""
    # Only the rungs of the ladder are named: frontier points whose costs are alike would cover each other's names.
    named = {found.candidate, *(name for step in found.marginal for name in (step.start, step.to))}
    rows = [
        {
            "candidate": point.candidate,
            "quality": point.quality,
            "low": point.low,
            "high": point.high,
            "cost": point.cost,
            "state": _state(found, point.candidate, point.on_frontier),
            "onFrontier": point.on_frontier,
            "label": point.candidate if point.candidate in named else "",
        }
        for point in found.frontier
    ]
    costs = [point.cost for point in found.frontier]
    chart = frontier_chart(found.terms.minimise, costs, {}, fidelity_only=found.fidelity_only, states=DRAWN)
    return chart | {
        "title": {
            "text": "Quality against cost",
            "subtitle": "bars: 95% intervals; line: no other is both cheaper and better",
        },
        "width": 720,
        "height": 420,
        "background": "white",
        "data": {"values": rows},
    }


def frontier_svg(found: Recommendation) -> str:
    """The picture as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(picture(found), vl_version=version()))


def _state(found: Recommendation, candidate: str, on_frontier: bool) -> str:
    if candidate == found.candidate:
        return "recommended"
    return "frontier" if on_frontier else "dominated"
