"""Exact search against a naive sort in float64 with trec_eval's ties, in blocks of any size."""

import numpy as np
import pytest

from sizewise.core import rows
from sizewise.core.errors import RunError
from sizewise.core.rows import InMemory
from sizewise.index import exact
from sizewise.index.exact import rescore, scores_of, search, sortable


def naive(queries, documents, depth, tie_rank=None):
    """Sort every document by score, then by tie_rank."""
    scores = queries.astype(np.float64) @ documents.astype(np.float64).T
    ranks = np.arange(len(documents)) if tie_rank is None else tie_rank
    ids = np.full((len(queries), depth), -1)
    found = np.full((len(queries), depth), -np.inf)
    for row, line in enumerate(scores):
        order = np.lexsort((ranks, -line))[:depth]
        ids[row, : len(order)], found[row, : len(order)] = order, line[order]
    return ids, found


def floats(seed, count, dimensions=8):
    """Multiples of 1/16, so that float32 and float64 agree on every sum and on every tie."""
    return (np.random.default_rng(seed).integers(-64, 65, (count, dimensions)) / 16).astype(np.float32)


def codes(seed, count, dimensions=8, values=(-127, 128)):
    return np.random.default_rng(seed).integers(*values, (count, dimensions)).astype(np.int8)


def signs(seed, count, dimensions=6):
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (count, dimensions))


@pytest.fixture(
    params=[(2**26, 2**23), (4 * 8 * 7, 2**23), (1, 1), (4 * 8 * 50, 130)], ids=["whole", "blocks", "rows", "both"]
)
def sizes(request, monkeypatch):
    """Rows and scores in memory at once."""
    monkeypatch.setattr(rows, "BLOCK_BYTES", request.param[0])
    monkeypatch.setattr(exact, "SCORE_CELLS", request.param[1])


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("make", [floats, codes, signs])
@pytest.mark.parametrize("depth", [1, 10, 101, 150])
@pytest.mark.parametrize("ties", ["position", "shuffled"])
def test_search_is_a_sort(make, depth, ties):
    documents, queries = make(0, 101), make(1, 9)
    documents[50:70] = documents[:20]
    documents[3] = documents[4] = 0
    tie_rank = None if ties == "position" else np.random.default_rng(2).permutation(101)
    ids, scores = search(queries, InMemory(documents), depth, tie_rank)
    wanted_ids, wanted_scores = naive(queries, documents, depth, tie_rank)
    np.testing.assert_array_equal(ids, wanted_ids)
    np.testing.assert_array_equal(scores, wanted_scores)
    assert (ids.dtype, scores.dtype) == (np.int32, np.float32)


@pytest.mark.usefixtures("sizes")
def test_real_floats_are_in_order_with_their_scores():
    rng = np.random.default_rng(3)
    documents, queries = (
        rng.standard_normal((200, 16)).astype(np.float32),
        rng.standard_normal((5, 16)).astype(np.float32),
    )
    ids, scores = search(queries, InMemory(documents), 200)
    wanted_ids, wanted_scores = naive(queries, documents, 200)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (np.sort(ids, axis=1) == np.arange(200)).all()
    np.testing.assert_allclose(scores, wanted_scores, atol=1e-5)
    assert (ids == wanted_ids).mean() > 0.99


@pytest.mark.usefixtures("sizes")
def test_float_queries_on_codes():
    documents, queries = signs(0, 60), floats(1, 5, 6)
    np.testing.assert_array_equal(search(queries, InMemory(documents), 20)[0], naive(queries, documents, 20)[0])


def test_one_document_and_none():
    ids, scores = search(floats(0, 2), InMemory(floats(1, 1)), 3)
    assert ids.tolist() == [[0, -1, -1]] * 2
    assert scores[:, 1:].tolist() == [[-np.inf] * 2] * 2
    ids, scores = search(floats(0, 2), InMemory(floats(1, 0)), 3)
    assert ids.tolist() == [[-1] * 3] * 2
    assert search(floats(0, 0), InMemory(floats(1, 4)), 3)[0].shape == (0, 3)


def test_zero_and_minus_zero_tie():
    documents = np.array([[0.0], [-0.0], [0.0], [1.0], [-1.0]], np.float32)
    ids, scores = search(np.array([[1.0], [-1.0]], np.float32), InMemory(documents), 5, np.array([2, 0, 1, 3, 4]))
    assert ids.tolist() == [[3, 1, 2, 0, 4], [4, 1, 2, 0, 3]]
    assert not np.signbit(scores[scores == 0]).any()
    plus, minus = sortable(np.array([[0.0, -0.0]], np.float32), np.zeros(2, np.int64))[0]
    assert plus == minus


def test_all_scores_alike_leave_the_order_of_ties():
    tie_rank = np.random.default_rng(0).permutation(50)
    ids, _ = search(np.zeros((1, 4), np.float32), InMemory(floats(0, 50, 4)), 50, tie_rank)
    np.testing.assert_array_equal(tie_rank[ids[0]], np.arange(50))


def test_int8_products_are_exact_up_to_the_promised_width():
    documents = np.full((3, 1040), 127, np.int8)
    documents[1, 0] = 126
    _, scores = search(documents[:1], InMemory(documents), 3)
    assert scores.tolist() == [[1040 * 127**2, 1040 * 127**2, 1040 * 127**2 - 127]]


def test_sortable_keys_order_as_scores_do_and_give_them_back():
    special = [0.0, 1.0, -1.0, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf, 1 + 2**-23, 0.1]
    scores = np.array([[*special, *np.random.default_rng(0).standard_normal(500)]], np.float32)
    keys = sortable(scores, np.zeros(scores.shape[1], np.int64))
    np.testing.assert_array_equal(np.argsort(keys[0], kind="stable"), np.argsort(scores[0], kind="stable"))
    np.testing.assert_array_equal(scores_of(keys), scores)
    assert (keys > exact.NOTHING).all()
    ranked = sortable(np.zeros((1, 3), np.float32), np.array([0, 1, 2**31 - 2]))[0]
    assert ranked[0] > ranked[1] > ranked[2]


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("depth", [3, 10, 15])
def test_rescoring_sorts_the_first_again(depth):
    documents, queries = floats(0, 40), floats(1, 7)
    first = np.array([np.random.default_rng(row).permutation(40)[:10] for row in range(7)], np.int32)
    first[2, 4:] = -1
    first[3, :] = -1
    ids, scores = rescore(first, queries, InMemory(documents), depth)
    assert ids.shape == scores.shape == (7, depth)
    for row in range(7):
        some = first[row][first[row] >= 0]
        exactly = queries[row] @ documents[some].T
        order = np.argsort(-exactly, kind="stable")[:depth]
        assert ids[row].tolist() == [*some[order], *[-1] * (depth - len(order))]
        assert scores[row].tolist() == [*exactly[order], *[-np.inf] * (depth - len(order))]


def test_rescoring_keeps_the_order_of_ties():
    documents = np.ones((4, 2), np.float32)
    ids, _ = rescore(np.array([[2, 0, 3, 1]], np.int32), np.ones((1, 2), np.float32), InMemory(documents), 4)
    assert ids.tolist() == [[2, 0, 3, 1]]


def test_none_wanted():
    queries, documents = np.ones((2, 3), np.float32), InMemory(np.ones((9, 3), np.float32))
    ids, scores = search(queries, documents, 0)
    assert (ids.shape, scores.shape) == ((2, 0), (2, 0))


def test_scores_that_are_no_numbers():
    documents = np.ones((40, 3), np.float32)
    documents[3] = np.nan
    with pytest.raises(RunError, match="a vector of a query or a document holds NaN"):
        search(np.full((1, 3), np.nan, np.float32), InMemory(documents), 4)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["float32", "int8", "signs"])
def test_only_some_documents(monkeypatch, share, kind):
    """As if the others were not there, in whatever blocks they come."""
    from sizewise.core import rows
    from sizewise.core.rows import InMemory
    from sizewise.index import signs

    monkeypatch.setattr(rows, "BLOCK_BYTES", 4 * 8 * 100)
    monkeypatch.setattr(signs, "AT_ONCE", 130)
    chance = np.random.default_rng(4)
    documents = chance.standard_normal((1000, 8)).astype(np.float32)
    queries = chance.standard_normal((3, 8)).astype(np.float32)
    if kind == "int8":
        documents, queries = (np.rint(10 * one).astype(np.int8) for one in (documents, queries))
    if kind == "signs":
        documents, queries = (np.where(one > 0, 1, -1).astype(np.int8) for one in (documents, queries))
    mask = chance.random(1000) < share
    if kind == "signs":
        ids, scores = signs.Signs(InMemory(documents)).search(queries, 10, None, mask)
    else:
        ids, scores = search(queries, InMemory(documents), 10, None, mask)
    places = np.flatnonzero(mask)
    inner, wanted = search(queries, InMemory(documents[places]), 10)
    assert (ids == np.where(inner >= 0, places[inner] if len(places) else -1, -1)).all()
    np.testing.assert_allclose(scores, wanted, rtol=1e-5)
