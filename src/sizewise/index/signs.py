"""Signs kept as bits: an eighth of a byte each, and single queries compared by counting bits."""

import numpy as np
import numpy.typing as npt

from sizewise.core.rows import Matrix, Rows, blocks
from sizewise.index.exact import NOTHING, UINT32, Ids, Scores, largest, padded, scores_of, top_keys

WORD = 64
AT_ONCE = 2**16
"""Documents whose bits are counted at a time: few enough to stay in a processor's cache."""
FEW = 8
"""Queries up to which counting bits takes less than a product of matrices."""


class Signs:
    """Rows of -1 and +1 [n, d]."""

    def __init__(self, rows: Rows) -> None:
        self.dimensions = rows.dimensions
        self._words = np.empty((-(-rows.dimensions // WORD), len(rows)), np.uint64)
        for start, stop in blocks(rows):
            self._words[:, start:stop] = _packed(rows.block(start, stop)).T

    def __len__(self) -> int:
        return self._words.shape[1]

    def block(self, start: int, stop: int) -> Matrix:
        """int8 [rows, d]."""
        bits = np.unpackbits(np.ascontiguousarray(self._words[:, start:stop].T).view(np.uint8), axis=1)
        return bits[:, : self.dimensions].astype(np.int8) * np.int8(2) - np.int8(1)

    def search(
        self,
        queries: Matrix,
        depth: int,
        tie_rank: npt.NDArray[np.int64] | None = None,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Ids, Scores]:
        """`exact.search` for queries int8 [q, d] of signs, to the last bit: products of signs are whole numbers."""
        count = len(self)
        kept = min(depth, count if mask is None else int(np.count_nonzero(mask)))
        ranks = np.arange(count) if tie_rank is None else tie_rank
        best = np.full((len(queries), kept), NOTHING)
        for row, words in enumerate(_packed(queries)):
            for start in range(0, count, AT_ONCE):
                part, of_part = self._words[:, start : start + AT_ONCE], ranks[start : start + AT_ONCE]
                if mask is not None:
                    meant = np.flatnonzero(mask[start : start + AT_ONCE])
                    part, of_part = part[:, meant], of_part[meant]
                differ = np.bitwise_count(part ^ words[:, None]).sum(axis=0, dtype=np.int32)
                scores = (self.dimensions - 2 * differ).astype(np.float32)[None, :]
                keys = top_keys(scores, of_part, kept)
                both = np.concatenate([best[row : row + 1], keys], axis=1)
                best[row] = largest(both, kept) if start else keys
        best = -np.sort(-best, axis=1)
        by_rank = np.empty(count, dtype=np.int32)
        by_rank[ranks] = np.arange(count, dtype=np.int32)
        return padded(by_rank[UINT32 - (best & UINT32)], -1, depth), padded(scores_of(best), -np.inf, depth)


def _packed(signs: Matrix) -> npt.NDArray[np.uint64]:
    """uint64 [n, words] of signs [n, d]; what fills the last word up is 0 everywhere."""
    width = -(-signs.shape[1] // WORD) * WORD // 8
    bits = np.packbits(signs > 0, axis=1)
    return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, width - bits.shape[1])))).view(np.uint64)
