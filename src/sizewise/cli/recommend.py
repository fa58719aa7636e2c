"""`sizewise recommend`: decide again under other terms, without running anything."""

from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options

NAME = "recommend"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    limit: options.Limits = [],  # noqa: B006 - typer copies defaults
    no_limits: Annotated[bool, typer.Option("--no-limits", help="Lift the limits of the study first.")] = False,
    margin: options.Margin = None,
    minimise: options.Minimise = None,
    price_per_hour: options.PricePerHour = None,
    queries_per_month: options.QueriesPerMonth = None,
    json: options.JsonFile = None,
) -> None:
    """Decide again under other limits, margins, prices or costs. Reads the run's matrices; runs no model."""
    from sizewise.report.terminal import show_recommendation
    from sizewise.study.run import Run

    loaded = Run.load(run)
    prices = {"price_per_hour": price_per_hour, "queries_per_month": queries_per_month}
    changed = {name: value for name, value in prices.items() if value is not None}
    if changed:
        loaded = loaded.repriced(**changed)
    limits: dict[str, float | None] = dict.fromkeys(loaded.terms.limits) if no_limits else {}
    found = loaded.recommend(minimise=minimise, margin=margin, **(limits | options.parse_limits(limit)))
    if json is not None:
        options.write_document(json, found.to_json())
        if str(json) == "-":
            return
    show_recommendation(options.console(), found)
