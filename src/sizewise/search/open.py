"""An index opened for search: the bundle's pipeline over the documents that are in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import InputError
from sizewise.core.progress import Progress, Silent
from sizewise.index.where import Where
from sizewise.pipeline.live import Pipeline
from sizewise.search.backing import Index
from sizewise.search.document import Fields
from sizewise.search.folder import ENGINES, About, digest_of, index_of
from sizewise.search.place import local
from sizewise.search.remote import Remote, is_url


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found."""

    rank: int
    id: str
    score: float
    title: str
    text: str
    fields: Fields


@dataclass(frozen=True)
class Searcher:
    """`Searcher.open(path).search(["a question"], 10)`. Threads may share one."""

    pipeline: Pipeline
    index: Index

    @classmethod
    def open(
        cls,
        path: Path | str,
        bundle: Path | str | None = None,
        *,
        pipeline: Pipeline | None = None,
        engine: str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """The index in `path` (a folder, or a URL), or beside the bundle in `path`; its bundle is where it was, or
        `bundle`. A `pipeline` that was loaded from that bundle saves loading it. `engine` is "exact" or "edge"; by
        default it is what the index was made for.

        Raises InputError when there is none, or the bundle is not the one that it was made with.
        """
        if engine is not None and engine not in ENGINES:
            raise InputError(f"there is no engine {engine!r}; there are {' and '.join(ENGINES)}")
        if is_url(path):
            return cls._at(str(path), bundle, pipeline, engine)
        folder = index_of(Path(path))
        about = About.read(folder)
        where = Path(bundle or about.bundle)
        if not where.is_dir():
            raise InputError(f"the bundle of {folder} is not at {where} any more; say where it is with --bundle")
        if digest_of(where) != about.digest:
            raise InputError(f"{where} is not the bundle that {folder} was made with; index the corpus again")
        pipeline = pipeline or load_bundle(where)
        index = local(folder, about, pipeline, engine or about.engine, progress or Silent())
        return cls(index.attach(), index)

    @classmethod
    def _at(cls, url: str, bundle: Path | str | None, pipeline: Pipeline | None, engine: str | None) -> Self:
        if bundle is None:
            raise InputError(f"{url} is an index on a server; say with --bundle which bundle it is for")
        if engine is not None:
            raise InputError(f"{url} is searched by its server; leave the engine out")
        index = Remote.open(url, Path(bundle), pipeline or load_bundle(bundle))
        return cls(index.attach(), index)

    @property
    def candidate(self) -> str:
        """What the bundle was made of."""
        return self.index.candidate

    @property
    def documents(self) -> int:
        """How many there are."""
        return self.index.documents

    def search(self, queries: Sequence[str], depth: int = 10, where: Where | None = None) -> list[list[Hit]]:
        """The first `depth` documents of each query, the best first; fewer where no more are found. With `where`, of
        those only whose fields are so."""
        if not queries:
            return []
        within = self.index.within(where or Where())
        ids, scores = self.pipeline.search(queries, depth, within=within)
        documents = self.index.found(sorted({one for one in ids.ravel().tolist() if one >= 0}))
        return [list(_hits(*row, documents)) for row in zip(ids.tolist(), scores.tolist(), strict=True)]

    def close(self) -> None:
        """Let go of the files, or of the server."""
        self.index.close()


def _hits(ids: Sequence[int], scores: Sequence[float], documents: Any) -> Iterator[Hit]:
    there = [(documents[one], score) for one, score in zip(ids, scores, strict=True) if one in documents]
    for rank, (one, score) in enumerate(there, 1):
        yield Hit(rank, one.id, score, one.title, one.text, one.fields)
