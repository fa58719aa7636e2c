"""An index opened for search: the bundle's pipeline over the documents that were indexed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import InputError
from sizewise.core.memory import available_memory
from sizewise.core.rows import LIMIT, InMemory, Rows
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.pipeline.parts import dense, keep_stored
from sizewise.search.folder import DOCUMENTS, About, digest_of, index_of


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found."""

    rank: int
    id: str
    score: float
    title: str
    text: str


@dataclass(frozen=True)
class Searcher:
    """`Searcher.open(path).search(["a question"], 10)`."""

    about: About
    pipeline: Pipeline
    documents: Any
    """An Arrow table, mapped into memory."""

    @classmethod
    def open(cls, path: Path | str, bundle: Path | str | None = None) -> "Searcher":
        """The index in `path`, or beside the bundle in `path`; its bundle is where it was, or `bundle`.

        Raises InputError when there is none, or the bundle is not the one that it was made with.
        """
        folder = index_of(Path(path))
        about = About.read(folder)
        where = Path(bundle or about.bundle)
        if not where.is_dir():
            raise InputError(f"the bundle of {folder} is not at {where} any more; say where it is with --bundle")
        if digest_of(where) != about.digest:
            raise InputError(f"{where} is not the bundle that {folder} was made with; index the corpus again")
        pipeline = load_bundle(where)
        documents = _documents(folder)
        parts = list(dense(pipeline))
        if len(parts) != len(about.vectors):
            raise InputError(f"{folder} has vectors for {len(about.vectors)} encoders of {len(parts)}; index again")
        files = zip(parts, about.vectors, strict=True)
        rows = {id(part): _rows(folder / name, (about.documents, part.chain.incoming)) for part, name in files}
        texts = _Texts(documents)

        def rows_of(part: EmbedPipeline) -> Rows:
            return rows[id(part)]

        keep_stored(pipeline, texts, rows_of, _room() // max(1, len(rows)))
        return cls(about, pipeline, documents)

    def search(self, queries: Sequence[str], depth: int = 10) -> list[list[Hit]]:
        """The first `depth` documents of each query, the best first; fewer where no more are found."""
        ids, scores = self.pipeline.search(queries, min(depth, self.about.documents))
        return [list(self._hits(found, values)) for found, values in zip(ids, scores, strict=True)]

    def _hits(self, found: Any, scores: Any) -> Iterator[Hit]:
        for rank, (at, score) in enumerate(zip(found.tolist(), scores.tolist(), strict=True), 1):
            if at >= 0:
                name, title, text = (str(self.documents[column][at]) for column in ("id", "title", "text"))
                yield Hit(rank, name, score, title, text)


@dataclass(frozen=True, slots=True)
class _Texts(Sequence[str]):
    """Documents as they were encoded, read when they are asked for."""

    table: Any

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        return f"{self.table['title'][at]} {self.table['text'][at]}".strip()


def _room() -> int:
    """Bytes that an index may take: half of the memory that is free, and never less than usual."""
    return max(LIMIT, available_memory() // 2)


def _documents(folder: Path) -> Any:
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(folder / DOCUMENTS))).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{folder / DOCUMENTS} cannot be read ({error}); index the corpus again") from None


def _rows(path: Path, shape: tuple[int, int]) -> Rows:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); index the corpus again") from None
    if found.shape != shape or found.dtype != np.float32:
        raise InputError(f"{path} holds {found.dtype} {found.shape} instead of float32 {shape}; index the corpus again")
    return InMemory(found)
