"""An index in a folder: what is put there is there, and is searched exactly."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import portalocker
from portalocker import LockFlags

from sizewise.bundle.place import placed
from sizewise.core.errors import InputError, RunError
from sizewise.core.memory import available_memory
from sizewise.core.progress import Progress
from sizewise.core.rows import LIMIT
from sizewise.index.dense import DenseIndex
from sizewise.index.engine import checked
from sizewise.index.where import Where, Within
from sizewise.pipeline.live import Pipeline, Vectored, Worded
from sizewise.pipeline.parts import dense, keep_indexed
from sizewise.search.catalog import Catalog
from sizewise.search.check import Recall
from sizewise.search.document import Document
from sizewise.search.folder import ABOUT, About, vectors_file
from sizewise.search.vectors import read_rows, write_rows
from sizewise.transform.transform import Vectors

LOCK = "lock"
ENDING = 2.0
"""Seconds that a process takes to end that was killed."""
MASKS = 16
"""Filters whose documents are remembered."""
BLOCK = 4096
"""Documents that are read at a time."""


class Local:
    """The index in `folder`, for `pipeline` and the parts of it that store vectors.

    Opened to `write`, for one process at a time, it takes documents. Opened to search, it is the index as it was then,
    or at the last `renew`.
    """

    def __init__(self, folder: Path, about: About, pipeline: Pipeline, *, write: bool = False) -> None:
        self.folder, self.about, self.pipeline = folder, about, pipeline
        self.parts = list(dense(pipeline))
        if tuple(part.chain.incoming for part in self.parts) != about.dimensions:
            raise InputError(f"{folder} has vectors of other encoders than its bundle; index again with --force")
        self._writer = only_writer(folder) if write else None
        try:
            self.catalog = Catalog(folder, write=write)
            self.state = self.catalog.state()
            for number in range(len(self.parts)):
                self.rows(number)  # tells what is wrong with it
        except BaseException:
            if self._writer:
                self._writer.close()
            raise
        self._mask = lru_cache(MASKS)(lambda where: self.catalog.mask(where, self.state.positions))

    def renew(self) -> None:
        """From now on it is as it is now; not while it is searched."""
        self.catalog.renew()
        self.state = self.catalog.state()

    @property
    def name(self) -> str:
        return str(self.folder)

    @property
    def candidate(self) -> str:
        return self.about.candidate

    @property
    def documents(self) -> int:
        return self.state.documents

    @property
    def whole(self) -> bool:
        return self.state.finished

    def known(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The digests of those of the documents `ids` that there are."""
        return self.catalog.known(ids)

    def put(self, documents: Sequence[Document], vectors: Sequence[Vectors]) -> None:
        """Add documents, or put them in the place of those with the same ids; when it returns they are on disk.

        vectors: float32 [n, d] of each part, as its encoder made them. Raises RunError for what is not a number.
        """
        for number, rows in enumerate(vectors):
            write_rows(vectors_file(self.folder, number), self.state.positions, checked(rows))
        self.catalog.put(documents)
        self.state = self.catalog.state()

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents; how many of these there were."""
        found = self.catalog.delete(ids)
        self.state = self.catalog.state()
        return found

    def ids(self) -> Iterator[str]:
        return self.catalog.ids()

    def begin(self) -> None:
        """Remember that something may be missing, until `finish` says otherwise."""
        self.catalog.finish(False)
        self.state = self.catalog.state()

    def finish(self, progress: Progress, *, whole: bool = True) -> None:
        """Make what was put ready for search; `whole` says that nothing is missing."""
        self.catalog.finish(whole)
        self.state = self.catalog.state()

    def attach(self) -> Pipeline:
        """The pipeline over these documents; that of the index itself is changed."""
        numbers = {id(part): number for number, part in enumerate(self.parts)}
        keep_indexed(self.pipeline, Texts(self), lambda part: self.vectored(numbers[id(part)]), self.worded)
        return self.pipeline

    def vectored(self, number: int) -> Vectored:
        """What has the documents for the part with this number."""
        return self.exact(number, max(LIMIT, available_memory() // 2) // len(self.parts))

    def exact(self, number: int, limit: int) -> DenseIndex:
        """The same, which looks at all of them, and keeps at most `limit` bytes in memory."""
        part = self.parts[number]
        return DenseIndex(part.chain, self.rows(number), part.rescore, limit)

    def worded(self) -> Worded:
        from sizewise.search.words import Words  # loads scipy, which pipelines of vectors do without

        there = self.catalog.mask(Where(), self.state.positions)
        return Words(list(self._wholes()), there)

    def _wholes(self) -> Iterator[str]:
        for start in range(0, self.state.positions, BLOCK):
            for _, document in sorted(self.found(range(start, min(start + BLOCK, self.state.positions))).items()):
                yield document.whole

    def rows(self, number: int) -> Any:
        """float32 [n, d] of the part with this number, mapped into memory."""
        return read_rows(vectors_file(self.folder, number), self.state.positions, self.about.dimensions[number])

    def within(self, where: Where) -> Within | None:
        """What a search is about; None: all that there is."""
        return Within(where, self._mask) if where or self.state.gone else None

    def found(self, ids: Sequence[int]) -> Mapping[int, Document]:
        """The documents at these places, of those that there still are."""
        return self.catalog.at(ids)

    def recall(self) -> Recall | None:
        """Everything."""
        return None

    def snapshot(self, to: Path) -> None:
        """A copy in the folder `to`, as the index is now. Raises InputError when there is something."""
        with placed(to, force=False, kind="index", holds=(ABOUT,)) as folder:
            self.catalog.copy(folder)
            for number in range(len(self.parts)):
                shutil.copyfile(vectors_file(self.folder, number), vectors_file(folder, number))
            self.copy_engine(folder)
            self.about.write(folder)

    def copy_engine(self, folder: Path) -> None:
        """What a snapshot holds of an engine: nothing."""

    def close(self) -> None:
        self.catalog.close()
        if self._writer:
            self._writer.close()


class Texts(Sequence[str]):
    """Documents as they were encoded, by their positions, read when they are asked for."""

    def __init__(self, index: Local) -> None:
        self._index = index

    def __len__(self) -> int:
        return self._index.state.positions

    def __getitem__(self, at: Any) -> Any:
        return self.fetch(range(*at.indices(len(self)))) if isinstance(at, slice) else self.fetch([at])[0]

    def fetch(self, ids: Sequence[int]) -> list[str]:
        """See `pipeline.live.Fetched`."""
        found = self._index.found(ids)
        return [found[one].whole if one in found else "" for one in ids]


def only_writer(folder: Path) -> IO[Any]:
    """A lock that is held until the file is closed. Raises RunError when another process has it."""
    try:
        return locked(folder / LOCK, LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING, ENDING)
    except portalocker.exceptions.LockException:
        raise RunError(f"another process is indexing into {folder}; wait for it, or stop it") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror}); name another folder with --out") from None


def locked(path: Path, flags: LockFlags, patience: float = 0.0) -> IO[Any]:
    """The file `path`, made if need be and locked until it is closed, here and in processes that inherit it. Raises
    LockException when others have it for `patience` seconds."""
    file = path.open("ab")
    until = time.monotonic() + patience
    try:
        while True:
            try:
                portalocker.lock(file, flags)
            except portalocker.exceptions.LockException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                os.set_inheritable(file.fileno(), True)
                return file
    except BaseException:
        file.close()
        raise
