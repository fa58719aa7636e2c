"""What the user asks of a decision: limits, margins, and what to minimise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite

from sizewise.core.errors import InputError
from sizewise.cost.figures import COSTS, MORE_IS_BETTER, written

DEFAULT_MARGIN = 2.0
"""Points (x100) that may be lost."""


@dataclass(frozen=True)
class Terms:
    """Limits by figure (an upper bound; a lower one for throughput), margins in x100 points, and the cost to minimise.

    Raises InputError for an unknown figure, a negative limit or a margin that is not positive.
    """

    minimise: str
    limits: Mapping[str, float] = field(default_factory=dict)
    margin: float = DEFAULT_MARGIN
    margins: Mapping[str, float] = field(default_factory=dict)
    """By task name, before the task's own and the common one."""
    preset: str | None = None
    """The preset that these terms began with (see `presets`); a name only, the figures are those above."""

    def __post_init__(self) -> None:
        for name in (self.minimise, *self.limits):
            if name not in COSTS:
                close = get_close_matches(name, COSTS, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(COSTS)}"
                raise InputError(f"there is no cost called {name!r}; {hint}")
        for name, limit in self.limits.items():
            if not (limit >= 0 and isfinite(limit)):
                raise InputError(
                    f"the limit on {name} is {limit}; it must be a number, zero or more; to have none, leave it out"
                )
        for name, margin in {"": self.margin, **self.margins}.items():
            if not (margin > 0 and isfinite(margin)):
                raise InputError(
                    f"the margin {f'for {name} ' if name else ''}is {margin}; it must be a number above zero"
                )

    def margin_of(self, task: str, own: float | None) -> float:
        """The margin on a task: given for it here, else its own, else the common one."""
        return self.margins.get(task, self.margin if own is None else own)


def breach(name: str, limit: float, value: float | None) -> str | None:
    """Why `value` does not keep the limit, in words; None when it does. An unmeasured figure keeps no limit."""
    if value is None:
        return f"{name} was not measured"
    if name in MORE_IS_BETTER:
        return f"{name} {written(value)} is below {written(limit)}" if value < limit else None
    return f"{name} {written(value)} is above {written(limit)}" if value > limit else None
