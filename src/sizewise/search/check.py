"""How much of what exact search finds an engine finds: measured on an index's own documents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sizewise.index.exact import Scores
from sizewise.index.where import Where
from sizewise.pipeline.live import Given

if TYPE_CHECKING:
    from sizewise.search.embedded import Embedded

DEPTH = 10
QUERIES = 100
WORDS = 12
"""Of a document, from anywhere in it: about as long as a question."""
NEAR = 1e-5
"""Of the last score that counts: products are added up in another order by an engine."""


@dataclass(frozen=True)
class Recall:
    """Of `queries`, the mean share of the best DEPTH that is found; the least of any encoder's."""

    share: float
    queries: int

    def sentence(self) -> str:
        return (
            f"Qdrant Edge finds {100 * self.share:.1f}% of the {DEPTH} that exact search finds, on {self.queries} "
            "pieces of its documents."
        )

    def to_json(self) -> dict[str, Any]:
        return {"depth": DEPTH, "recall": self.share, "queries": self.queries}


def recall(index: "Embedded", queries: int = QUERIES) -> Recall | None:
    """Ask both for pieces of so many documents; None of an empty index."""
    chance = np.random.default_rng(0)
    there = np.flatnonzero(index.catalog.mask(Where(), index.state.positions))
    if not len(there):
        return None
    some = np.sort(chance.choice(there, min(queries, len(there)), replace=False)).tolist()
    texts = [_piece(document.whole, chance) for document in index.found(some).values()]
    given, within, shares = Given(texts), index.within(Where()), []
    for number, part in enumerate(index.parts):
        asked = part.query_vectors(given)
        _, best = index.exact(number, 0).search(asked, DEPTH, within=within)
        _, found = index.embedded(number).search(asked, DEPTH, within=within)
        shares.append(share(best, found))
    return Recall(min(shares), len(texts))


def share(best: Scores, found: Scores) -> float:
    """The mean share of the `best` scores [q, k] (-inf: there are no more) that those `found` [q, k] reach: of
    documents with one score, any will do."""
    there = np.isfinite(best)
    last = np.where(there, best, np.inf).min(axis=1, keepdims=True)
    reached = found >= last - NEAR * np.abs(last)
    return float(np.mean(np.minimum(reached.sum(axis=1), there.sum(axis=1)) / there.sum(axis=1)))


def _piece(text: str, chance: np.random.Generator) -> str:
    words = text.split()
    start = int(chance.integers(0, max(1, len(words) - WORDS + 1)))
    return " ".join(words[start : start + WORDS])
