"""`sizewise recommend`: decide again under other terms, without running anything."""

from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options
from sizewise.cli.again import decided

NAME = "recommend"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    preset: options.Preset = None,
    limit: options.Limits = [],  # noqa: B006 - typer copies defaults
    no_limits: options.NoLimits = False,
    margin: options.Margin = None,
    task_margin: options.TaskMargins = [],  # noqa: B006
    minimise: options.Minimise = None,
    price_per_hour: options.PricePerHour = None,
    queries_per_month: options.QueriesPerMonth = None,
    json: options.JsonFile = None,
) -> None:
    """Decide again under other limits, margins, prices or costs. Reads the run's matrices; runs no model.

    A preset replaces the limits, margin and figure to minimise of the study; other options come before the preset's.
    """
    from sizewise.report.terminal import show_recommendation

    _, found = decided(
        run,
        preset=preset,
        limit=limit,
        no_limits=no_limits,
        margin=margin,
        task_margin=task_margin,
        minimise=minimise,
        price_per_hour=price_per_hour,
        queries_per_month=queries_per_month,
    )
    if json is not None:
        options.write_document(json, found.to_json())
        if str(json) == "-":
            return
    show_recommendation(options.console(), found)
