"""Qdrant Edge against exact search on the same codes: with a graph, however few documents there are, and filters."""

import numpy as np
import pytest

from sizewise.core.errors import RunError
from sizewise.core.grammar import parse
from sizewise.core.rows import InMemory
from sizewise.index import edge, engine
from sizewise.index.dense import DenseIndex
from sizewise.index.edge import Edge
from sizewise.index.engine import EngineIndex, Kind, Space, Stage, spaces, stored
from sizewise.index.where import Where, Within
from sizewise.search.check import share
from sizewise.transform.chain import Chain

COUNT, DEPTH = 4000, 10
CODES = ["x", "x+truncate=24", "x+int8", "x+binary", "x+binary-asym", "x+int8+rescore=60", "x+binary+rescore=400"]
PARTS = {f"p{at}": at for at in range(40)}


@pytest.fixture(scope="module")
def vectors():
    """Documents in clumps, as texts are, and queries near some of them."""
    chance = np.random.default_rng(3)
    centres = chance.standard_normal((60, 48))
    documents = centres[chance.integers(0, 60, COUNT)] + 0.8 * chance.standard_normal((COUNT, 48))
    queries = documents[chance.choice(COUNT, 100)] + 0.5 * chance.standard_normal((100, 48))
    return documents.astype(np.float32), queries.astype(np.float32)


@pytest.fixture
def walked(monkeypatch):
    """A graph is made of few documents, and filters leave too many for all to be looked at."""
    monkeypatch.setattr(edge, "GRAPH_KB", 1)
    monkeypatch.setattr(engine, "LOOKED_AT", 50)


def made(folder, documents, text, cosine=True):
    """The shard, and the same exactly."""
    candidate = parse(text)
    chain = Chain.fit(candidate.steps, documents, cosine=cosine)
    folder.mkdir()
    shard = Edge.create(folder, spaces(0, chain, candidate.rescore))
    shard.index_fields([("part", "text"), ("year", "number"), ("even", "truth")])
    fields = [{"part": f"p{at % 40}", "year": at % 25, "even": at % 2 == 0} for at in range(len(documents))]
    shard.put(range(len(documents)), dict(stored(0, chain, candidate.rescore, documents)), fields)
    shard.optimise()
    exact = DenseIndex(chain, InMemory(documents), candidate.rescore)
    return EngineIndex(shard, 0, chain, candidate.rescore), exact


@pytest.mark.parametrize("text", CODES)
@pytest.mark.parametrize("cosine", [True, False])
def test_what_is_found_and_how_it_scores(vectors, walked, tmp_path, text, cosine):
    documents, queries = vectors
    index, exact = made(tmp_path / "shard", documents, text, cosine)
    ids, scores = index.search(queries, DEPTH)
    _, best = exact.search(queries, DEPTH)
    assert share(best, scores) >= 0.99
    again = index.scores(queries, ids)
    if not index.rescored:
        np.testing.assert_allclose(scores, exact.scores(queries, ids), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(again, exact.scores(queries, ids), rtol=1e-4, atol=1e-4)
    one = index.search(queries[:1], DEPTH)[0]
    assert (one == ids[:1]).all()


FILTERS = {
    "one value": ({"part": "p7"}, lambda at: at % 40 == 7),
    "two values": ({"part": ["p7", "p8"]}, lambda at: at % 40 in (7, 8)),
    "many values": ({"part": [f"p{one}" for one in range(12)]}, lambda at: at % 40 < 12),
    "half": ({"even": True}, lambda at: at % 2 == 0),
    "bounds": ({"year": {">=": 5, "<=": 20}}, lambda at: 5 <= at % 25 <= 20),
    "a few": ({"part": "p7", "year": 7}, lambda at: at % 40 == 7 and at % 25 == 7),
    "none": ({"part": "p7", "even": True}, lambda at: False),
    "another kind": ({"year": "7"}, lambda at: False),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("text", ["x", "x+int8", "x+binary+rescore=400"])
def test_filters(vectors, walked, tmp_path, text, name):
    documents, queries = vectors
    index, exact = made(tmp_path / "shard", documents, text)
    wanted, holds = FILTERS[name]
    mask = np.array([holds(at) for at in range(COUNT)])
    within = Within(Where.from_json(wanted), lambda _: mask)
    ids, scores = index.search(queries, DEPTH, within=within)
    assert mask[ids[ids >= 0]].all()
    _, best = exact.search(queries, DEPTH, within=within)
    assert (ids >= 0).sum() == np.isfinite(best).sum()
    if mask.any():
        assert share(best, scores) >= 0.99


def test_what_is_not_there(vectors, tmp_path):
    documents, queries = vectors
    index, _ = made(tmp_path / "shard", documents[:20], "x")
    ids, scores = index.search(queries[:2], 30)
    assert (ids[:, 20:] == -1).all()
    assert np.isneginf(scores[:, 20:]).all()
    found = index.scores(queries[:2], np.array([[3, -1], [-1, 999]]))
    assert np.isfinite(found).tolist() == [[True, False], [False, False]]
    assert index.search(queries[:0], 5)[0].shape == (0, 5)
    index.engine.delete([3])
    assert len(index.engine) == 19
    assert 3 not in index.search(queries[:1], 30)[0]


def test_what_it_is_not_given(vectors, tmp_path):
    documents, _ = vectors
    index, _ = made(tmp_path / "shard", documents[:20], "x+int8")
    broken = documents[:3].copy()
    broken[1, 2] = np.nan
    with pytest.raises(RunError, match="a vector holds what is not a number"):
        dict(stored(0, index.chain, 0, broken))
    with pytest.raises(RunError, match="Qdrant Edge: the shard could not be written"):
        index.engine.put([30], {"codes-0": np.ones((1, 3), np.float32)}, [{}])
    with pytest.raises(RunError, match="Qdrant Edge: the shard could not be asked"):
        index.search(np.ones((1, 47), np.float32), 3)
    with pytest.raises(RunError, match="Qdrant Edge: the shard could not be opened"):
        Edge.load(tmp_path)


def test_more_is_kept_in_sight_among_many():
    """A graph of more documents overlooks more; under a filter neighbours of neighbours are followed."""
    few, many, deep = (Stage(Space("x", 4), np.zeros(4), *more) for more in ((10,), (10, None, 400_000), (2000,)))
    assert [one.width(Where()) for one in (few, many, deep)] == [256, 512, 2000]
    assert [one.width(Where.parse(["a=b"])) for one in (few, many, deep)] == [384, 384, 2000]


def test_kinds_of_codes(vectors):
    documents, _ = vectors

    def kinds(text):
        candidate = parse(text)
        chain = Chain.fit(candidate.steps, documents[:50], cosine=True)
        return [(space.name, space.kind, space.walked) for space in spaces(2, chain, candidate.rescore)]

    assert kinds("x") == [("codes-2", Kind.FLOATS, True)]
    assert kinds("x+binary-asym") == [("codes-2", Kind.SIGNS_OF_FLOATS, True)]
    assert kinds("x+int8+rescore=9") == [("codes-2", Kind.WHOLE, True), ("floats-2", Kind.FLOATS, False)]
    assert (Space("a", 4, Kind.SIGNS).number_bytes, Space("a", 4).number_bytes) == (2, 4)
    assert (Space("a", 4, walked=False).links, Space("a", 4).links) == (0, engine.LINKS)
