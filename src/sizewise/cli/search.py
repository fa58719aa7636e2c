"""`sizewise search`: a bundle's pipeline on an indexed corpus."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError
from sizewise.core.text import clipped, printable

if TYPE_CHECKING:
    from sizewise.search.open import Hit

NAME = "search"
SHOWN = 200
"""Characters of a document."""


def command(
    path: Annotated[
        str, typer.Argument(metavar="INDEX | BUNDLE | URL", help="An index, or a bundle with one beside it.")
    ],
    query: Annotated[list[str], typer.Argument(metavar="QUERY...", help="What to look for; - reads a query a line.")],
    depth: Annotated[int, typer.Option("--depth", "-k", min=1, help="Documents to show for each query.")] = 10,
    where: Annotated[
        list[str],
        typer.Option(
            help='Only documents whose fields are so, as in lang=en, year>=2020, \'tag=["a", "b"]\'. Repeatable.'
        ),
    ] = [],  # noqa: B006 - typer's way
    exact: Annotated[
        bool, typer.Option("--exact", help="Look at every document, whatever the index was made for.")
    ] = False,
    bundle: Annotated[Path | None, typer.Option(help="Where the index's bundle is now.")] = None,
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """Rank the documents of an index for queries, as the bundle was measured."""
    import time
    from dataclasses import asdict

    from sizewise.index.where import Where
    from sizewise.search.open import Searcher

    queries = options.lines(sys.stdin.buffer.read(), "standard input") if query == ["-"] else query
    if not queries or not all(one.strip() for one in queries):
        raise InputError("a query is empty; write what to look for")
    wanted = Where.parse(where)
    searcher = Searcher.open(path, bundle, engine="exact" if exact else None, progress=options.progress(quiet))
    if not searcher.index.whole:
        options.say(f"sizewise: indexing was stopped: so far {path} has {searcher.documents:,} documents", err=True)
    searcher.search(queries[:1], 1)  # loads the weights
    started = time.perf_counter()
    found = searcher.search(queries, depth, wanted)
    took = (time.perf_counter() - started) * 1e3 / len(queries)
    if json is not None:
        told = [{"query": one, "hits": [asdict(hit) for hit in hits]} for one, hits in zip(queries, found, strict=True)]
        options.write_document(json, {"schema": 1, "candidate": searcher.candidate, "results": told})
        if str(json) == "-":
            return
    console = options.console()
    for one, hits in zip(queries, found, strict=True):
        if len(queries) > 1:
            console.print(printable(one), style="bold", highlight=False, soft_wrap=True)
        for hit in hits:
            console.print(_line(hit), highlight=False, markup=False, soft_wrap=True)
        if not hits:
            why = "is as --where says" if where else "shares a word with the query"
            console.print(f"nothing found: no document {why}", highlight=False)
    console.print(f"{took:.1f} ms a query, {searcher.documents:,} documents", style="dim", highlight=False)


def _line(hit: "Hit") -> str:
    text = " ".join(f"{hit.title}  {hit.text}".split())
    return printable(f"{hit.rank:3}  {hit.score:8.4f}  {hit.id}  {clipped(text, SHOWN)}")
