"""Funnels of stored encoders as one question to an engine, which ranks again what it found itself."""

from dataclasses import dataclass, replace

import numpy as np

from sizewise.index.engine import EngineIndex, Stage, answered
from sizewise.index.exact import Ids, Scores
from sizewise.pipeline.hybrid import AsymPipeline, FusePipeline, RerankPipeline
from sizewise.pipeline.live import EmbedPipeline, Given, Pipeline, Ties


@dataclass
class StagedPipeline(Pipeline):
    """A pipeline that ranks again, whose parts are all in one engine."""

    whole: RerankPipeline

    @property
    def bytes_per_vector(self) -> float | None:
        return self.whole.bytes_per_vector

    def keep(self, documents: Given) -> None:
        self.whole.keep(documents)

    def find(self, queries: Given, depth: int, tie_rank: Ties = None) -> tuple[Ids, Scores]:
        """As `RerankPipeline.find`, which is asked where more is wanted than is ranked again."""
        if depth > self.whole.reach or tie_rank is not None:
            return self.whole.find(queries, depth, tie_rank)
        index = _index(self.whole.second)
        assert index is not None
        return answered(index.engine, _stages(self.whole, queries, depth), depth, queries.within)


def in_stages(pipeline: Pipeline) -> Pipeline:
    """The same, asking engines as few questions as they need."""
    match pipeline:
        case FusePipeline():
            return replace(pipeline, parts=[in_stages(part) for part in pipeline.parts])
        case RerankPipeline() if _in_one_engine(pipeline):
            return StagedPipeline(pipeline)
        case RerankPipeline():
            return replace(pipeline, first=in_stages(pipeline.first))
        case _:
            return pipeline


def _in_one_engine(pipeline: Pipeline) -> bool:
    match pipeline:
        case RerankPipeline(first, second, again, None):
            deep_enough = not isinstance(first, RerankPipeline) or again <= first.again
            return _index(second) is not None and deep_enough and _in_one_engine(first)
        case AsymPipeline(kept=kept):
            return _index(kept) is not None
        case _:
            return _index(pipeline) is not None


def _index(part: object) -> EngineIndex | None:
    found = part.documents if isinstance(part, EmbedPipeline) else None
    return found if isinstance(found, EngineIndex) else None


def _stages(pipeline: Pipeline, queries: Given, limit: int) -> list[Stage]:
    match pipeline:
        case RerankPipeline(first, EmbedPipeline(documents=EngineIndex() as index) as second):
            codes = np.asarray(second.chain.queries(second.query_vectors(queries)), np.float32)
            before = _stages(first, queries, pipeline.reach)
            return [Stage(index.codes, code, limit, stage) for code, stage in zip(codes, before, strict=True)]
        case AsymPipeline(kept=EmbedPipeline(documents=EngineIndex() as index)):
            return index.stages(pipeline.query_vectors(queries), limit)
        case EmbedPipeline(documents=EngineIndex() as index):
            return index.stages(pipeline.query_vectors(queries), limit)
    raise AssertionError(f"{pipeline} is in no engine")
