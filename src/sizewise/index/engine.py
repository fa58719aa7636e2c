"""Search in an engine instead of an array: what it keeps of documents, and in which stages it is asked.

It keeps the codes as they were measured, so the scores of what it finds are those of exact search; what it may do is
overlook documents. The graph that it walks through, and the smaller copies of codes that it walks on, are its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import sqrt
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import RunError
from sizewise.index.dense import are_signs
from sizewise.index.exact import Ids, Scores
from sizewise.index.where import Where, Within
from sizewise.transform.chain import Chain, unit
from sizewise.transform.quantize import BinaryAsymmetric
from sizewise.transform.transform import Codes, Vectors

LINKS, BUILD_WIDTH = 32, 128
"""Of HNSW graphs (Malkov and Yashunin, 2016): m, ef_construct. With half the links, which take as long to build and as
much disk, 0.980 of the best ten are found where these find 0.988 (100,000 vectors of a static model, ef 128 to 160)."""
WIDTH, WIDTH_WITHIN = 256, 384
"""Of a search: ef, without and with a filter, which hides some of the links. See benchmarks/search.py."""
FEW = 100_000
"""Documents up to which WIDTH will do. Among more it grows as the root of their number: among 200,000 of a static model
0.988 of the best ten are found with 256, in 5.4 ms, and 0.992 with 384, in 6.5. Under a filter neighbours of neighbours
are followed, which finds 0.997 there as it is."""
GRAPH_KB = 10_000
"""Of vectors, below which there is no graph and all are looked at."""
LOOKED_AT = 50_000
"""Documents that a filter may leave for all of them to be looked at, which takes up to 10 ms. Values of fields that
more documents have get links of their own."""
SPARSE = 0.7
"""The share of documents that a filter leaves below which neighbours of neighbours are followed too (ACORN, Patel et
al. 2024): links between those alone need not hold together. That takes five times as long, and up to 20 ms. Without it
0.978 of the best ten were found among half of 200,000 documents, and 0.001 among those with one of two values of 1%."""


class Kind(Enum):
    """What the numbers are."""

    FLOATS = "floats"
    WHOLE = "whole numbers of a byte"
    SIGNS = "signs"
    SIGNS_OF_FLOATS = "signs, asked with floats"


OVERSAMPLING = {Kind.FLOATS: 1.0, Kind.WHOLE: 2.0, Kind.SIGNS: 1.0, Kind.SIGNS_OF_FLOATS: 4.0}
"""How many times as many are found on an engine's smaller copy as are scored by the codes themselves. The copy of signs
is what they are: nothing is lost there, unless it is asked with floats."""


@dataclass(frozen=True, slots=True)
class Space:
    """One kind of vector that every document has in the engine."""

    name: str
    dimensions: int
    kind: Kind = Kind.FLOATS
    walked: bool = True
    """Whether documents are found here; if not they are only scored, and a graph would serve nobody."""

    @property
    def number_bytes(self) -> int:
        """16 bits hold whole numbers of a byte as they are, unless floats are multiplied with them."""
        return 2 if self.kind in (Kind.WHOLE, Kind.SIGNS) else 4

    @property
    def looked_at_kb(self) -> int:
        """Of LOOKED_AT vectors."""
        return LOOKED_AT * self.dimensions * self.number_bytes // 1024

    @property
    def links(self) -> int:
        """Of each document to others."""
        return LINKS if self.walked else 0


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A question to the engine: the `limit` best in `space` for `vector` float32 [d], among all, or those that the
    stage `before` found."""

    space: Space
    vector: Vectors
    limit: int
    before: "Stage | None" = None
    among: int = 0
    """Documents of one graph, where it is known."""

    def width(self, where: Where) -> int:
        """How many are kept in sight on the way through the graph."""
        return max(WIDTH_WITHIN if where else width_among(self.among), self.limit)


def width_among(documents: int) -> int:
    """Without a filter."""
    return round(WIDTH * sqrt(max(1.0, documents / FEW)))


class Engine(Protocol):
    """Where documents are found: by numbers of 63 bits that they have there."""

    def query(self, stages: Sequence[Stage], where: Where) -> list[list[tuple[int, float]]]:
        """Ids and scores that answer each of the questions, the best first."""
        ...

    def scores(self, space: Space, vectors: Vectors, ids: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        """For each of `vectors` float32 [q, d] the scores of those of its documents `ids` that are there."""
        ...


class EngineIndex:
    """Documents of one fitted chain in an engine: `dense.DenseIndex` with the same scores. They are `among` so many."""

    def __init__(self, engine: Engine, number: int, chain: Chain, rescored: int = 0, among: int = 0) -> None:
        self.engine, self.chain, self.rescored, self.among = engine, chain, rescored, among
        self.codes, *floats = spaces(number, chain, rescored)
        self.floats = floats[0] if floats else None

    def stages(self, queries: Vectors, depth: int) -> list[Stage]:
        """What finds the best `depth` documents for query vectors float32 [q, d]."""
        codes = _floats(self.chain.queries(queries))
        first = [Stage(self.codes, code, self.rescored or depth, among=self.among) for code in codes]
        if self.floats is None:
            return first
        whole = unit(queries) if self.chain.cosine else _floats(queries)
        return [
            Stage(self.floats, vector, min(depth, self.rescored), before)
            for vector, before in zip(whole, first, strict=True)
        ]

    def search(
        self,
        queries: Vectors,
        depth: int,
        tie_rank: npt.NDArray[np.int64] | None = None,
        within: Within | None = None,
    ) -> tuple[Ids, Scores]:
        """As `DenseIndex.search`; ids are int64, and ties go to the smaller one."""
        assert tie_rank is None, "only studies break ties by ids, and they search exactly"
        return answered(self.engine, self.stages(queries, depth), depth, within)

    def scores(self, queries: Vectors, ids: Ids) -> Scores:
        """The scores of the documents `ids` [q, k] for query vectors float32 [q, d], by their codes; -inf for -1."""
        wanted = [[one for one in row if one >= 0] for row in ids.tolist()]
        found = self.engine.scores(self.codes, _floats(self.chain.queries(queries)), wanted)
        every = [[of.get(one, -np.inf) for one in row] for row, of in zip(ids.tolist(), found, strict=True)]
        return np.array(every, np.float32).reshape(ids.shape)


def answered(engine: Engine, stages: Sequence[Stage], depth: int, within: Within | None) -> tuple[Ids, Scores]:
    """Ids int64 and scores float32 [q, depth] that answer `stages`; -1 where no more was found."""
    ids = np.full((len(stages), depth), -1, np.int64)
    scores = np.full((len(stages), depth), -np.inf, np.float32)
    found = engine.query(stages, within.where if within else Where()) if depth and stages else []
    for row, pairs in enumerate(found):
        pairs = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:depth]
        ids[row, : len(pairs)] = [one for one, _ in pairs]
        scores[row, : len(pairs)] = [score for _, score in pairs]
    return ids, scores


def spaces(number: int, chain: Chain, rescored: int, *, walked: bool = True) -> list[Space]:
    """What an engine keeps for the encoder with this number: codes, and the floats that score them again."""
    found = [Space(f"codes-{number}", chain.dimensions, _kind(chain), walked)]
    return [*found, Space(f"floats-{number}", chain.incoming, walked=False)] if rescored else found


def stored(number: int, chain: Chain, rescored: int, vectors: Vectors) -> Iterator[tuple[str, Vectors]]:
    """What an engine is given of documents float32 [n, d]: the name of each space, and float32 [n, d'] there.

    Raises RunError as `checked` does.
    """
    codes, *floats = spaces(number, chain, rescored)
    yield codes.name, _floats(chain.documents(checked(vectors)))
    if floats:
        yield floats[0].name, unit(vectors) if chain.cosine else _floats(vectors)


def checked(vectors: Vectors) -> Vectors:
    """`vectors`; engines take anything. Raises RunError for what is not a number."""
    if not np.isfinite(vectors).all():
        raise RunError("a vector holds what is not a number, and is not put into an index; encode it again")
    return vectors


def _kind(chain: Chain) -> Kind:
    if are_signs(chain):
        return Kind.SIGNS
    if chain.transforms and isinstance(chain.transforms[-1], BinaryAsymmetric):
        return Kind.SIGNS_OF_FLOATS
    codes = chain.documents(np.zeros((1, chain.incoming), np.float32))
    return Kind.WHOLE if codes.dtype == np.int8 else Kind.FLOATS


def _floats(codes: Codes) -> Vectors:
    return np.asarray(codes, np.float32)
