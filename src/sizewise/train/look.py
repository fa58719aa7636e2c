"""How near a student is to its teacher, on texts that neither of them is trained on."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sizewise.encode.budget import out_of_memory
from sizewise.encode.torch import free_device

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]
HELD_OUT = 1000
LEAST_SHARE = 20
"""At most one text in so many is held out."""
COSINE = "cosine"
BATCH = 64


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

        found = _encoded(model, list(texts))
        near = {COSINE: float((found * wanted).sum(1).mean())}
        if len(theirs) > 2:
            near["spearman"] = float(spearmanr(_between(found), theirs).statistic)
        return near

    return look


def _encoded(model: "SentenceTransformer", texts: list[str]) -> Vectors:
    """Unit vectors, in batches as large as memory that training has most of has room for."""
    batch = BATCH
    while True:
        try:
            found = model.encode(texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
            return np.asarray(found, np.float32)
        except Exception as error:
            if batch == 1 or not out_of_memory(error):
                raise
        batch //= 2
        free_device()


def _between(unit: Vectors) -> Vectors:
    found: Vectors = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    return found
