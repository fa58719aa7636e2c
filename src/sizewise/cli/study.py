"""`sizewise study`: the main job on the user's own data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from sizewise.study.run import Run
    from sizewise.study.study import Study

NAME = "study"


def command(
    what: Annotated[
        list[str], typer.Argument(metavar="STUDY.toml | CANDIDATE...", help="A study file, or candidates with --task.")
    ],
    task: options.Tasks = [],  # noqa: B006 - typer copies defaults
    out: Annotated[
        Path | None, typer.Option(help="Run folder (default: runs/NAME). An existing one is continued.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its predicted time, do nothing.")
    ] = False,
    preset: options.Preset = None,
    limit: options.Limits = [],  # noqa: B006
    margin: options.Margin = None,
    minimise: options.Minimise = None,
    price_per_hour: options.PricePerHour = None,
    queries_per_month: options.QueriesPerMonth = None,
    threads: options.Threads = None,
    store: options.Store = None,
    trust_remote_code: options.RemoteCode = [],  # noqa: B006
    allow_pickle: options.Pickles = [],  # noqa: B006
    allow_remote: options.AllowRemote = False,
    no_text: options.NoText = False,
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """Measure candidates on your tasks and recommend the smallest that is good enough.

    With a study file, or without one: sizewise study --task DIR CANDIDATE...
    """
    from dataclasses import replace

    from sizewise.pipeline.departure import say_spent
    from sizewise.study.config import read_config
    from sizewise.study.study import Study

    is_file = len(what) == 1 and what[0].endswith(".toml")
    if is_file and task:
        raise InputError("give a study file or --task with candidates, not both")
    study = Study.from_config(read_config(Path(what[0]))) if is_file else Study(tasks=task, candidates=what)
    if preset is not None:
        if is_file:
            options.say_replaced(preset, study.terms)
        study = replace(study, preset=preset, limits={}, margin=None, minimise=None)
    own = study.trust
    prices = {"price_per_hour": price_per_hour, "queries_per_month": queries_per_month}
    changed: dict[str, Any] = {name: value for name, value in prices.items() if value is not None}
    study = replace(
        study,
        limits={**study.limits, **options.parse_limits(limit)},
        margin=study.margin if margin is None else margin,
        minimise=minimise or study.minimise,
        prices=replace(study.prices, **changed),
        trust=options.trust([*own.remote_code, *trust_remote_code], [*own.pickled, *allow_pickle], allow_remote),
        threads=threads or study.threads,
        store=store,
        progress=options.progress(quiet),
    )
    if dry_run:
        show_plan(study, json)
    else:
        try:
            run = study.run(out)
        finally:
            say_spent(study.trust, study.progress)
        show(run, text=not no_text, quiet=quiet, json=json)


def show(run: "Run", *, text: bool = True, quiet: bool = False, json: Path | None = None) -> None:
    """The run on the terminal, its picture and its report in its folder."""
    from sizewise.report.files import write_picture, write_report
    from sizewise.report.terminal import show_recommendation, show_run

    found = run.recommend()
    write_picture(run.folder, found)
    report = write_report(run.folder, run, found, text=text)
    if json is not None:
        options.write_document(json, found.to_json())
        if str(json) == "-":
            return
    console = options.console()
    if quiet:
        show_recommendation(console, found)
    else:
        show_run(console, run.evidence, found, run.about)
    console.print(
        f"Everything is in {run.folder}. Open {report} in a browser to see the trade-off and to decide again.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"The same in a terminal: sizewise recommend {run.folder} --limit p95_ms=20",
        highlight=False,
        soft_wrap=True,
    )


def show_plan(study: "Study", json: Path | None = None) -> None:
    """What would be done, and about how long it would take."""
    from dataclasses import asdict

    from sizewise.study.forecast import forecast

    outline = study.plan()
    lines = list(forecast(study, outline))
    if json is not None:
        options.write_document(json, {"schema": 1, **asdict(outline), "forecast": lines})
        if str(json) == "-":
            return
    console = options.console()
    console.print(f"{len(outline.tasks)} tasks: {', '.join(outline.tasks)}", highlight=False)
    console.print(f"{len(outline.candidates)} candidates:", highlight=False)
    for candidate in outline.candidates:
        console.print(f"  {candidate}", highlight=False, soft_wrap=True)
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
