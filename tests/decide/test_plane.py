"""Rows of the picture of quality against cost."""

import numpy as np
import pytest

from sizewise.cost.figures import Figures
from sizewise.decide.evidence import Compared, Evidence, TaskFacts
from sizewise.decide.plane import is_logarithmic, plane, rows
from sizewise.decide.recommendation import decide
from sizewise.decide.terms import Terms


@pytest.fixture
def found():
    """Three candidates on one task: small and good enough, as dear and worse, dearer and a little better."""
    costs, points = {"small": 2.0, "worse": 2.5, "large": 9.0}, np.array([80.0, 70.0, 80.5])
    draws = (points[:, None] + np.random.default_rng(0).standard_normal(100)).astype(np.float32)
    bounds = points[None, :] - points[:, None] + 0.1
    np.fill_diagonal(bounds, 0.0)
    compared = Compared(points, points - 2, points + 2, ("",) * 3, draws, bounds)
    task = TaskFacts("private name", "retrieval", "ndcg@10", 400, 400, True, notes=("a private note",))
    figures = {name: Figures(p95_ms=cost) for name, cost in costs.items()}
    return decide(Evidence((task,), tuple(costs), (compared,), figures, 0.0, 0.0), Terms("p95_ms"))


def test_how_candidates_stand(found):
    assert [(row["candidate"], row["cost"], row["state"], row["onFrontier"]) for row in rows(found)] == [
        ("small", 2.0, "recommended", True),
        ("worse", 2.5, "dominated", False),
        ("large", 9.0, "frontier", True),
    ]
    assert all(row["low"] < row["quality"] < row["high"] for row in rows(found))


def test_what_bundles_carry(found):
    told = plane("support", found)
    assert (told["name"], told["minimise"], told["unit"]) == ("support", "p95_ms", "ms 95th-percentile latency")
    assert told["logarithmic"]
    assert told["rows"] == rows(found)
    assert "private" not in str(told)


@pytest.mark.parametrize(
    ("costs", "wanted"),
    [([1, 3], False), ([1, 3.1], True), ([0, 5], False), ([-1, 5], False), ([], False), ([2], False)],
)
def test_the_scale(costs, wanted):
    assert is_logarithmic(costs) == wanted
