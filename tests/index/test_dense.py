"""A candidate's index: codes searched, floats kept only for rescoring."""

import numpy as np
import pytest

from sizewise.core import rows
from sizewise.core.grammar import parse
from sizewise.core.rows import InMemory
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import search
from sizewise.transform.chain import Chain, unit


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((150, 16)).astype(np.float32)


@pytest.fixture
def queries():
    return np.random.default_rng(1).standard_normal((6, 16)).astype(np.float32)


def index(text, vectors, *, cosine=True, rescored=0):
    return DenseIndex(Chain.fit(parse(text).steps, vectors, cosine=cosine), InMemory(vectors), rescored)


@pytest.mark.parametrize("text", ["m", "m+truncate=4", "m+whiten=8+int8", "m+binary", "m+binary-asym"])
@pytest.mark.parametrize("held", [True, False])
def test_it_searches_codes(vectors, queries, text, held, monkeypatch):
    if not held:  # the chain then runs on each block as it is read
        monkeypatch.setattr("sizewise.index.dense.materialise", lambda made, limit: made)
        monkeypatch.setattr(rows, "BLOCK_BYTES", 1000)
    made = index(text, vectors)
    ids, scores = made.search(queries, 20)
    wanted = search(made.chain.queries(queries), InMemory(made.chain.documents(vectors)), 20)
    np.testing.assert_array_equal(ids, wanted[0])
    np.testing.assert_allclose(scores, wanted[1], rtol=1e-5)
    assert len(made) == 150


@pytest.mark.parametrize("cosine", [True, False])
def test_rescoring_uses_the_encoders_vectors(vectors, queries, cosine):
    made = index("m+truncate=8+binary", vectors, cosine=cosine, rescored=30)
    ids, scores = made.search(queries, 10)
    first, _ = search(made.chain.queries(queries), InMemory(made.chain.documents(vectors)), 30)
    scale = unit if cosine else (lambda rows: rows)
    exactly = scale(queries) @ scale(vectors).T
    for row in range(6):
        order = first[row][np.argsort(-exactly[row, first[row]], kind="stable")][:10]
        assert ids[row].tolist() == order.tolist()
        np.testing.assert_allclose(scores[row], exactly[row, order], rtol=1e-5)


def test_rescoring_everything_is_exact_search(vectors, queries):
    made = index("m+binary", vectors, rescored=1000)
    np.testing.assert_array_equal(made.search(queries, 50)[0], index("m", vectors).search(queries, 50)[0])


def test_bytes_count_the_floats_only_where_they_are_needed(vectors):
    assert index("m", vectors).bytes_per_vector == 64
    assert index("m+truncate=8+int8", vectors).bytes_per_vector == 8
    assert index("m+binary", vectors).bytes_per_vector == 2
    assert index("m+binary", vectors, rescored=10).bytes_per_vector == 2 + 64
