"""Hard negatives: texts that are near to an anchor and do not belong to it, found with the model itself."""

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

NEAREST = 50
"""Among so many of the nearest texts."""
SURE = 0.95
"""A text that is nearer than this share of the positive's cosine may be another positive, and is left out: "Positive
relative max" of Moreira et al., "NV-Retriever: improving text embedding models with effective hard-negative mining",
2024."""
AT_ONCE = 1024


def mined(
    anchors: Vectors, documents: Vectors, positives: npt.NDArray[np.int64], same: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.int64]:
    """int64 [n, count]: for each anchor the nearest documents that are surely none of its own, or -1 where there are
    fewer.

    Args:
        anchors: float32 [n, d], unit vectors.
        documents: float32 [m, d], unit vectors.
        positives: int64 [n], the document that belongs to each anchor.
        same: int64 [n], equal for anchors of one text: what belongs to one belongs to all.
    """
    found = np.full((len(anchors), count), -1, dtype=np.int64)
    own: dict[int, set[int]] = {}
    for text, document in zip(same.tolist(), positives.tolist(), strict=True):
        own.setdefault(text, set()).add(document)
    nearest = min(NEAREST, len(documents))
    for start in range(0, len(anchors), AT_ONCE):
        cosines = anchors[start : start + AT_ONCE] @ documents.T
        near = np.argpartition(-cosines, nearest - 1, axis=1)[:, :nearest]
        for row, candidates in enumerate(near):
            at = start + row
            bound = SURE * cosines[row, positives[at]]
            ordered = candidates[np.argsort(-cosines[row, candidates], kind="stable")]
            kept = [one for one in ordered if cosines[row, one] < bound and int(one) not in own[int(same[at])]]
            found[at, : len(kept[:count])] = kept[:count]
    return found
