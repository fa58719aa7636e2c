"""BM25: ranking by shared words. The baseline that every study carries."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from sizewise.index.exact import UINT32, Ids, Scores, padded, scores_of, top_keys
from sizewise.index.where import Within

WORD = r"(?u)\b\w+\b"


def _without_jax(name: str) -> Any:
    """The module `name`, imported as if there were no jax. bm25s would select with it, which nothing here asks for, and
    as soon as it is used it takes three quarters of a GPU's memory."""
    if "jax" in sys.modules:
        return import_module(name)
    sys.modules["jax"] = None  # type: ignore[assignment]
    try:
        return import_module(name)
    finally:
        del sys.modules["jax"]


bm25s = _without_jax("bm25s")


class BM25:
    """BM25 in Lucene's form (Robertson & Zaragoza 2009; k1 1.5, b 0.75), over lower-cased words, no English stop words.

    Languages written without spaces get whole runs of characters as words, which is poor: it is a baseline.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        self._count = len(documents)
        self._index: Any = bm25s.BM25(method="lucene")
        self._vocabulary: dict[str, int] | None = None
        tokens = _tokens(documents)
        if any(len(words) for words in tokens.ids):
            self._vocabulary = tokens.vocab
            self._index.index(tokens, show_progress=False)

    def search(
        self,
        queries: Sequence[str],
        depth: int,
        tie_rank: "np.ndarray[Any, Any] | None" = None,
        within: Within | None = None,
    ) -> tuple[Ids, Scores]:
        """As `exact.search`, for texts. Documents that share no word with the query are not ranked."""
        ranks = np.arange(self._count) if tie_rank is None else tie_rank
        by_rank = np.empty(self._count, dtype=np.int32)
        by_rank[ranks] = np.arange(self._count, dtype=np.int32)
        kept = min(depth, self._count)
        ids = np.full((len(queries), kept), -1, dtype=np.int32)
        scores = np.full((len(queries), kept), -np.inf, dtype=np.float32)
        for row, query in enumerate(queries):
            found = self._scores(query)
            if found is None:
                continue
            matched = np.flatnonzero(found > 0 if within is None else (found > 0) & within.mask)
            best = np.sort(top_keys(found[None, matched], ranks[matched], kept)[0])[::-1][: len(matched)]
            ids[row, : len(best)] = by_rank[UINT32 - (best & UINT32)]
            scores[row, : len(best)] = scores_of(best)
        return padded(ids, -1, depth), padded(scores, -np.inf, depth)

    def _scores(self, query: str) -> Scores | None:
        if self._vocabulary is None:
            return None
        words = bm25s.tokenize([query], stopwords="en", token_pattern=WORD, return_ids=False, show_progress=False)[0]
        known = [self._vocabulary[word] for word in words if word in self._vocabulary]
        if not known:
            return None
        return np.asarray(self._index.get_scores_from_ids(known), dtype=np.float32)


def _tokens(texts: Sequence[str]) -> Any:
    return bm25s.tokenize(list(texts), stopwords="en", token_pattern=WORD, show_progress=False)
