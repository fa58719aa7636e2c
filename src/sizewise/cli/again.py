"""A run decided again: what `recommend`, `report` and `build` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sizewise.cli import options
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from sizewise.decide.recommendation import Recommendation
    from sizewise.study.run import Run


def decided(
    folder: Path,
    *,
    preset: str | None = None,
    limit: Sequence[str] = (),
    no_limits: bool = False,
    margin: float | None = None,
    task_margin: Sequence[str] = (),
    minimise: str | None = None,
    price_per_hour: float | None = None,
    queries_per_month: float | None = None,
) -> tuple["Run", "Recommendation"]:
    """The run in `folder`, at other prices where some are given, and what it recommends under its terms with these
    changes. A preset stands in for the terms of the study, and says so on standard error.

    Raises InputError for a folder without a run and for anything that is wrong in the changes.
    """
    from sizewise.study.run import Run

    run = Run.load(folder)
    prices = {"price_per_hour": price_per_hour, "queries_per_month": queries_per_month}
    if changed := {name: value for name, value in prices.items() if value is not None}:
        run = run.repriced(**changed)
    if preset is not None:
        options.say_replaced(preset, run.terms)
    base = run.recommend(preset=preset).terms if preset is not None else run.terms
    limits: dict[str, float | None] = dict.fromkeys(base.limits) if no_limits else {}
    margins = {**base.margins, **parse_margins(task_margin)}
    found = run.recommend(
        preset=preset, minimise=minimise, margin=margin, margins=margins, **(limits | options.parse_limits(limit))
    )
    return run, found


def parse_margins(texts: Sequence[str]) -> dict[str, float]:
    """`["stsb/en=0.5"]` -> `{"stsb/en": 0.5}`. Raises InputError for anything else."""
    margins = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            margins[name] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise InputError(f"--task-margin {text!r} is not TASK=POINTS, as in stsb/en=0.5")
    return margins
