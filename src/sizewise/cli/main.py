"""The `sizewise` command: its groups, and what happens to errors."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from sizewise.cli import (
    build,
    certify,
    compare,
    cost,
    demo,
    distill,
    evaluate,
    export,
    failure,
    finetune,
    index,
    options,
    presets,
    recommend,
    report,
    search,
    serve,
    store,
    study,
    task,
    verify,
)
from sizewise.core.errors import INTERRUPTED, SizewiseError
from sizewise.core.extras import missing
from sizewise.core.text import printable

app = typer.Typer(
    name="sizewise",
    help="Which is the smallest text-embedding pipeline that is good enough, on your data, hardware and budget? "
    "Measured, not guessed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    demo,
    study,
    evaluate,
    cost,
    certify,
    recommend,
    report,
    presets,
    compare,
    export,
    task,
    distill,
    finetune,
    build,
    verify,
    index,
    search,
    serve,
):
    app.command(module.NAME)(module.command)
app.add_typer(store.app, name="store")


def _version(wanted: bool) -> None:
    if wanted:
        from sizewise import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """See each command's --help. Exit codes: 0 done, 1 failed while running, 2 wrong input or command."""


def run() -> None:
    """Entry point. Errors are one sentence on standard error; SIZEWISE_DEBUG=1 adds the traceback."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    with _interrupts() as seen:
        try:
            # In standalone mode typer prints its errors itself, over several lines.
            code = app(prog_name="sizewise", standalone_mode=False)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except Exception as error:
            # A library that is stopped while it loads may raise whatever it likes.
            code = INTERRUPTED if seen else _failed(error)
    if code == INTERRUPTED:
        options.say(f"sizewise: stopped; {failure.RESUMES}", err=True)
    sys.exit(code)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Within the block, Ctrl-C raises KeyboardInterrupt as ever, and the list that this yields remembers it."""
    seen: list[int] = []

    def heard(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, heard)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def _failed(error: Exception) -> int:
    """Say what is wrong; the exit code. What nobody foresaw, and everything when debugging, is raised again."""
    if isinstance(error, typer.TyperException):
        usage = _usage(error)
        typer.echo(printable(usage), err=True) if usage.startswith("Usage:") else options.say(usage, err=True)
        return error.exit_code
    if os.environ.get("SIZEWISE_DEBUG"):
        raise error
    if isinstance(error, ModuleNotFoundError):
        error = missing(error, "this command") or error
    if not isinstance(error, SizewiseError | OSError | MemoryError):
        raise error
    words = str(error) if isinstance(error, SizewiseError) else failure.sentence(error)
    options.say(f"sizewise: {words}", err=True)
    return error.exit_code if isinstance(error, SizewiseError) else 1


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command, in one sentence; the whole help where nothing was asked for."""
    words = error.format_message()
    if words.startswith("Usage:"):
        return words
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "sizewise"
    return f"sizewise: {' '.join(words.split()).rstrip('.')}; see {command} --help"
