"""Runs made up from numbers, as a report reads them."""

import numpy as np
import pytest

from sizewise.cost.figures import Figures
from sizewise.decide.evidence import Compared, Evidence, TaskFacts


@pytest.fixture
def evidence():
    """`evidence({name: (p95_ms, score)}, ...)`: one task of 400 units; a score of NaN where it does not apply."""

    def made(candidates, shapes=(), is_quality=True, notes=(), drift=0.0):
        points = np.array([score for _, score in candidates.values()], dtype=float)
        noise = np.random.default_rng(0).standard_normal(200)
        draws = (points[:, None] + noise).astype(np.float32)
        bounds = points[None, :] - points[:, None] + 1.0
        np.fill_diagonal(bounds, 0.0)
        one = Compared(points, points - 2, points + 2, ("",) * len(points), draws, bounds)
        task = TaskFacts("support/search", "retrieval", "ndcg@10", 400, 400, is_quality, notes=tuple(notes))
        figures = {name: Figures(p95_ms=cost, memory_mb=100.0) for name, (cost, _) in candidates.items()}
        figures |= {name: Figures(p95_ms=99.0, parameters=335_000_000) for name in shapes}
        return Evidence((task,), tuple(candidates), (one,), figures, drift, drift)

    return made
