"""What a pipeline answers on the canary texts: vectors, codes, and each text's ranking of the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from sizewise.bundle.modules import floats
from sizewise.bundle.parameters import Arrays, load_arrays, save_arrays
from sizewise.core.candidate import ROLES, Role
from sizewise.core.rows import InMemory
from sizewise.index.dense import DenseIndex
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.transform.transform import Codes, Vectors

FIRST = 10
"""Of each ranking, what is compared."""


@dataclass(frozen=True)
class Answers:
    """On n texts; vectors and codes where one encoder is all there is."""

    scores: npt.NDArray[np.float32]
    """[n, n]: of document (column) for query (row) by the pipeline's own index; -inf where it is not ranked, and for a
    text and itself."""
    vectors: dict[Role, Vectors] = field(default_factory=dict)
    """float32 [n, d] by role, before int8 or binary."""
    queries: Codes | None = None
    """[n, d] codes."""
    documents: Codes | None = None

    @classmethod
    def of(cls, pipeline: Pipeline, texts: Sequence[str]) -> Self:
        """All texts encoded in one call, as in a study. Other pipelines than encoders have them indexed then."""
        if not isinstance(pipeline, EmbedPipeline):
            pipeline.index(texts)
            return cls(_matrix(*pipeline.search(texts, len(texts))))
        encoded = encode(pipeline, texts)
        chain = pipeline.chain
        index = DenseIndex(chain, InMemory(encoded["document"]), pipeline.rescore)
        found = index.search(encoded["query"], len(texts))
        return cls(
            _matrix(*found),
            {role: served(pipeline, vectors, role) for role, vectors in encoded.items()},
            chain.queries(encoded["query"]),
            chain.documents(encoded["document"]),
        )

    def first(self) -> list[set[int]]:
        """The positions of the first documents that each text finds, at most FIRST."""
        order = np.argsort(-self.scores, axis=1, kind="stable")[:, :FIRST]
        return [
            {int(at) for at in row if np.isfinite(scores[at])} for row, scores in zip(order, self.scores, strict=True)
        ]

    def save(self, path: Path) -> None:
        arrays: Arrays = {"scores": self.scores}
        arrays |= {f"vectors.{role}": np.ascontiguousarray(vectors) for role, vectors in self.vectors.items()}
        for name, codes in (("codes.query", self.queries), ("codes.document", self.documents)):
            if codes is not None:
                arrays[name] = np.ascontiguousarray(codes)
        save_arrays(path, arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises InputError when `path` cannot be read."""
        arrays = load_arrays(path)
        vectors: dict[Role, Vectors] = {
            role: arrays[f"vectors.{role}"] for role in ROLES if f"vectors.{role}" in arrays
        }
        return cls(arrays["scores"], vectors, arrays.get("codes.query"), arrays.get("codes.document"))


def encode(pipeline: EmbedPipeline, texts: Sequence[str]) -> dict[Role, Vectors]:
    """The encoder's vectors of `texts` in every role; what has the same prompt and weights is encoded once."""
    known: dict[tuple[str, str], Vectors] = {}
    found: dict[Role, Vectors] = {}
    for role in ROLES:
        prompt = pipeline.prompts[role]
        way = (role if pipeline.encoder.depends_on_role else "", prompt)
        if way not in known:
            known[way] = pipeline.encoder.encode(texts, role, prompt)
        found[role] = known[way]
    return found


def served(pipeline: EmbedPipeline, vectors: Vectors, role: Role) -> Vectors:
    """What the float transforms make of the encoder's vectors, float32 [n, d']."""
    chain = floats(pipeline.chain)
    made = chain.queries(vectors) if role == "query" else chain.documents(vectors)
    return np.asarray(made, dtype=np.float32)


def alone(pipeline: EmbedPipeline, texts: Sequence[str]) -> dict[Role, Vectors]:
    """As the vectors of `Answers`, each text encoded by itself."""
    return _in_parts(pipeline, texts, [np.array([at]) for at in range(len(texts))])


def shuffled(pipeline: EmbedPipeline, texts: Sequence[str], seed: int, size: int = 7) -> dict[Role, Vectors]:
    """As the vectors of `Answers`, encoded in another order, few at a time."""
    order = np.random.default_rng(seed).permutation(len(texts))
    return _in_parts(pipeline, texts, [order[start : start + size] for start in range(0, len(texts), size)])


def _in_parts(
    pipeline: EmbedPipeline, texts: Sequence[str], parts: Sequence[npt.NDArray[np.int64]]
) -> dict[Role, Vectors]:
    found: dict[Role, Vectors] = {}
    for part in parts:
        for role, vectors in encode(pipeline, [texts[at] for at in part]).items():
            made = served(pipeline, vectors, role)
            whole = found.setdefault(role, np.empty((len(texts), made.shape[1]), dtype=np.float32))
            whole[part] = made
    return found


def _matrix(ids: npt.NDArray[np.int32], scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rankings [n, n] of n texts for n texts as a matrix of scores, without each text's own."""
    count = len(ids)
    found = np.full((count, count), -np.inf, dtype=np.float32)
    rows, columns = np.nonzero(ids >= 0)
    found[rows, ids[rows, columns]] = scores[rows, columns]
    np.fill_diagonal(found, -np.inf)
    return found
