"""Fewer dimensions that a bundle's vectors may be cut to: measured as they are served, cut and scaled to length one
again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sizewise.bundle.modules import floats
from sizewise.core.candidate import Embed, Step
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.core.registry import TRANSFORMS
from sizewise.evaluate import applies
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.ship.measured import row_now
from sizewise.ship.source import Chosen
from sizewise.transform.project import Truncate


def widths(chosen: Chosen, pipeline: Pipeline, asked: Sequence[int]) -> list[int]:
    """Those that are `asked` for, or by default those of a run's candidates whose vectors are these but narrower.

    Raises InputError for a bundle of several encoders, and for a number that is not below that of its dimensions.
    """
    if not isinstance(pipeline, EmbedPipeline):
        if asked:
            raise InputError(f"{chosen.candidate} has no one vector that --dimensions could cut; leave them out")
        return []
    own = floats(pipeline.chain).dimensions
    if wrong := [width for width in asked if not 0 < width < own]:
        raise InputError(f"--dimensions {wrong[0]}: {chosen.candidate} has vectors of {own}; name fewer")
    found = asked or (width for name in _names(chosen) if (width := _narrower(parse(name), chosen.candidate)))
    return sorted({width for width in found if width < own}, reverse=True)


def measured_narrower(bench: Bench, chosen: Chosen, pipeline: Pipeline, asked: Sequence[int]) -> list[dict[str, Any]]:
    """For each width the scores on the tasks that the candidate applies to. Of a run that holds units out none is
    looked at: they stay closed."""
    found = []
    for width in widths(chosen, pipeline, asked):
        assert isinstance(pipeline, EmbedPipeline)
        chain = floats(pipeline.chain)
        cut = replace(pipeline, chain=replace(chain, transforms=(*chain.transforms, Truncate(width))), rescore=0)
        tasks = [] if _holds_out(chosen) else [task for task in chosen.tasks if applies(chosen.candidate, task)]
        found.append({"dimensions": width, "measured": [row_now(bench, chosen, cut, task) for task in tasks]})
    return [row for row in found if row["measured"]]


def _names(chosen: Chosen) -> Sequence[str]:
    return () if chosen.run is None else chosen.run.evidence.candidates


def _narrower(other: object, candidate: object) -> int | None:
    """The dimensions of `other` where it is `candidate` with its vectors cut; codes count for nothing here."""
    if not isinstance(other, Embed) or not isinstance(candidate, Embed) or other.model != candidate.model:
        return None
    mine, theirs = _floats(candidate), _floats(other)
    whole = mine[:-1] if _is_cut(mine) else mine
    return theirs[-1].value if _is_cut(theirs) and theirs[:-1] == whole else None


def _is_cut(steps: Sequence[Step]) -> bool:
    return bool(steps) and steps[-1].name == "truncate"


def _floats(candidate: Embed) -> tuple[Step, ...]:
    return tuple(step for step in candidate.steps if not TRANSFORMS.get(step.name).is_quantiser)


def _holds_out(chosen: Chosen) -> bool:
    """Whether the run kept units of a task closed."""
    run = chosen.run
    return run is not None and any(
        facts.units < len(task.units) for facts, task in zip(run.evidence.tasks, chosen.tasks, strict=True)
    )
