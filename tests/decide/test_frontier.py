"""The frontier, the steps along it, and what a shape would have to be worth."""

import numpy as np
import pytest

from sizewise.decide.frontier import Point, marginal, points, steps, undominated
from sizewise.decide.recommendation import decide
from sizewise.decide.terms import Terms
from sizewise.decide.words import sentences
from sizewise.stats.compare import difference

LATENCY = Terms("p95_ms")


def by_pairs(quality, costs):
    """Whether no other is as cheap and better, or cheaper and as good: every pair looked at."""
    result = []
    for q, c in zip(quality, costs, strict=True):
        beaten = [(qo > q and co <= c) or (qo >= q and co < c) for qo, co in zip(quality, costs, strict=True)]
        result.append(not any(beaten))
    return result


@pytest.mark.parametrize("seed", range(20))
def test_undominated_is_what_comparing_every_pair_gives(seed):
    rng = np.random.default_rng(seed)
    costs = np.sort(rng.integers(0, 6, 15).astype(float))
    quality = rng.integers(0, 6, (15, 8)).astype(float)
    found = undominated(quality, costs)
    for column in range(8):
        assert found[:, column].tolist() == by_pairs(quality[:, column], costs)


@pytest.fixture
def crowd(make, noisy):
    """12 candidates on two tasks, costs with ties; one that misses a task, one without a cost."""
    rng = np.random.default_rng(3)
    rows = {
        f"c{at}": (
            {"p95_ms": float(1 + at // 2)},
            [
                noisy(150, 0.5 + 0.012 * at + rng.uniform(0, 0.03), own=0.05, seed=at),
                noisy(90, 0.5 + 0.012 * at + rng.uniform(0, 0.03), own=0.02, seed=at),
            ],
        )
        for at in range(12)
    }
    rows["missing"] = ({"p95_ms": 0.5}, [noisy(150, 0.9), None])
    rows["free"] = ({}, [noisy(150, 0.9), noisy(90, 0.9)])
    return make(rows)


def test_points_against_every_pair_and_every_draw(crowd):
    found = points(crowd, LATENCY)
    assert {one.candidate for one in found} == {f"c{at}" for at in range(12)}
    rows = [crowd.candidates.index(one.candidate) for one in found]
    costs = [crowd.figures[one.candidate].p95_ms for one in found]
    assert costs == sorted(costs) == [one.cost for one in found]
    quality = np.mean([one.points[rows] for one in crowd.compared], axis=0)
    np.testing.assert_allclose([one.quality for one in found], quality)
    assert [one.on_frontier for one in found] == by_pairs(quality, costs)
    draws = np.mean([one.draws[rows] for one in crowd.compared], axis=0)
    often = np.mean([by_pairs(draws[:, at], costs) for at in range(draws.shape[1])], axis=0)
    np.testing.assert_allclose([one.probability for one in found], often)
    assert all(one.low <= one.quality <= one.high for one in found)
    assert all(one.probability > 0 for one in found if one.on_frontier)


def test_steps_gain_what_pairs_differ_by(crowd):
    rungs = steps(points(crowd, LATENCY), 0.0)
    assert len(rungs) > 2
    for step, start, to in zip(marginal(crowd, rungs), rungs, rungs[1:], strict=False):
        assert (step.start, step.to) == (start.candidate, to.candidate)
        assert (step.cost_from, step.cost_to) == (start.cost, to.cost)
        assert step.cost_to > step.cost_from
        i, j = (crowd.candidates.index(name) for name in (step.to, step.start))
        assert [one.task for one in step.gains] == ["task0", "task1"]
        for gain, one, facts in zip(step.gains, crowd.compared, crowd.tasks, strict=True):
            assert gain.gain == pytest.approx(one.points[i] - one.points[j])
            paired = difference(one.points / 100, one.draws / 100, i, j, facts.units)
            assert (gain.low, gain.high) == pytest.approx((100 * paired.low, 100 * paired.high), abs=1e-3)
            assert gain.low < gain.gain < gain.high
    assert "90 units are fewer than 100" in marginal(crowd, rungs)[0].gains[1].approximate


def test_a_paired_step_is_far_narrower_than_two_intervals(make, noisy):
    evidence = make({"a": ({"p95_ms": 1.0}, [noisy(400, 0.50)]), "b": ({"p95_ms": 2.0}, [noisy(400, 0.52, own=0.01)])})
    (step,) = marginal(evidence, steps(points(evidence, LATENCY), 0.0))
    one = evidence.compared[0]
    assert step.gains[0].high - step.gains[0].low < 0.3 * (one.high[0] - one.low[0])


def at(name, cost, quality, on_frontier=True):
    return Point(name, quality, quality - 1, quality + 1, cost, on_frontier, 0.5)


def test_steps_that_drift_cannot_tell_apart_are_one():
    ladder = [at("a", 1.0, 50), at("b", 1.04, 51), at("x", 1.05, 10, False), at("c", 1.09, 52), at("d", 2.0, 60)]
    assert [one.candidate for one in steps(ladder, 0.0)] == ["a", "b", "c", "d"]
    assert [one.candidate for one in steps(ladder, 0.05)] == ["b", "c", "d"], "1.09 is more than 5% over 1.00"
    assert [one.candidate for one in steps(ladder, 0.10)] == ["c", "d"]
    assert [one.candidate for one in steps(ladder, 5.0)] == ["d"]
    assert steps([], 0.1) == []
    fast = [at("a", 900.0, 50), at("b", 870.0, 51), at("c", 100.0, 60)]
    assert [one.candidate for one in steps(fast, 0.05)] == ["b", "c"], "throughput falls along the ladder"


def test_break_even_of_shapes(make, noisy):
    evidence = make(
        {"a": ({"p95_ms": 2.0}, [noisy(400, 0.70), noisy(400, 0.99, 0.001)])},
        shapes={
            "shape:bert-large": {"p95_ms": 50.0},
            "shape:free": {"p95_ms": 0.0},
            "shape:gpt3-175b": {"parameters": 175_000_000_000},
        },
    )
    found = decide(evidence, LATENCY)
    (one,) = found.break_even
    assert (one.shape, one.cost, one.times) == ("shape:bert-large", 50.0, 25.0)
    assert [(task, round(needed, 3)) for task, needed, _ in one.scores] == [
        ("task0", round(found.choice.tasks[0].score + 2, 3)),
        ("task1", round(found.choice.tasks[1].score + 2, 3)),
    ]
    assert "shape:bert-large" not in {point.candidate for point in found.frontier}, "shapes have no quality"
    words = next(line for line in sentences(found) if line.startswith("Shapes"))
    assert words.startswith("Shapes, in times its cost: shape:bert-large 25.0.")
    assert "on task0" in words
    assert "on task1" not in words, "nothing scores above 100"
