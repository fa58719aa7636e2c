"""The cheap baseline of pairs, a linear adapter, and hard negatives."""

import numpy as np

from sizewise.train.adapter import Adapter, reciprocal_ranks
from sizewise.train.negatives import mined


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_an_adapter_undoes_a_rotation():
    """Queries are rotated documents: the closed form finds the way back, on queries that it was not fitted on."""
    chance = np.random.default_rng(0)
    documents = unit(chance.standard_normal((600, 16)))
    rotation = np.linalg.qr(chance.standard_normal((16, 16)))[0]
    queries = unit(documents @ rotation)
    adapter = Adapter.fit(queries[:500], documents[:500])
    before, after = (
        reciprocal_ranks(found, documents[500:]).mean() for found in (queries[500:], adapter.apply(queries[500:]))
    )
    assert before < 0.2
    assert after > 0.95


def test_an_adapter_of_noise_changes_little():
    chance = np.random.default_rng(1)
    queries, documents = (unit(chance.standard_normal((400, 16))) for _ in range(2))
    adapter = Adapter.fit(queries, documents)
    assert adapter.strength >= 100
    assert (adapter.apply(queries) * queries).sum(1).mean() > 0.9


def test_ridge_is_that_of_the_textbook():
    from sklearn.linear_model import Ridge

    from sizewise.train.adapter import _ridge

    chance = np.random.default_rng(2)
    queries, documents = (unit(chance.standard_normal((100, 8))) for _ in range(2))
    theirs = Ridge(alpha=3.0, fit_intercept=False).fit(queries, documents - queries).coef_.T
    np.testing.assert_allclose(_ridge(queries, documents, 3.0), theirs, atol=1e-5)


def test_negatives_are_near_and_surely_none():
    documents = unit(np.array([[1, 0, 0], [0.999, 0.04, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0, 1]]))
    anchors = documents[[0, 3]]
    found = mined(anchors, documents, np.array([0, 3]), np.array([0, 1]), 2)
    assert found[0].tolist()[0] == 2, "document 1 is as near as the positive, and may be another one"
    assert 1 not in found[0]
    assert found[1].tolist() == [2, 1]


def test_what_belongs_to_the_same_text_is_no_negative():
    documents = unit(np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]]))
    anchors = documents[[0, 0]]
    assert mined(anchors, documents, np.array([0, 1]), np.array([7, 7]), 1).tolist() == [[2], [2]]
