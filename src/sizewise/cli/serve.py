"""`sizewise serve`: bundles behind HTTP."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError
from sizewise.core.extras import require

NAME = "serve"
KEY = "SIZEWISE_API_KEY"


def command(
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]BUNDLE...", help="Bundle folders, and how clients call them (default: by folder)."
        ),
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]INDEX", help="Index to search with a bundle (default: BUNDLE.index). Repeatable."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with its share of the processors.")] = 1,
    threads: options.Threads = None,
    keys: Annotated[
        Path | None, typer.Option(help=f"File with the hash of a key a line (default: the key in {KEY}).")
    ] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Print a new key and its hash, and end.")] = False,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="Serve other machines without keys.")
    ] = False,
    latency_ms: Annotated[
        float | None, typer.Option(min=0.1, help="What batches are sized for (default: the study's limit, or 100).")
    ] = None,
    deadline: Annotated[float, typer.Option(min=0.01, help="Seconds that a request may take.")] = 30.0,
    waiting: Annotated[float, typer.Option(min=0.01, help="Seconds of work that may wait; then 429.")] = 2.0,
    most_texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 2048,
    most_requests: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 512,
    most_mb: Annotated[float, typer.Option(min=0.001, help="Megabytes of a request's body.")] = 8.0,
    no_page: Annotated[bool, typer.Option("--no-page", help="Without the page at /.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line a request.")] = False,
) -> None:
    """Serve bundles to clients of OpenAI, Cohere, Jina and TEI, and search their indexes.

    Each bundle must answer its canary texts as it was measured, or it is not served.
    """
    from sizewise.serve.keys import given_key, line_of, read_keys
    from sizewise.serve.keys import new_key as made_key

    if new_key:
        key = made_key()
        typer.echo(f"{key}\n{line_of(key)}")
        return
    for module in ("fastapi", "uvicorn", "httptools", "prometheus_client"):
        require(module, "sizewise serve")
    from sizewise.serve.settings import Limits, Settings, named

    if not bundles:
        raise InputError("nothing to serve: give the folder of a bundle, as in sizewise serve ./bundle")
    found = named(bundles)
    secret = os.environ.pop(KEY, None)
    known = (*(read_keys(keys) if keys else ()), *([] if secret is None else [given_key(secret.strip())]))
    limits = Limits(
        texts=most_texts,
        body_bytes=int(most_mb * 1e6),
        requests=most_requests,
        waiting_s=waiting,
        deadline_s=deadline,
        latency_ms=latency_ms,
    )
    settings = Settings(
        bundles=found,
        indexes=_indexes(index or [], found),
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        keys=known,
        limits=limits,
        page=not no_page,
        quiet=quiet,
    )
    if not (settings.is_local or known or allow_anonymous):
        raise InputError(
            f"--host {host} can be reached from other machines, and there are no keys: give --keys FILE (make one with "
            "--new-key), or say --allow-anonymous"
        )
    _check_folders(found)
    from sizewise.serve.run import run

    run(settings)


def _indexes(given: list[str], bundles: dict[str, str]) -> dict[str, str]:
    """By the bundle's name; the first bundle's where none is said."""
    found = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not equals or Path(one).exists():
            name, path = next(iter(bundles)), one
        if name not in bundles:
            raise InputError(f"--index {one}: no bundle is called {name!r}; there are: {', '.join(bundles)}")
        found[name] = path
    return found


def _check_folders(bundles: dict[str, str]) -> None:
    """Before anything is loaded. Raises InputError."""
    from sizewise.bundle.layout import is_bundle

    for folder in bundles.values():
        if not is_bundle(Path(folder)):
            raise InputError(f"{folder} is no bundle; make one with sizewise build, and give its folder")
