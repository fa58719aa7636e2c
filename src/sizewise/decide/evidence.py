"""The matrices of a run: everything that a decision reads, and nothing that needs a model to run again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sizewise.cost.figures import EXACT, Figures
from sizewise.data.task import Raw, Task
from sizewise.stats.compare import MIN_GROUPS_FOR_PROOF, upper_bounds
from sizewise.stats.intervals import Interval, interval
from sizewise.stats.statistics import bootstrap
from sizewise.stats.subset import Subset

RESAMPLES = 2000
MOST_LOST = 200.0
"""Points: no two scores are farther apart, since correlations lie between -100 and 100."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TaskFacts:
    """What a decision needs to know of a task besides its numbers."""

    name: str
    kind: str
    metric: str
    units: int
    groups: int
    """Independent things seen: groups, or units where there are none."""
    is_quality: bool
    margin: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def can_prove(self) -> bool:
        """Whether there are enough independent units for a bound to be trusted."""
        return self.groups >= MIN_GROUPS_FOR_PROOF


@dataclass(frozen=True)
class Compared:
    """All candidates on one task, x100 points. Where a candidate does not apply to the task, NaN."""

    points: Floats
    """[C]."""
    low: Floats
    high: Floats
    approximate: tuple[str, ...]
    """[C]: why the 95% of an interval cannot be relied on; empty where it can."""
    draws: npt.NDArray[np.float32]
    """[C, B]: the joint bootstrap."""
    bounds: Floats
    """[C, C]: upper confidence bound on the loss of i against j."""


@dataclass(frozen=True)
class Estimates:
    """Scores of candidates on one task by a joint bootstrap, in natural units."""

    rows: npt.NDArray[np.int64]
    """[c]: which candidates the task applies to."""
    points: Floats
    """[c]."""
    draws: Floats
    """[c, B]."""
    intervals: tuple[Interval, ...]
    groups: int
    """Units, or groups of units, that were resampled."""
    reach: float
    """The statistic's."""


def estimate(
    task: Task,
    raws: Sequence[Raw | None],
    reference: Raw | None = None,
    units: npt.NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> Estimates:
    """Of the candidates' raw records `raws` (None: the task does not apply to it), of which there must be some.

    `units` are the positions of the units to decide on (default: all). The same resamples serve all candidates.
    """
    rows = np.flatnonzero([raw is not None for raw in raws])
    known = [raw for raw in raws if raw is not None]
    statistic = task.statistic(known, reference)
    codes = task.units.groups
    if units is not None:
        statistic = Subset(statistic, units)
        codes = None if codes is None else codes[units]
    points, draws = bootstrap(statistic, codes, resamples)
    grouped = None if codes is None else len(np.unique(codes))
    binary, lowest = _binary(task, known, reference), statistic.lowest
    conditional = task.kind == "clustering"
    intervals = tuple(
        interval(point, drawn, statistic.n, grouped, binary=binary, conditional=conditional, bounds=(lowest, 1.0))
        for point, drawn in zip(points, draws, strict=True)
    )
    groups = statistic.n if grouped is None else grouped
    return Estimates(rows, points, draws, intervals, groups, statistic.reach)


def compare(
    task: Task,
    raws: Sequence[Raw | None],
    reference: Raw | None = None,
    units: npt.NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> Compared:
    """Point scores, intervals and pairwise bounds of all candidates on one task; arguments as `estimate`."""
    count = len(raws)
    points, low, high = (np.full(count, np.nan) for _ in range(3))
    draws = np.full((count, resamples), np.nan, dtype=np.float32)
    bounds = np.full((count, count), np.nan)
    why = [""] * count
    if any(raw is not None for raw in raws):
        found = estimate(task, raws, reference, units, resamples)
        for row, one in zip(found.rows, found.intervals, strict=True):
            low[row], high[row], why[row] = 100 * one.low, 100 * one.high, one.why
        points[found.rows], draws[found.rows] = 100 * found.points, 100 * found.draws
        among = upper_bounds(found.points, found.draws, found.groups, found.reach)
        bounds[np.ix_(found.rows, found.rows)] = rounded_up(100 * among)
    return Compared(points, low, high, tuple(why), draws, bounds)


def rounded_up(bounds: Floats) -> Floats:
    """Bounds in points, up to the next hundredth: still bounds, and exact in the two bytes that a report gives them."""
    result: Floats = np.clip(np.ceil(bounds * 100) / 100, -MOST_LOST, MOST_LOST)
    return result


def _binary(task: Task, raws: Sequence[Raw], reference: Raw | None) -> bool:
    """Whether each unit is right or wrong, once."""
    values = task.unit_values(raws[0], reference)
    return values is not None and bool(np.isin(values, (0.0, 1.0)).all())


@dataclass(frozen=True)
class Origin:
    """What a candidate was made from by training, which it must not be worse than."""

    start: str | None
    """A candidate; None where it is not there to be compared with."""
    must_gain: bool
    """It was made to be better (fine-tuned), not to be cheaper (distilled)."""
    named: str
    """`start` as the model itself names it."""


@dataclass(frozen=True)
class Evidence:
    """What a run measured: tasks, candidates, scores with their joint bootstrap, costs and their drift."""

    tasks: tuple[TaskFacts, ...]
    candidates: tuple[str, ...]
    """Those with scores, in the order of the matrices."""
    compared: tuple[Compared, ...]
    """One for each task."""
    figures: Mapping[str, Figures]
    """By candidate, shapes included."""
    latency_drift: float
    throughput_drift: float
    end_to_end: Mapping[str, Figures] = field(default_factory=dict)
    """Finalists measured again as whole pipelines. Limits hold for these too; costs are compared like for like, by
    `figures`."""
    plain: tuple[str, ...] = ()
    """Encoders without transforms: what one would use without looking for savings."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Of candidates whose model was made by training."""

    @property
    def shapes(self) -> tuple[str, ...]:
        """Candidates that have a cost and no quality."""
        return tuple(name for name in self.figures if name not in self.candidates)

    @property
    def deciding(self) -> tuple[int, ...]:
        """The tasks that decide: those of quality, or, when there is none, those of fidelity."""
        quality = tuple(at for at, task in enumerate(self.tasks) if task.is_quality)
        return quality or tuple(range(len(self.tasks)))

    def drift(self, figure: str) -> float:
        """How far (a ratio) two measurements of the same cost are apart here; 0 for exact arithmetic."""
        if figure in EXACT:
            return 0.0
        if figure in ("texts_per_s", "tokens_per_s", "bulk_cost"):
            return self.throughput_drift
        return max(self.latency_drift, self.throughput_drift) if figure == "monthly_cost" else self.latency_drift

    def save_matrices(self, file: IO[bytes]) -> None:
        """Write the arrays as .npz."""
        arrays = {f"{name}_{at}": getattr(one, name) for at, one in enumerate(self.compared) for name in _ARRAYS}
        np.savez(file, allow_pickle=False, **arrays)

    def to_json(self) -> dict[str, Any]:
        """All but the arrays."""
        return {
            "tasks": [asdict(task) for task in self.tasks],
            "candidates": list(self.candidates),
            "approximate": [list(one.approximate) for one in self.compared],
            "figures": {name: figures.to_json() for name, figures in self.figures.items()},
            "end_to_end": {name: figures.to_json() for name, figures in self.end_to_end.items()},
            "plain": list(self.plain),
            "origins": {name: asdict(origin) for name, origin in self.origins.items()},
            "latency_drift": self.latency_drift,
            "throughput_drift": self.throughput_drift,
        }

    @classmethod
    def load(cls, about: Mapping[str, Any], matrices: Path) -> "Evidence":
        """From what `to_json` and `save_matrices` gave."""
        with np.load(matrices, allow_pickle=False) as file:
            arrays = dict(file)
        compared = tuple(
            Compared(**{name: arrays[f"{name}_{at}"] for name in _ARRAYS}, approximate=tuple(why))
            for at, why in enumerate(about["approximate"])
        )
        return cls(
            tasks=tuple(TaskFacts(**(task | {"notes": tuple(task["notes"])})) for task in about["tasks"]),
            candidates=tuple(about["candidates"]),
            compared=compared,
            figures={name: Figures.from_json(found) for name, found in about["figures"].items()},
            latency_drift=about["latency_drift"],
            throughput_drift=about["throughput_drift"],
            plain=tuple(about["plain"]),
            origins={name: Origin(**found) for name, found in about.get("origins", {}).items()},
            end_to_end={name: Figures.from_json(found) for name, found in about["end_to_end"].items()},
        )


_ARRAYS = ("points", "low", "high", "draws", "bounds")
