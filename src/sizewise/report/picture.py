"""The plain picture of the frontier: quality against cost, drawn by Vega-Lite without a browser."""

from typing import Any

from sizewise.decide.recommendation import Recommendation
from sizewise.decide.words import UNITS


def frontier_chart(found: Recommendation) -> dict[str, Any]:
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
            "label": point.candidate if point.candidate in named else "",
        }
        for point in found.frontier
    ]
    costs = [point.cost for point in found.frontier]
    log = bool(costs) and min(costs) > 0 and max(costs) > 3 * min(costs)
    cost = {
        "field": "cost",
        "type": "quantitative",
        "scale": {"type": "log" if log else "linear", "zero": False, "nice": False, "padding": 30},
        "title": f"{found.terms.minimise.replace('_', ' ')} ({UNITS[found.terms.minimise]})",
    }
    quality = {
        "field": "quality",
        "type": "quantitative",
        "scale": {"zero": False},
        "title": f"mean {'agreement with the reference' if found.fidelity_only else 'score'} over tasks (x100)",
    }
    colour = {
        "field": "state",
        "type": "nominal",
        "title": None,
        "scale": {"domain": ["recommended", "frontier", "dominated"], "range": ["#c2410c", "#1d4ed8", "#94a3b8"]},
        "legend": {"orient": "bottom"},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {
            "text": "Quality against cost",
            "subtitle": "bars: 95% intervals; line: no other is both cheaper and better",
        },
        "width": 720,
        "height": 420,
        "background": "white",
        "data": {"values": rows},
        "layer": [
            {
                "transform": [{"filter": "datum.state != 'dominated'"}],
                "mark": {"type": "line", "color": "#1d4ed8", "opacity": 0.4, "interpolate": "step-after"},
                "encoding": {"x": cost, "y": quality, "order": {"field": "cost"}},
            },
            {
                "mark": {"type": "rule", "opacity": 0.35},
                "encoding": {
                    "x": cost,
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {"x": cost, "y": quality, "color": colour},
            },
            {
                "transform": [{"filter": "datum.label != ''"}],
                "mark": {"type": "text", "align": "left", "dx": 7, "dy": -7, "fontSize": 9, "limit": 0},
                "encoding": {"x": cost, "y": quality, "text": {"field": "label"}},
            },
        ],
    }


def frontier_svg(found: Recommendation) -> str:
    """The picture as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(frontier_chart(found)))


def _state(found: Recommendation, candidate: str, on_frontier: bool) -> str:
    if candidate == found.candidate:
        return "recommended"
    return "frontier" if on_frontier else "dominated"
