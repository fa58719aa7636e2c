"""Scores of texts that a client brings, for its query: by a bundle's reranker, or by the cosine of its encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sizewise.bundle.modules import floats
from sizewise.encode.encoder import Encoder
from sizewise.encode.pairs import pair
from sizewise.pipeline.hybrid import Fresh, RerankPipeline, Together
from sizewise.pipeline.live import EmbedPipeline, Given, Pipeline
from sizewise.pipeline.parts import dense
from sizewise.serve.batcher import TooMuch

Scores = npt.NDArray[np.float32]
MOST_CHARACTERS = 2**25
"""Of all pairs of a request."""


class Ranker(Protocol):
    """What gives texts a score."""

    @property
    def kind(self) -> str:
        """In a word or two, for clients."""
        ...

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """float32 [n], higher is better."""
        ...

    def relevance(self, scores: Scores) -> Scores:
        """The same between 0 and 1 where they are a cross-encoder's; others are as they were measured."""
        ...


def ranker(pipeline: Pipeline) -> Ranker | None:
    """Of a live bundle; None where it has neither reranker nor encoder."""
    if isinstance(pipeline, RerankPipeline):
        second = pipeline.second
        if isinstance(second, Together):
            return ByCross(second.encoder)
        if isinstance(second, Fresh):
            return ByCosine(second.pipeline)
        if isinstance(second, EmbedPipeline):
            return ByCosine(second)
    first = next(dense(pipeline), None)
    return None if first is None else ByCosine(first)


@dataclass(frozen=True)
class ByCross:
    """A cross-encoder."""

    encoder: Encoder
    kind = "cross-encoder"

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        if len(query) * len(texts) > MOST_CHARACTERS:  # each pair has the query with it
            raise TooMuch("this query is too long for so many texts; send fewer at a time")
        return self.encoder.encode([pair(query, text) for text in texts], "text", "")[:, 0]

    def relevance(self, scores: Scores) -> Scores:
        """The logistic function, as other servers have it."""
        found: Scores = (1.0 / (1.0 + np.exp(-np.clip(scores, -60, 60)))).astype(np.float32)
        return found


@dataclass(frozen=True)
class ByCosine:
    """An encoder's float vectors, compared as they were measured."""

    pipeline: EmbedPipeline

    @property
    def kind(self) -> str:
        return "cosine" if self.pipeline.chain.cosine else "dot product"

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        chain = floats(self.pipeline.chain)
        asked = chain.queries(self.pipeline.query_vectors(Given([query])))
        found: Scores = np.asarray(chain.documents(self.pipeline.document_vectors(Given(texts))) @ asked[0], np.float32)
        return found

    def relevance(self, scores: Scores) -> Scores:
        return scores
