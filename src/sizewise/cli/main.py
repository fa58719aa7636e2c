"""The `sizewise` command: its groups, and what happens to errors."""

import os
import sys
from typing import Annotated

import typer

from sizewise.cli import cost, demo, evaluate, recommend, store, study, task
from sizewise.core.errors import SizewiseError

INTERRUPTED = 130
"""The exit code by Ctrl-C, as shells have it."""

app = typer.Typer(
    name="sizewise",
    help="Which is the smallest text-embedding pipeline that is good enough, on your data, hardware and budget? "
    "Measured, not guessed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (demo, study, evaluate, cost, recommend, task):
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
    try:
        # In standalone mode typer prints its errors itself, over several lines.
        code = app(prog_name="sizewise", standalone_mode=False)
    except typer.TyperException as error:
        typer.echo(_usage(error), err=True)
        sys.exit(error.exit_code)
    except SizewiseError as error:
        if os.environ.get("SIZEWISE_DEBUG"):
            raise
        typer.echo(f"sizewise: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (OSError, MemoryError) as error:
        if os.environ.get("SIZEWISE_DEBUG"):
            raise
        typer.echo(f"sizewise: {type(error).__name__}: {error}", err=True)
        sys.exit(1)
    if code == INTERRUPTED:
        typer.echo("sizewise: stopped; what was finished is kept, and the same command goes on from there", err=True)
    sys.exit(code)


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command, in one sentence; the whole help where nothing was asked for."""
    words = error.format_message()
    if words.startswith("Usage:"):
        return words
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "sizewise"
    return f"sizewise: {words.rstrip('.')}; see {command} --help"
