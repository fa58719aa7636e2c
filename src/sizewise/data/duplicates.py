"""Texts that nearly repeat one another: MinHash finds the pairs, exact Jaccard similarity decides.

Broder, "On the resemblance and containment of documents", 1997: the smallest hashes of two sets agree as often as the
sets overlap. Sets are the 3-word shingles of a text. With 16 bands of 4 hashes a pair at the threshold of 0.8 becomes a
candidate with probability 0.9998, one at 0.5 in two thirds of cases, one at 0.2 in 2.5%.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.data.words import words

SHINGLE = 3
THRESHOLD = 0.8
BANDS, ROWS = 16, 4

_CHUNK = 8192
_NEIGHBOURS = 4
"""Texts of one bucket that each is compared with: chains of pairs join a bucket of any size."""
_PRIME = np.uint64(2**61 - 1)


def first_of_each(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """int64 [texts]: for each text the position of the first one that it nearly repeats; its own where it is new."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(texts)
    left, right = _alike(texts, _candidates(_signatures(texts)))
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    component = connected_components(graph, directed=False)[1]
    # np.unique reports where each component comes first.
    first: npt.NDArray[np.int64] = np.unique(component, return_index=True)[1][component]
    return first


def shingles(text: str) -> list[str]:
    """The word 3-shingles of `text`; all of its words together where they are fewer."""
    found = words(text)
    return [" ".join(found[at : at + SHINGLE]) for at in range(max(len(found) - SHINGLE + 1, 1))]


def _hashed(texts: Sequence[str]) -> Any:
    """csr [texts, 2^31 - 1]: 1 for each shingle of a text, hashed; collisions are too rare to matter."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        analyzer=shingles, n_features=2**31 - 1, norm=None, binary=True, alternate_sign=False, dtype=np.float32
    )
    return hashing.transform(texts)


def _signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """uint32 [texts, BANDS * ROWS]: the smallest value of each hash function over the shingles of a text."""
    rng = np.random.default_rng(0)
    factor, shift = rng.integers(1, 2**31 - 1, (2, BANDS * ROWS), np.uint64)
    signatures = np.empty((len(texts), BANDS * ROWS), np.uint32)
    for start in range(0, len(texts), _CHUNK):
        matrix = _hashed(texts[start : start + _CHUNK])
        features, starts = matrix.indices.astype(np.uint64), matrix.indptr[:-1]
        for at in range(BANDS * ROWS):
            values = ((features * factor[at] + shift[at]) % _PRIME).astype(np.uint32)
            signatures[start : start + _CHUNK, at] = np.minimum.reduceat(values, starts)
    return signatures


def _candidates(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """int64 [pairs, 2], each pair once: texts that agree in all rows of a band."""
    n = len(signatures)
    pairs = [np.empty(0, np.int64)]
    for band in range(BANDS):
        rows = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        order = np.lexsort(rows.T)
        ordered = rows[order]
        for step in range(1, min(_NEIGHBOURS, n - 1) + 1):
            same = (ordered[step:] == ordered[:-step]).all(axis=1)
            one, other = order[:-step][same], order[step:][same]
            pairs.append(np.minimum(one, other) * n + np.maximum(one, other))
    return np.stack(np.divmod(np.unique(np.concatenate(pairs)), n), axis=1)


def _alike(texts: Sequence[str], pairs: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Both sides of the pairs whose shingles have a Jaccard similarity of THRESHOLD or more."""
    kept = [pairs[:0]]
    for some in _chunks(pairs):
        members, at = np.unique(some, return_inverse=True)
        matrix = _hashed([texts[member] for member in members])
        sizes = np.diff(matrix.indptr)
        one, other = at.reshape(some.shape).T
        shared = np.asarray(matrix[one].multiply(matrix[other]).sum(axis=1)).ravel()
        kept.append(some[shared >= THRESHOLD * (sizes[one] + sizes[other] - shared)])
    left, right = np.concatenate(kept).T
    return left, right


def _chunks(pairs: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(pairs), _CHUNK):
        yield pairs[start : start + _CHUNK]
