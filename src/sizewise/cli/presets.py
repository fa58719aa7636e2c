"""`sizewise presets`: terms for common uses, and where their figures come from."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sizewise.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sizewise.decide.presets import Preset

NAME = "presets"


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A preset, to read where its figures come from.")
    ] = None,
    json: options.JsonFile = None,
) -> None:
    """Limits, margins and figures to minimise for common uses; with a name, why they are what they are."""
    from sizewise.decide.presets import PRESETS, preset_of

    found = list(PRESETS.values()) if name is None else [preset_of(name)]
    if json is not None:
        options.write_document(json, {"schema": 1, "presets": [asdict(one) for one in found]})
        if str(json) == "-":
            return
    if name is None:
        _table(found)
    else:
        _whole(found[0])


def _table(found: "Sequence[Preset]") -> None:
    from rich.table import Table

    from sizewise.decide.presets import aim, limits_in_words

    console = options.console()
    table = Table("preset", "for", "limits", "margin", "then")
    for one in found:
        limits = "\n".join(limits_in_words(one.limits))
        table.add_row(one.name, one.for_whom, limits, f"{one.margin:g}", aim(one.minimise))
    console.print(table)
    for line in (
        "Where the figures come from: sizewise presets NAME",
        "Decide by one: sizewise recommend RUN --preset NAME; other options come before the preset's",
    ):
        console.print(line, style="dim", highlight=False, soft_wrap=True)


def _whole(one: "Preset") -> None:
    from sizewise.decide.presets import aim, limits_in_words

    options_of = [*(f"--limit {name}={limit:g}" for name, limit in one.limits.items())]
    same = " ".join((*options_of, f"--margin {one.margin:g}", f"--minimise {one.minimise}"))
    for line in (
        f"{one.name}: for {one.for_whom}",
        *(f"  {limit}" for limit in limits_in_words(one.limits)),
        f"  margin {one.margin:g} points on each task that has none of its own",
        f"  then the {aim(one.minimise)}",
        one.why,
        f"The same without the preset: {same}",
    ):
        options.console().print(line, highlight=False, soft_wrap=True)
