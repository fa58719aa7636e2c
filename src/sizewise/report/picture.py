"""The plain picture of the frontier: quality against cost, drawn without a browser."""

from typing import Any

from sizewise.decide.plane import rows
from sizewise.decide.recommendation import Recommendation
from sizewise.report.chart import frontier_chart, version

DRAWN = ("recommended", "frontier", "dominated")


def picture(found: Recommendation) -> dict[str, Any]:
    """The Vega-Lite specification: every candidate with its interval, the frontier joined, the choice marked."""
    # Only the rungs of the ladder are named: frontier points whose costs are alike would cover each other's names.
    named = {found.candidate, *(name for step in found.marginal for name in (step.start, step.to))}
    drawn = [row | {"label": row["candidate"] if row["candidate"] in named else ""} for row in rows(found)]
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
        "data": {"values": drawn},
    }


def frontier_svg(found: Recommendation) -> str:
    """The picture as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(picture(found), vl_version=version()))
