"""`sizewise demo`: the main job on text that every machine has."""

from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options

NAME = "demo"


def command(
    out: Annotated[Path, typer.Option(help="Run folder. An existing one is continued.")] = Path("runs/demo"),
    threads: options.Threads = None,
    store: options.Store = None,
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """The main job on the documentation of the installed Python standard library: no download, no network."""
    from sizewise.cli.study import show
    from sizewise.study.demo import demo_study

    progress = options.progress(quiet)
    progress.say(
        "Three tasks from this interpreter's own standard library and a set of word senses; the embedded model "
        "all-MiniLM-L6-v2 in two precisions and many cheaper forms, against BM25, and larger shapes for their cost."
    )
    study = demo_study(out / "tasks", threads=threads, store=store, progress=progress)
    show(study.run(out), quiet=quiet, json=json)
