"""An index in a folder that Qdrant Edge searches, within this process."""

from functools import cached_property
from pathlib import Path
from typing import IO, Any

from sizewise.core.progress import Progress
from sizewise.index.edge import Edge
from sizewise.index.engine import EngineIndex
from sizewise.index.where import Where, Within
from sizewise.pipeline.live import Pipeline, Vectored
from sizewise.search.check import Recall, recall
from sizewise.search.edge import brought_up, copy_shard, opened
from sizewise.search.folder import About
from sizewise.search.local import Local
from sizewise.search.staged import in_stages


class Embedded(Local):
    """What is exact stays so: documents and their vectors are where `Local` has them, and the engine has a copy."""

    def __init__(
        self, folder: Path, about: About, pipeline: Pipeline, progress: Progress, *, write: bool = False
    ) -> None:
        super().__init__(folder, about, pipeline, write=write)
        self._progress = progress
        self._engine: tuple[Edge, IO[Any]] | None = None if write else opened(self, progress)

    def finish(self, progress: Progress, *, whole: bool = True) -> None:
        super().finish(progress, whole=whole)
        brought_up(self, progress)

    def within(self, where: Where) -> Within | None:
        return super().within(where.narrowed(self._columns))

    @cached_property
    def _columns(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.catalog.columns())

    def attach(self) -> Pipeline:
        return in_stages(super().attach())

    def vectored(self, number: int) -> Vectored:
        return self.embedded(number)

    def embedded(self, number: int) -> EngineIndex:
        """What has the documents for the part with this number, in the engine."""
        if self._engine is None:
            self._engine = opened(self, self._progress)
        part = self.parts[number]
        return EngineIndex(self._engine[0], number, part.chain, part.rescore, self.documents)

    def recall(self) -> Recall | None:
        return recall(self)

    def copy_engine(self, folder: Path) -> None:
        copy_shard(self, folder)

    def close(self) -> None:
        if self._engine is not None:
            engine, reading = self._engine
            engine.close()
            reading.close()
        super().close()
