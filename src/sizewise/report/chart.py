"""Quality against cost as a Vega-Lite specification: the plain picture and the report's chart are drawn from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sizewise.decide.plane import is_logarithmic
from sizewise.decide.words import UNITS

STATES = {
    "recommended": ("#d9480f", "diamond", 180),
    "frontier": ("#2f6fde", "circle", 80),
    "dominated": ("#8a93a3", "circle", 40),
    "beyond a limit": ("#8a93a3", "cross", 40),
    "shape (no score)": ("#9c5bd1", "triangle-down", 70),
}
"""How a candidate stands: colour, mark and area. Shape and size say it without colour too."""


def version() -> str:
    """Of Vega-Lite, as the drawing library carries it."""
    import vl_convert

    return str(vl_convert.get_vegalite_versions()[-1])


def frontier_chart(
    minimise: str,
    costs: Sequence[float],
    tooltip: Mapping[str, str],
    *,
    fidelity_only: bool,
    shapes: bool = False,
    states: Sequence[str] = tuple(STATES),
) -> dict[str, Any]:
    """The specification, without data. Its rows have `candidate`, `cost`, `quality`, `low`, `high`, `state`, `label`
    (empty: not named) and the fields of `tooltip` (field: title). With `shapes`, some rows have no quality and stand at
    the foot. `costs` are those to be drawn, and decide whether the scale is logarithmic.
    """
    log = is_logarithmic(costs)
    what = "agreement with the reference" if fidelity_only else "score"
    cost = {
        "field": "cost",
        "type": "quantitative",
        "scale": {"type": "log" if log else "linear", "nice": False, "padding": 30} | ({} if log else {"zero": False}),
        "axis": {"title": f"{minimise.replace('_', ' ')} ({UNITS[minimise]})", "format": "~s", "tickCount": 6},
    }
    quality = {
        "field": "quality",
        "type": "quantitative",
        "scale": {"zero": False, "padding": 20},
        "title": f"mean {what} over tasks (x100)",
    }
    colours, symbols, areas = zip(*(STATES[state] for state in states), strict=True)
    larger = [{"test": f"datum.state == '{state}'", "value": area} for state, area in zip(states, areas, strict=True)]
    marks = {
        "color": _by_state(states, colours),
        "shape": _by_state(states, symbols),
        "size": {"condition": larger, "value": 40},
    }
    tips = [{"field": field, "title": title} for field, title in tooltip.items()]
    scored = {"filter": "isValid(datum.quality)"}
    fade = {
        "condition": {"test": "datum.state == 'dominated' || datum.state == 'beyond a limit'", "value": 0.45},
        "value": 1,
    }
    foot = {
        "name": "shapes",
        "transform": [{"filter": "!isValid(datum.quality)"}],
        "mark": {"type": "point", "filled": True, "yOffset": -8},
        "encoding": {"x": cost, "y": {"value": "height"}, **marks, "tooltip": tips},
    }
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{version().split('.')[0]}.json",
        "description": f"Every candidate's {what} against {minimise}, with 95% intervals; the tables hold it all.",
        "data": {"name": "rows"},
        "layer": [
            {
                "transform": [{"filter": "datum.onFrontier"}],
                "mark": {"type": "line", "color": STATES["frontier"][0], "opacity": 0.4, "interpolate": "step-after"},
                "encoding": {"x": cost, "y": quality, "order": {"field": "cost"}},
            },
            {
                "transform": [scored],
                "mark": {"type": "rule", "strokeWidth": 1},
                "encoding": {
                    "x": cost,
                    "y": {"field": "low", "type": "quantitative"},
                    "y2": {"field": "high"},
                    "color": marks["color"],
                    "opacity": fade | {"value": 0.6},
                },
            },
            {
                "transform": [scored],
                "mark": {"type": "point", "filled": True},
                "encoding": {"x": cost, "y": quality, **marks, "opacity": fade, "tooltip": tips},
            },
            {
                "transform": [scored],
                "mark": {"type": "text", "align": "left", "dx": 8, "dy": -8, "fontSize": 10},
                "encoding": {"x": cost, "y": quality, "text": {"field": "label"}},
            },
            *([foot] if shapes else []),
        ],
    }


def _by_state(states: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {
        "field": "state",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(states), "range": list(values)},
        "legend": {"orient": "bottom", "columns": 3},
    }
