"""`sizewise compare`: what changed between two runs, beyond noise."""

from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options

NAME = "compare"


def command(
    before: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    after: Annotated[Path, typer.Argument(metavar="RUN", help="Another one.")],
    json: options.JsonFile = None,
) -> None:
    """What changed between two runs beyond noise: two machines, two versions, or two data sets.

    Reads what the runs measured; runs no model. Intervals hold for all comparisons together.
    """
    from sizewise.report.between import compared, show
    from sizewise.study.run import Run

    found = compared(Run.load(before), Run.load(after))
    if json is not None:
        options.write_document(json, found.to_json())
        if str(json) == "-":
            return
    show(options.console(), found)
