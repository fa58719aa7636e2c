"""`sizewise export`: a run in the formats of other tools."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options

NAME = "export"
Candidates = Annotated[list[str], typer.Option(help="A candidate of the run (default: all). Repeatable.")]


class Format(StrEnum):
    """What other tools read."""

    MTEB = "mteb"
    TREC = "trec"
    CSV = "csv"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    form: Annotated[
        Format, typer.Option("--as", help="Results as MTEB writes them, rankings as trec_eval reads them, or a table.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to. Files of the same name are replaced.")],
    candidate: Candidates = [],  # noqa: B006 - typer copies defaults
    json: options.JsonFile = None,
) -> None:
    """Write a run in the format of another tool. Reads what the run measured; runs no model."""
    from sizewise.report.export.write import export
    from sizewise.study.run import Run

    done = export(Run.load(run), form.value, out, candidate)
    if json is not None:
        options.write_document(json, {"schema": 1, "files": [str(path) for path in done.files], "notes": done.notes})
        if str(json) == "-":
            return
    for line in (f"{len(done.files):,} {'file' if len(done.files) == 1 else 'files'} in {out}", *done.notes):
        options.console().print(line, highlight=False, soft_wrap=True)
