"""Learning curves drawn: accuracy against the number of texts, training beside held-out, a panel a model."""

from collections.abc import Sequence
from typing import Any

from sizewise.report.chart import version
from sizewise.train.curve import CurvePoint

ARMS = {"frozen": "#8a93a3", "fine-tuned": "#2f6fde"}
DASHES = {"held out": [1, 0], "training": [4, 4]}


def curve_chart(points: Sequence[CurvePoint]) -> dict[str, Any]:
    """The Vega-Lite specification, data included."""
    rows = [
        {
            "model": point.model.rsplit("/", 1)[-1],
            "texts": point.texts,
            "arm": point.arm,
            "on": on,
            "accuracy": value,
            "low": point.low if on == "held out" else value,
            "high": point.high if on == "held out" else value,
        }
        for point in points
        for on, value in (("held out", point.held_out), ("training", point.training))
    ]
    x = {"field": "texts", "type": "quantitative", "scale": {"type": "log", "nice": False}, "title": "texts trained on"}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}, "title": "accuracy (x100)"}
    colour = {
        "field": "arm", "type": "nominal", "title": None, "legend": {"orient": "bottom"},
        "scale": {"domain": list(ARMS), "range": list(ARMS.values())},
    }  # fmt: skip
    dash = {
        "field": "on", "type": "nominal", "legend": None,  # the subtitle says which
        "scale": {"domain": list(DASHES), "range": list(DASHES.values())},
    }  # fmt: skip
    line = {"mark": {"type": "line", "point": True}, "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash}}
    rule = {
        "mark": {"type": "rule", "opacity": 0.5},
        "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}, "color": colour},
    }
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{version().split('.')[0]}.json",
        "title": {
            "text": "What more data buys, by size of the model",
            "subtitle": "solid: held-out texts with 95% intervals; dashed: the texts trained on",
        },
        "background": "white",
        "data": {"values": rows},
        "facet": {"field": "model", "type": "nominal", "title": None, "sort": None, "columns": 3},
        "spec": {"width": 240, "height": 260, "layer": [line, rule]},
    }


def curve_svg(points: Sequence[CurvePoint]) -> str:
    """The picture as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(curve_chart(points), vl_version=version()))
