"""Evidence made from made-up units, so that what a decision ought to say is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sizewise.cost.figures import Figures
from sizewise.data.task import Task, Units
from sizewise.decide.evidence import Evidence, TaskFacts, compare
from sizewise.stats.statistics import Mean


class Values(Task):
    """A task whose records are the values of its units; nothing is encoded."""

    kind, needs, files = "values", "rankings", ""

    @classmethod
    def of(cls, name: str, n: int, groups=None, is_quality: bool = True, margin: float | None = None) -> "Values":
        ids = tuple(f"{name}-{at}" for at in range(n))
        task = cls(name=name, path=name, metric="ndcg@10", units=Units(ids, groups), fingerprint=name, margin=margin)
        object.__setattr__(task, "is_quality", is_quality)
        return task

    def text_sets(self):
        return ()

    def fit_texts(self):
        return ()

    def records(self, results):
        return dict(results)

    def statistic(self, raws, reference=None):
        return Mean(np.stack([raw["values"] for raw in raws])[:, None, :])

    def unit_values(self, raw, reference=None):
        return raw["values"]

    def columns(self, raw):
        return {}


@pytest.fixture
def make():
    """`make({name: (costs, [values on each task, or None])}, ...)` -> Evidence."""

    def made(
        candidates: dict[str, tuple[dict[str, float], Sequence[np.ndarray | None]]],
        tasks: Sequence[Values] | None = None,
        shapes: dict[str, dict[str, float]] | None = None,
        drift: float = 0.0,
        throughput_drift: float = 0.0,
        resamples: int = 500,
    ) -> Evidence:
        units = [len(values) for values in next(iter(candidates.values()))[1]]
        tasks = tasks or [Values.of(f"task{at}", n) for at, n in enumerate(units)]
        compared, facts = [], []
        for at, task in enumerate(tasks):
            raws = [None if row[1][at] is None else {"values": row[1][at]} for row in candidates.values()]
            compared.append(compare(task, raws, resamples=resamples))
            facts.append(
                TaskFacts(
                    task.name,
                    task.kind,
                    task.metric,
                    len(task.units),
                    task.units.group_count,
                    task.is_quality,
                    task.margin,
                )
            )
        figures = {name: Figures(**row[0]) for name, row in candidates.items()}
        figures |= {name: Figures(**costs, source="predicted") for name, costs in (shapes or {}).items()}
        return Evidence(tuple(facts), tuple(candidates), tuple(compared), figures, drift, throughput_drift)

    return made


@pytest.fixture
def noisy():
    """`noisy(n, mean, seed)`: values of n units, the same unit noise whatever the mean."""

    def values(n: int, mean: float, spread: float = 0.1, own: float = 0.0, seed: int = 0) -> np.ndarray:
        shared = np.random.default_rng(7).standard_normal(n)
        private = np.random.default_rng([seed, 8]).standard_normal(n)
        return np.clip(mean + spread * (shared - shared.mean()) + own * private, 0, 1)

    return values


@pytest.fixture
def round_trip(tmp_path: Path):
    """Evidence written and read again."""

    def again(evidence: Evidence) -> Evidence:
        import orjson

        from sizewise.store.files import to_json

        with (tmp_path / "matrices.npz").open("wb") as file:
            evidence.save_matrices(file)
        return Evidence.load(orjson.loads(to_json(evidence.to_json())), tmp_path / "matrices.npz")

    return again


@pytest.fixture
def task():
    """`task(name, n, groups=..., is_quality=..., margin=...)`: a task of made-up units."""
    return Values.of
