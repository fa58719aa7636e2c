"""Ranking again: the first by other scores, ties and the rest as they were."""

import numpy as np
import pytest

from sizewise.rank.again import agreements, margins, reranked

IDS = np.array([[5, 3, 8, 1], [2, 9, -1, -1], [-1, -1, -1, -1]], np.int32)
SCORES = np.array([[4, 3, 2, 1], [7, 6, -np.inf, -np.inf], [-np.inf] * 4], np.float32)
OTHERS = np.array([[0.1, 0.9, 0.5, 0.99], [0.2, 0.2, -np.inf, -np.inf], [-np.inf] * 4], np.float32)


@pytest.mark.parametrize(
    ("depth", "first"),
    [(0, [5, 3, 8, 1]), (1, [5, 3, 8, 1]), (2, [3, 5, 8, 1]), (3, [3, 8, 5, 1]), (4, [1, 3, 8, 5]), (9, [1, 3, 8, 5])],
)
def test_as_deep_as_asked(depth, first):
    ids, scores = reranked(IDS, SCORES, OTHERS, depth)
    assert ids.tolist() == [first, IDS[1].tolist(), IDS[2].tolist()], "ties keep their order"
    assert (np.diff(scores[0]) <= 0).all(), "scores fall along the ranking, over the seam too"
    assert np.isneginf(scores[1:][ids[1:] < 0]).all()
    assert not np.isnan(scores).any()


def test_only_where_it_is_unsure():
    ids, scores = reranked(IDS, SCORES, OTHERS, 4, np.array([False, True, True]))
    assert ids[0].tolist() == IDS[0].tolist()
    assert scores[0].tolist() == SCORES[0].tolist()
    assert scores[1, :2].tolist() == OTHERS[1, :2].tolist()


def test_margins():
    found = margins(np.array([[1, 2], [1, -1], [-1, -1]], np.int32), np.array([[3, 1], [3, -np.inf], [-np.inf] * 2]))
    assert found.tolist() == [2, np.inf, np.inf]
    assert margins(IDS[:, :1], SCORES[:, :1]).tolist() == [np.inf] * 3


def test_agreement():
    first = np.array([[1, 2, 3], [1, 2, -1], [-1, -1, -1]], np.int32)
    second = np.array([[3, 1, 9], [2, 1, 5], [-1, -1, -1]], np.int32)
    np.testing.assert_allclose(agreements(first, second), [2 / 3, 2 / 3, 0])
    assert agreements(np.arange(30)[None], np.arange(30)[None, ::-1]).tolist() == [0], "the first ten count"
