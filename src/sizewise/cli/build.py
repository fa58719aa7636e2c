"""`sizewise build`: the decision as a folder that is served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sizewise.cli import options
from sizewise.cli.again import decided
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from sizewise.ship.build import Built

NAME = "build"


def command(
    source: Annotated[str, typer.Argument(metavar="RUN | CANDIDATE", help="A run folder, or a candidate.")],
    out: Annotated[Path, typer.Option(help="Folder to write the bundle to.")],
    candidate: Annotated[str | None, typer.Option(help="Of a run, this one and not the recommended one.")] = None,
    fit: Annotated[
        str | None, typer.Option(help="Name of the task that transforms are fitted on (default: the largest corpus).")
    ] = None,
    dimensions: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Vectors may be served cut to so many, measured on the tasks (default: as the run had). Repeatable.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there.")] = False,
    task: options.Tasks = [],  # noqa: B006 - typer copies defaults
    preset: options.Preset = None,
    limit: options.Limits = [],  # noqa: B006
    no_limits: options.NoLimits = False,
    margin: options.Margin = None,
    task_margin: options.TaskMargins = [],  # noqa: B006
    minimise: options.Minimise = None,
    price_per_hour: options.PricePerHour = None,
    queries_per_month: options.QueriesPerMonth = None,
    threads: options.Threads = None,
    store: options.Store = None,
    trust_remote_code: options.RemoteCode = [],  # noqa: B006
    allow_pickle: options.Pickles = [],  # noqa: B006
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """Write the recommended candidate of a run, or any candidate, to a folder that sentence-transformers loads.

    A run is decided again under the terms given here, as by recommend. A candidate is measured on --task, if there is
    any. The bundle is checked in a fresh process before it appears.
    """
    from sizewise.ship.build import build
    from sizewise.ship.source import run_in

    terms: dict[str, Any] = {
        "preset": preset,
        "limit": limit,
        "no_limits": no_limits,
        "margin": margin,
        "task_margin": task_margin,
        "minimise": minimise,
        "price_per_hour": price_per_hour,
        "queries_per_month": queries_per_month,
    }
    subject: Any = source
    decision = None
    if run_in(source) is not None:
        subject, decision = decided(Path(source), **terms)
    elif given := [name for name, value in terms.items() if value not in (None, False, [])]:
        raise InputError(f"{source} is no run, so there is nothing to decide: leave out --{given[0].replace('_', '-')}")
    built = build(
        subject,
        out,
        candidate=candidate,
        decision=decision,
        tasks=task,
        fit=fit,
        dimensions=dimensions or (),
        force=force,
        trust=options.trust(trust_remote_code, allow_pickle),
        store=store,
        threads=threads,
        progress=options.progress(quiet),
    )
    if json is not None:
        options.write_document(json, built.to_json())
    if json is None or str(json) != "-":
        _show(options.console(), built)


def _show(console: "Console", built: "Built") -> None:
    from sizewise.cli.verify import show_findings

    lines = [f"{built.candidate} is in {built.path}."]
    if built.fitted_on:
        lines.append(f"Its transforms were fitted on text of {built.fitted_on}.")
    lines += [_measured(row, built.fitted_on) for row in built.measured] or ["Not measured: no task was given."]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    show_findings(console, built.report)


def _measured(row: "dict[str, Any]", fitted_on: str | None) -> str:
    low, high = row["ci95"]
    elsewhere = "" if row["fitted_here"] else f", with the transforms fitted on {fitted_on}"
    score = f"{row['task']}: {row['metric']} {row['value']:.2f} ({low:.2f} to {high:.2f})"
    return f"{score}, measured {row['measured']}{elsewhere}."
