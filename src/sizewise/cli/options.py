"""Options that several commands share, and what they become."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sizewise.core.errors import InputError
from sizewise.core.text import clipped, printable_json

PIPED_WIDTH = 180
MOST_MESSAGE = 2_000
"""Characters of a message: some quote data."""

if TYPE_CHECKING:
    from rich.console import Console

    from sizewise.core.progress import Progress
    from sizewise.decide.terms import Terms
    from sizewise.encode.encoder import Trust

Tasks = Annotated[list[Path], typer.Option("--task", help="Folder of a task. Repeatable.")]
Limits = Annotated[list[str], typer.Option("--limit", help="FIGURE=NUMBER, as in p95_ms=30. Repeatable.")]
Margin = Annotated[
    float | None, typer.Option(help="Points (x100) that may be lost on each task that has no margin of its own.")
]
Minimise = Annotated[str | None, typer.Option(help="The cost to minimise, as in p95_ms or monthly_cost.")]
NoLimits = Annotated[bool, typer.Option("--no-limits", help="Lift the limits of the study or preset first.")]
TaskMargins = Annotated[
    list[str], typer.Option("--task-margin", help="TASK=POINTS: the margin on one task, as in stsb/en=0.5. Repeatable.")
]
NoText = Annotated[bool, typer.Option("--no-text", help="Leave your texts, labels and ids out of the report.")]
Preset = Annotated[
    str | None,
    typer.Option(help="Limits, margin and what to minimise for a kind of use, as in edge; see sizewise presets."),
]


def _writable(path: Path | None) -> Path | None:
    """Before the work, not after it: a file that cannot be written."""
    if path is not None and str(path) != "-" and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(
            f"--json {path} cannot be written: {'it' if path.is_dir() else path.parent} is "
            f"{'a folder' if path.is_dir() else 'no folder'}; name a file in a folder that is there"
        )
    return path


JsonFile = Annotated[
    Path | None,
    typer.Option("--json", callback=_writable, help="Write results as JSON to this file; - for standard output."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Store = Annotated[
    Path | None, typer.Option("--store", help="Where vectors are kept (default: SIZEWISE_STORE or the user's cache).")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads for every runtime (default: all processors).")]
RemoteCode = Annotated[
    list[str], typer.Option("--trust-remote-code", help="A model whose own code may run. Repeatable.")
]
Pickles = Annotated[
    list[str], typer.Option("--allow-pickle", help="A model whose pickled weights may be loaded. Repeatable.")
]
AllowRemote = Annotated[
    bool, typer.Option("--allow-remote", help="Send texts to the endpoints (remote:NAME) of your configuration.")
]
PricePerHour = Annotated[float | None, typer.Option(min=0, help="What the machine costs an hour, in your currency.")]
QueriesPerMonth = Annotated[float | None, typer.Option(min=0, help="Queries served a month.")]


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """`["p95_ms=30"]` -> `{"p95_ms": 30.0}`. Raises InputError for anything else."""
    from sizewise.cost.figures import COSTS

    limits = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            limits[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"--limit {text!r} is not FIGURE=NUMBER, as in p95_ms=30")
        if name.strip() not in COSTS:
            close = get_close_matches(name.strip(), COSTS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(COSTS)}"
            raise InputError(f"--limit: there is no cost called {name.strip()!r}; {hint}")
    return limits


def lines(raw: bytes, where: str) -> list[str]:
    """The lines of a text that are not blank. Raises InputError for what is not UTF-8."""
    try:
        text = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{where}:{line}: the line is not UTF-8; save it as UTF-8") from None
    # No splitlines(): an id may hold what only that takes for the end of a line.
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def say_replaced(preset: str, before: "Terms") -> None:
    """On standard error: a preset given on the command line stands in for terms that were there before.

    Raises InputError for a preset that there is not.
    """
    from sizewise.decide.presets import aim, limits_in_words, preset_of

    own = ", ".join((*limits_in_words(before.limits), f"margin {before.margin:g}", aim(before.minimise)))
    say(f"preset {preset_of(preset).name} replaces the terms of the study ({own})", err=True)


def say(message: str, *, err: bool = False) -> None:
    """One plain line. What data say in it cannot act on the terminal, and both ends of a long one are kept."""
    typer.echo(clipped(message, MOST_MESSAGE), err=err)


def trust(remote_code: Sequence[str], pickled: Sequence[str], remote: bool = False) -> "Trust":
    """What the user allowed: of models by name, and that texts are sent to endpoints."""
    from sizewise.encode.encoder import Trust
    from sizewise.encode.remote.allowance import Allowance

    return Trust(frozenset(remote_code), frozenset(pickled), Allowance() if remote else None)


def console(to: str = "stdout") -> "Console":
    """A console on standard output or standard error. What data say cannot act on the terminal."""
    from sizewise.report.console import SafeConsole

    # Candidates hold brackets, which are no markup, and folders may hold colons, which are no emoji.
    found = SafeConsole(stderr=to == "stderr", soft_wrap=False, markup=False, emoji=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = PIPED_WIDTH  # nobody's window: tables need not be cut
    return found


def progress(quiet: bool) -> "Progress":
    """Progress on standard error, or none."""
    from sizewise.core.progress import Silent
    from sizewise.report.progress import TerminalProgress

    return Silent() if quiet else TerminalProgress(console("stderr"))


def write_results(path: Path, results: Sequence[dict[str, Any]], threads: int | None = None) -> None:
    """The `--json` document: schema, environment, results."""
    from sizewise.core.environment import environment

    write_document(path, {"schema": 1, "environment": environment(threads), "results": list(results)})


def write_document(path: Path, document: dict[str, Any]) -> None:
    """JSON to the file `path`, or to standard output for `-`. Raises InputError when it cannot be written."""
    from sizewise.store.files import to_json, write_json

    if str(path) == "-":
        typer.echo(printable_json(to_json(document).decode()), nl=False)
        return
    try:
        write_json(path, document)
    except OSError as error:
        raise InputError(f"--json {path} cannot be written ({error.strerror}); name another file") from None
