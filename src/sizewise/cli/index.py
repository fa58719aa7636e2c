"""`sizewise index`: a corpus made ready for a bundle's search."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from sizewise.search.make import Indexed

NAME = "index"


class Engine(StrEnum):
    """What searches a folder."""

    EDGE = "edge"
    EXACT = "exact"


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder.")],
    corpus: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CORPUS]", help="JSONL, CSV, Parquet, a .txt with a text a line, or a folder of .txt and .md."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the index (default: BUNDLE.index).")] = None,
    to: Annotated[
        str | None,
        typer.Option(help="URL of a collection on a Qdrant server instead, as in http://localhost:6333/notes."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="An index whose documents and vectors to put there: nothing is encoded."),
    ] = None,
    text_field: Annotated[str | None, typer.Option(help="Column that holds the text (default: text).")] = None,
    title_field: Annotated[str | None, typer.Option(help="Column that holds the title (default: title).")] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="What searches it: Qdrant Edge (the default), or every vector is looked at.")
    ] = None,
    delete: Annotated[
        Path | None, typer.Option(help="File with an id a line: documents to remove; - for standard input.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove documents that the corpus has no more.")] = False,
    snapshot: Annotated[
        Path | None, typer.Option(help="New folder (of a server: file) for a copy of the index as it is then.")
    ] = None,
    shards: Annotated[int | None, typer.Option(min=1, help="Of a new collection (default: the server's).")] = None,
    replicas: Annotated[int | None, typer.Option(min=1, help="Of each shard of a new collection (default: 1).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an index of another bundle or version.")] = False,
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """Put the documents of a corpus into an index, for sizewise search.

    Documents that are there already, unchanged, are left alone, and those that changed are replaced. What was put is
    there: a run that was stopped, however it was, goes on where it was.
    """
    from sizewise.search.make import index

    if corpus is None and delete is None and snapshot is None and source is None:
        raise InputError("there is nothing to do; name a corpus, --from, --delete or --snapshot")
    if to is not None and (out is not None or not to.startswith(("http://", "https://"))):
        raise InputError(
            f"--to {to} is not the URL of a collection alone; give it as in http://localhost:6333/notes, or --out"
        )
    if prune and corpus is None:
        raise InputError("--prune removes what a corpus has no more; name the corpus")
    fields = {name: field for name, field in (("text", text_field), ("title", title_field)) if field}
    made = index(
        bundle,
        corpus,
        to or out,
        fields=fields,
        engine=engine.value if engine else None,
        force=force,
        delete=_ids(delete),
        prune=prune,
        source=source,
        snapshot=snapshot,
        shards=shards,
        replicas=replicas,
        progress=options.progress(quiet),
    )
    if json is not None:
        options.write_document(json, {"schema": 1, **made.to_json()})
        if str(json) == "-":
            return
    console = options.console()
    for line in _told(made):
        console.print(line, highlight=False, soft_wrap=True)


def _ids(path: Path | None) -> list[str]:
    if path is None:
        return []
    if str(path) != "-" and not path.is_file():
        raise InputError(f"--delete {path}: there is no such file; name one with an id a line")
    raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    return options.lines(raw, f"--delete {path}")


def _told(made: "Indexed") -> list[str]:
    changes = [
        f"{count:,} {what}"
        for count, what in (
            (made.added, "put there"),
            (made.unchanged, "unchanged"),
            (made.removed, "removed"),
            (made.left_out, "without any text left out"),
        )
        if count
    ]
    lines = [f"{made.documents:,} documents are in {made.path}: {', '.join(changes) or 'nothing to change'}."]
    if made.recall is not None:
        lines.append(made.recall.sentence())
    bundle = f" --bundle {made.bundle}" if "://" in made.path else ""
    return [*lines, f'Next: sizewise search {made.path} "a question"{bundle}']
