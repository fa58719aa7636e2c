"""Which of several that were measured is taken."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

from sizewise.auto.engines import EXACTNESS, short
from sizewise.core.candidate import Model
from sizewise.core.errors import RunError
from sizewise.cost.figures import Figures, written

MOST_DRIFT = 0.1
"""Speeds further apart than this never tie, however unsteady the machine is."""

Taken = TypeVar("Taken")


def fastest(speeds: Mapping[Taken, float], drift: float, rank: Callable[[Taken], int]) -> Taken:
    """The one with the highest speed; of those that are within `drift` (a ratio) of it, the one of the least rank, and
    of these the fastest."""
    enough = max(speeds.values()) / (1 + min(drift, MOST_DRIFT))
    return min((one for one in speeds if speeds[one] >= enough), key=lambda one: (rank(one), -speeds[one]))


@dataclass(frozen=True)
class Choice:
    """What `@auto` stands for on one machine, and the figures that it rests on. Engines as candidates write them."""

    bulk: str
    single: str
    texts_per_s: Mapping[str, float]
    p50_ms: Mapping[str, float]
    date: str

    @classmethod
    def of(
        cls,
        figures: Mapping[Model, Figures],
        date: str,
        *,
        throughput_drift: float = 0.0,
        latency_drift: float = 0.0,
    ) -> Self:
        """Most texts a second in bulk, least median of single texts; engines that are as fast tie, and the more exact
        one wins. Raises RunError when nothing was measured."""
        bulk = {model: one.texts_per_s for model, one in figures.items() if one.texts_per_s}
        single = {model: 1 / one.p50_ms for model, one in figures.items() if one.p50_ms}
        if not bulk or not single:
            raise RunError("@auto: no engine was measured; name a precision, as in @int8")
        return cls(
            short(fastest(bulk, throughput_drift, _inexact)),
            short(fastest(single, latency_drift, _inexact)),
            {short(model): speed for model, speed in bulk.items()},
            {short(model): 1 / speed for model, speed in single.items()},
            date,
        )

    @property
    def engines(self) -> tuple[str, ...]:
        """For bulk, and where it is another one, for single texts."""
        return tuple(dict.fromkeys((self.bulk, self.single)))

    @property
    def sentence(self) -> str:
        """What was chosen, and by which figures."""
        many = f"{self.bulk} in bulk ({_among(self.texts_per_s, self.bulk, 'texts/s')})"
        return f"{many}, {self.single} for single texts ({_among(self.p50_ms, self.single, 'ms')})"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(**found)


def _inexact(model: Model) -> int:
    return EXACTNESS[model.precision]


def _among(values: Mapping[str, float], chosen: str, unit: str) -> str:
    """The chosen one's figure, then all others'."""
    others = ", ".join(f"{engine} {written(value)}" for engine, value in values.items() if engine != chosen)
    return f"{written(values[chosen])} {unit}" + (f"; {others}" if others else "")
