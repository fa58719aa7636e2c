"""The mean of rows of a table for each text: all there is to a static model."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sizewise.encode.static_folder import Weights
from sizewise.encode.tokens import Tokens

AT_ONCE = 4096
"""Rows that are gathered at a time: a few megabytes, which stay in the cache of a processor."""
TINY = 1e-32
"""Added to a length before dividing by it, as model2vec does: a text without a known token stays zero."""

Vectors = npt.NDArray[np.float32]


def means(tokens: Tokens, weights: Weights) -> Vectors:
    """float32 [n, d]: the mean of the rows of each text's tokens; zeros for a text without any.

    The rows of a text are added in order, whatever texts are beside it: its vector is the same to the last bit.
    """
    found = np.zeros((len(tokens), weights.table.shape[1]), dtype=np.float32)
    for texts, length in _of_one_length(tokens.lengths):
        ids = tokens.ids[tokens.starts[texts][:, None] + np.arange(length)]
        found[texts] = _rows(ids, weights).sum(axis=1) / length
    return found


def normalized(vectors: Vectors) -> Vectors:
    """Each row scaled to length one; zeros stay."""
    scaled: Vectors = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(TINY))
    return scaled


def _rows(ids: npt.NDArray[np.int32], weights: Weights) -> npt.NDArray[np.floating]:
    """float32 [..., d], or float64 where the weights of tokens are."""
    rows = weights.table[ids if weights.mapping is None else weights.mapping[ids]].astype(np.float32, copy=False)
    return rows if weights.weights is None else rows * weights.weights[ids][..., None]


def _of_one_length(lengths: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """Positions of texts that have one length, and it: of some thousand rows together, or of one text."""
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(same) and (length := int(lengths[same[0]])):
            step = max(1, AT_ONCE // length)
            yield from ((same[start : start + step], length) for start in range(0, len(same), step))
