"""`sizewise index`: a corpus made ready for a bundle's search."""

from pathlib import Path
from typing import Annotated

import typer

from sizewise.cli import options

NAME = "index"


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder.")],
    corpus: Annotated[
        Path, typer.Argument(help="JSONL, CSV, Parquet, a .txt with a text a line, or a folder of .txt and .md.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to write the index to (default: BUNDLE.index).")] = None,
    text_field: Annotated[str | None, typer.Option(help="Column that holds the text (default: text).")] = None,
    title_field: Annotated[str | None, typer.Option(help="Column that holds the title (default: title).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an index that is there.")] = False,
    store: options.Store = None,
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """Encode the documents of a corpus as a bundle does, for sizewise search.

    Vectors are kept in the store, so a run that was stopped goes on, and a corpus that grew is encoded in part.
    """
    from sizewise.search.make import index

    fields = {name: field for name, field in (("text", text_field), ("title", title_field)) if field}
    made = index(bundle, corpus, out, fields=fields, force=force, store=store, progress=options.progress(quiet))
    if json is not None:
        told = {"index": str(made.path), "candidate": made.candidate, "documents": made.documents}
        options.write_document(json, {"schema": 1, **told, "left_out": made.left_out})
        if str(json) == "-":
            return
    console = options.console()
    left_out = f"; {made.left_out:,} without any text were left out" if made.left_out else ""
    for line in (
        f"{made.documents:,} documents are in {made.path}{left_out}.",
        f'Next: sizewise search {made.path} "a question"',
    ):
        console.print(line, highlight=False, soft_wrap=True)
