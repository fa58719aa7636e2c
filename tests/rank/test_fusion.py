"""Fusion, against the same worked out document by document."""

import numpy as np
import pytest

from sizewise.rank.fusion import by_ranks, by_scores


def rankings(seed, queries=7, width=12, documents=30, part=0.8):
    """Random ones, with gaps at their ends."""
    chance = np.random.default_rng(seed)
    ids = np.stack([chance.permutation(documents)[:width] for _ in range(queries)]).astype(np.int32)
    scores = -np.sort(-chance.standard_normal((queries, width)).astype(np.float32), axis=1)
    found = np.arange(width) < chance.binomial(width, part, (queries, 1))
    return np.where(found, ids, -1), np.where(found, scores, -np.inf).astype(np.float32)


def best(sums, ties, depth):
    order = sorted(sums, key=lambda at: (-np.float64(sums[at]), ties[at]))[:depth]
    return order + [-1] * (depth - len(order))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("tied", [False, True])
def test_by_ranks(seed, tied):
    first, second = (rankings(seed + at, width=5 + at)[0] for at in (0, 3))
    ties = np.random.default_rng(seed).permutation(30) if tied else np.arange(30)
    ids, scores = by_ranks([first, second], 20, ties if tied else None)
    assert (ids.dtype, scores.dtype, ids.shape) == (np.int32, np.float32, (7, 20))
    for row in range(7):
        sums = {}
        for ranking in (first, second):
            for rank, at in enumerate(ranking[row].tolist(), 1):
                if at >= 0:
                    sums[at] = sums.get(at, 0.0) + 1 / (60 + rank)
        assert ids[row].tolist() == best(sums, ties, 20)
        wanted = [sums[at] for at in ids[row].tolist() if at >= 0]
        np.testing.assert_allclose(scores[row, : len(wanted)], wanted, rtol=1e-6)
        assert np.isneginf(scores[row, len(wanted) :]).all()


@pytest.mark.parametrize("seed", range(10))
def test_by_scores(seed):
    pair = [rankings(seed), rankings(seed + 50, width=9)]
    ids, scores = by_scores(pair, (0.3, 0.7), 15)
    for row in range(7):
        sums = {}
        for weight, (places, values) in zip((0.3, 0.7), pair, strict=True):
            there = {at: float(score) for at, score in zip(places[row].tolist(), values[row], strict=True) if at >= 0}
            if there:
                low, high = min(there.values()), max(there.values())
                for at, score in there.items():
                    sums[at] = sums.get(at, 0.0) + weight * ((score - low) / (high - low) if high > low else 1.0)
        wanted = [sums[at] for at in ids[row].tolist() if at >= 0]
        assert len(wanted) == min(15, len(sums))
        np.testing.assert_allclose(scores[row, : len(wanted)], wanted, rtol=1e-5, atol=1e-7)
        assert wanted == sorted(wanted, reverse=True) or np.allclose(wanted, sorted(wanted, reverse=True))


def test_the_order_of_the_parts_does_not_matter_to_ranks():
    first, second = rankings(1)[0], rankings(2)[0]
    np.testing.assert_array_equal(by_ranks([first, second], 9)[0], by_ranks([second, first], 9)[0])


def test_nothing_found_is_nothing():
    nothing = np.full((2, 4), -1, np.int32), np.full((2, 4), -np.inf, np.float32)
    for ids, scores in (by_ranks([nothing[0]] * 2, 3), by_scores([nothing] * 2, (0.5, 0.5), 3)):
        assert (ids == -1).all()
        assert np.isneginf(scores).all()


def test_equal_scores_are_all_the_best():
    ids, scores = by_scores([(np.array([[4, 2]], np.int32), np.ones((1, 2), np.float32))], (1.0,), 3)
    assert ids.tolist() == [[2, 4, -1]]
    assert scores[0, :2].tolist() == [1, 1]
