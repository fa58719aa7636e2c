"""`sizewise verify`: does a bundle still hold what was written, and answer as it did?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sizewise.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from sizewise.bundle.verify import Report

NAME = "verify"

MARKS = {True: "ok", False: "FAILED", None: "-"}


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder.")],
    task: options.Tasks = [],  # noqa: B006 - typer copies defaults
    threads: options.Threads = None,
    json: options.JsonFile = None,
) -> None:
    """Check a bundle: its files, what it answers on canary texts and, with --task, its measured score.

    It shows whether the bundle is what was written, not who wrote it. Exit code 1 when something differs.
    """
    from sizewise.bundle.fresh import verify
    from sizewise.core.errors import RunError

    found = verify(bundle, task, threads)
    if json is not None:
        options.write_document(json, found.to_json())
    if json is None or str(json) != "-":
        show_findings(options.console(), found)
    if not found.passed:
        raise RunError(found.problem)


def show_findings(console: "Console", found: "Report") -> None:
    """A line for each thing that was looked at."""
    width = max(len(one.check) for one in found.findings)
    for one in found.findings:
        line = f"{MARKS[one.passed]:6}  {one.check:{width}}  {one.detail}"
        console.print(line, highlight=False, soft_wrap=True)
