"""Signs as bits: the same rankings as by products, ties and all."""

import numpy as np
import pytest

from sizewise.core.rows import InMemory
from sizewise.index.exact import search
from sizewise.index.signs import AT_ONCE, Signs


def drawn(count, width, seed=0):
    return np.where(np.random.default_rng(seed).random((count, width)) < 0.5, np.int8(-1), np.int8(1))


@pytest.mark.parametrize(("count", "width"), [(1, 1), (50, 7), (300, 64), (300, 65), (AT_ONCE + 500, 24)])
@pytest.mark.parametrize("tied", [False, True])
def test_the_same_as_products(count, width, tied):
    documents, queries = drawn(count, width), drawn(3, width, 1)
    ties = np.random.default_rng(2).permutation(count) if tied else None
    for depth in (1, 10, count + 5):
        if depth > 10 and count > 1000:
            continue
        wanted = search(queries, InMemory(documents), depth, ties)
        found = Signs(InMemory(documents)).search(queries, depth, ties)
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])


def test_they_come_back():
    documents = drawn(100, 70)
    signs = Signs(InMemory(documents))
    assert (len(signs), signs.dimensions) == documents.shape
    np.testing.assert_array_equal(signs.block(3, 60), documents[3:60])
    assert signs._words.nbytes == 100 * 16
