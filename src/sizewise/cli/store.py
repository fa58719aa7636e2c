"""`sizewise store`: what the store holds, and making room."""

from typing import Annotated

import typer

from sizewise.cli import options

app = typer.Typer(help="What the store of vectors holds, and making room.", no_args_is_help=True)


@app.command("show")
def show(store: options.Store = None, json: options.JsonFile = None) -> None:
    """What each encoder's vectors take."""
    import time
    from dataclasses import asdict

    from rich.table import Column, Table

    from sizewise.store.store import Store

    with Store(store) as opened:
        found, records, graphs = opened.usage(), opened.record_bytes(), opened.graph_bytes()
    if json is not None:
        options.write_results(json, [asdict(one) for one in found])
    if json is not None and str(json) == "-":
        return
    table = Table(Column("encoder", overflow="fold"), "key")
    for heading in ("texts", "MB", "days unused"):
        table.add_column(heading, justify="right")
    for one in found:
        days = (time.time() - one.last_used) / 86400
        table.add_row(one.encoder, one.key[:12], f"{one.vectors:,}", f"{one.bytes / 1e6:,.1f}", f"{days:.1f}")
    console = options.console()
    console.print(table)
    total = sum(one.bytes for one in found) + records + graphs
    console.print(
        f"{total / 1e6:,.1f} MB in {opened.root}, {records / 1e6:,.1f} MB of it records, {graphs / 1e6:,.1f} MB graphs",
        highlight=False,
        soft_wrap=True,
    )


@app.command("prune")
def prune(
    unused_days: Annotated[float, typer.Option(min=0, help="Keep what was used within so many days (0: delete all).")],
    store: options.Store = None,
    json: options.JsonFile = None,
) -> None:
    """Delete vectors, records and graphs that were not used lately. Refused while a study runs."""
    from sizewise.store.store import Store

    opened = Store(store)
    freed = opened.prune(unused_days)
    if json is not None:
        options.write_document(json, {"schema": 1, "store": str(opened.root), "freed_bytes": freed})
    if json is None or str(json) != "-":
        options.say(f"freed {freed / 1e6:,.1f} MB in {opened.root}")
