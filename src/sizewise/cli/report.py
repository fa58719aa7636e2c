"""`sizewise report`: write the report of a run again, under other terms or without the texts."""

from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options
from sizewise.cli.again import decided

NAME = "report"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write it (default: report.html in the run folder).")
    ] = None,
    no_text: options.NoText = False,
    preset: options.Preset = None,
    limit: options.Limits = [],  # noqa: B006 - typer copies defaults
    no_limits: options.NoLimits = False,
    margin: options.Margin = None,
    task_margin: options.TaskMargins = [],  # noqa: B006
    minimise: options.Minimise = None,
    price_per_hour: options.PricePerHour = None,
    queries_per_month: options.QueriesPerMonth = None,
) -> None:
    """Write report.html again: one page with everything, which decides again in a browser and needs no network.

    It opens on the terms of the study, or on those given here; what breaks is shown for what they recommend.
    """
    from sizewise.core.errors import InputError
    from sizewise.report.files import write_report

    loaded, found = decided(
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
    try:
        path = write_report(out or run, loaded, found, text=not no_text)
    except OSError as error:
        raise InputError(f"{out or run} cannot be written ({error.strerror}); choose another --out") from None
    options.console().print(f"The report is {path}; open it in a browser.", soft_wrap=True)
