"""A candidate's index: documents as codes, scored exactly, the best scored again with float vectors."""

import numpy as np
import numpy.typing as npt

from sizewise.core.rows import LIMIT, Mapped, Rows, materialise
from sizewise.index.exact import Ids, Scores, rescore, scores_at, search
from sizewise.index.pairs import Pairs
from sizewise.index.signs import FEW, Signs
from sizewise.index.where import Mask, Within
from sizewise.transform.chain import Chain, unit
from sizewise.transform.quantize import Binary
from sizewise.transform.transform import Codes, Vectors


class DenseIndex:
    """Documents of one fitted chain. Studies build it on stored vectors, pipelines on fresh ones: the same code.

    With `rescored`, the float vectors as the encoder gave them are kept beside the codes. Each of both is kept in
    memory up to `limit` bytes, and made again block by block at every search beyond that.
    """

    def __init__(self, chain: Chain, vectors: Rows, rescored: int = 0, limit: int = LIMIT) -> None:
        self.chain = chain
        self.rescored = rescored
        codes = Mapped(vectors, chain.documents, chain.dimensions)
        self._codes: Rows = Signs(codes) if are_signs(chain) else materialise(codes, limit)
        floats = Mapped(vectors, self._float, vectors.dimensions)
        self._floats = materialise(floats, limit) if rescored else None

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def bytes_per_vector(self) -> float:
        """Bytes stored for each document: packed codes, and the float vectors if they are needed for rescoring."""
        return self.chain.bytes_per_vector + (4.0 * self.chain.incoming if self.rescored else 0.0)

    def search(
        self,
        queries: Vectors,
        depth: int,
        tie_rank: npt.NDArray[np.int64] | None = None,
        within: Within | None = None,
    ) -> tuple[Ids, Scores]:
        """The best `depth` documents for query vectors float32 [q, d]; see `exact.search`."""
        mask = None if within is None else within.mask
        if self._floats is None:
            return self._search(self.chain.queries(queries), depth, tie_rank, mask)
        ids, _ = self._search(self.chain.queries(queries), self.rescored, tie_rank, mask)
        return rescore(ids, self._float(queries), self._floats, depth)

    def scores(self, queries: Vectors, ids: Ids) -> Scores:
        """The scores of the documents `ids` int32 [q, k] for query vectors float32 [q, d]; -inf for -1."""
        return scores_at(ids, self.chain.queries(queries), self._codes)

    def pairs(self, queries: Vectors) -> Pairs:
        """Scores of pairs of these query vectors float32 [q, d] and the documents, each worked out once."""
        return Pairs(self.chain.queries(queries), materialise(self._codes))

    def _search(
        self, queries: Codes, depth: int, tie_rank: npt.NDArray[np.int64] | None, mask: Mask | None
    ) -> tuple[Ids, Scores]:
        if isinstance(self._codes, Signs) and len(queries) <= FEW:
            return self._codes.search(queries, depth, tie_rank, mask)
        return search(queries, self._codes, depth, tie_rank, mask)

    def _float(self, vectors: Vectors) -> Vectors:
        return unit(vectors) if self.chain.cosine else vectors


def are_signs(chain: Chain) -> bool:
    """Whether queries and documents are codes of -1 and +1."""
    return bool(chain.transforms) and type(chain.transforms[-1]) is Binary
