"""How near a student is to its teacher, on texts that neither of them is trained on."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]
HELD_OUT = 1000
LEAST_SHARE = 20
"""At most one text in so many is held out."""
COSINE = "cosine"


def held_out(count: int, seed: int) -> npt.NDArray[np.int64]:
    """Positions of the texts, of `count`, that are not trained on; sorted."""
    kept = min(HELD_OUT, max(1, count // LEAST_SHARE))
    return np.sort(np.random.default_rng(seed).permutation(count)[:kept])


def agreement(model: "SentenceTransformer", texts: Sequence[str], wanted: Vectors) -> Callable[[], Mapping[str, float]]:
    """Asks the model for the vectors of `texts` and compares them with `wanted` [n, d], of unit length: the mean
    cosine, and the Spearman correlation of the cosines between texts."""
    theirs = _between(wanted)

    def look() -> Mapping[str, float]:
        from scipy.stats import spearmanr

        found = np.asarray(
            model.encode(list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False), np.float32
        )
        near = {COSINE: float((found * wanted).sum(1).mean())}
        if len(theirs) > 2:
            near["spearman"] = float(spearmanr(_between(found), theirs).statistic)
        return near

    return look


def _between(unit: Vectors) -> Vectors:
    found: Vectors = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    return found
