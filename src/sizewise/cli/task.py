"""`sizewise task`: a first task from a bare corpus."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sizewise.cli import options

if TYPE_CHECKING:
    from sizewise.data.make import Made

NAME = "task"


class From(StrEnum):
    """What queries are made of."""

    TITLE = "title"
    FIRST_SENTENCE = "first-sentence"


def command(
    corpus: Annotated[
        Path, typer.Argument(help="JSONL, CSV, Parquet, a .txt with a text a line, or a folder of .txt and .md.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the task to.")],
    source: Annotated[From, typer.Option("--from", help="What queries are made of.")] = From.TITLE,
    text_field: Annotated[str | None, typer.Option(help="Column that holds the text (default: text).")] = None,
    title_field: Annotated[str | None, typer.Option(help="Column that holds the title (default: title).")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a task that is there.")] = False,
    json: options.JsonFile = None,
) -> None:
    """Make known-item search from texts without labels: a title or first sentence must find its own text."""
    from sizewise.data.bare import read_corpus
    from sizewise.data.make import known_item, write_known_item

    fields = {name: field for name, field in (("text", text_field), ("title", title_field)) if field}
    made = known_item(read_corpus(corpus, fields), source.value)
    write_known_item(made, out, overwrite=overwrite)
    if json is not None:
        options.write_document(json, document(made, out))
        if str(json) == "-":
            return
    low, middle, high = made.overlap_quartiles
    console = options.console()
    for line in (
        f"{len(made.documents):,} documents, {len(made.queries):,} queries in {out}",
        f"words that a query shares with its text: {100 * made.overlap_mean:.0f}% on average "
        f"(quartiles {100 * low:.0f}, {100 * middle:.0f}, {100 * high:.0f}%); "
        "the more, the more it flatters word matching",
        *(f"dropped, {reason}: {count:,} texts" for reason, count in made.dropped_documents.items()),
        *(f"no query, {reason}: {count:,} texts" for reason, count in made.dropped_queries.items()),
        "Known-item search shows whether a candidate finds a text again by other words of the same author. "
        "It does not show how it answers your users' questions: add labelled queries as soon as you have some.",
        f"Next: sizewise study --task {out} all-MiniLM-L6-v2",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def document(made: "Made", out: Path) -> dict[str, Any]:
    """What was made and what was dropped why; shares of query words found in the right text, 0 to 1."""
    return {
        "schema": 1,
        "task": str(out),
        "documents": len(made.documents),
        "queries": len(made.queries),
        "overlap": {"mean": made.overlap_mean, "quartiles": made.overlap_quartiles},
        "dropped_documents": made.dropped_documents,
        "dropped_queries": made.dropped_queries,
    }
