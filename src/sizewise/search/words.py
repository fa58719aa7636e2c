"""BM25 over the documents of an index: of what was deleted no word counts."""

from collections.abc import Sequence

import numpy as np

from sizewise.index.exact import Ids, Scores
from sizewise.index.lexical import BM25  # loads scipy: this module is imported where it is used
from sizewise.index.where import Mask, Within
from sizewise.pipeline.live import Ties


class Words:
    """`texts` are those at the positions where `there` bool [n] is true, in order."""

    def __init__(self, texts: Sequence[str], there: Mask) -> None:
        self._places = np.flatnonzero(there).astype(np.int32)
        self._index = BM25(texts)

    def search(
        self, queries: Sequence[str], depth: int, tie_rank: Ties = None, within: Within | None = None
    ) -> tuple[Ids, Scores]:
        """As `BM25.search`, by positions."""
        assert tie_rank is None, "only studies break ties by ids, and nothing is deleted there"
        inner = None if within is None else Within(within.where, lambda _: within.mask[self._places])
        ids, scores = self._index.search(queries, depth, None, inner)
        found = np.full(ids.shape, -1, np.int32)
        found[ids >= 0] = self._places[ids[ids >= 0]]
        return found, scores
