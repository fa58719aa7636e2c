"""An index in a folder, searched by Qdrant Edge: a shard is made of what the catalog and the vectors say.

The shard is a copy that may be behind or missing, never the truth. What it lacks is put there when an index is finished
or opened; killed in between, it is taken up where it was last known to be on disk. Whoever searches shares a shard with
others; while somebody does, another one is made of it for what is new.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import IO, Any, Self

import portalocker
from portalocker import LockFlags

from sizewise.bundle.layout import read_json
from sizewise.core.errors import InputError, RunError
from sizewise.core.progress import Progress, Silent
from sizewise.index.edge import Edge
from sizewise.index.optimise import optimise
from sizewise.search.folder import write_shared
from sizewise.search.local import Local, locked
from sizewise.search.spaces import every_code, every_space

SCHEMA = 1
ABOUT = "edge.json"
LOCK = "edge.lock"
SHARD = "edge-"
BLOCK = 2048
"""Documents that are put at a time."""
PATIENCE = 2.0
"""Seconds to wait without a word for another process, which opens a shard in less than one."""
AT_ONCE = 5_000
"""Documents of a shard that is optimised in a moment."""
FLUSHED = 16
"""Blocks after which they are known to be on disk."""


@dataclass(frozen=True)
class Copy:
    """`edge.json`: how far a shard is."""

    shard: int = 0
    """Which of the folders; 0: there is none."""
    positions: int = 0
    gone: int = 0
    ready: bool = False
    """Whether what makes search quick was built since."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Anything but what this version writes counts as none: a shard can be made again."""
        try:
            found = read_json(folder / ABOUT)
            if found.get("schema") != SCHEMA:
                return cls()
            return cls(int(found["shard"]), int(found["positions"]), int(found["gone"]), found["ready"] is True)
        except (InputError, KeyError, TypeError, ValueError):
            return cls()

    def write(self, folder: Path) -> None:
        write_shared(folder / ABOUT, {"schema": SCHEMA, **asdict(self)})

    def of(self, folder: Path) -> Path:
        return folder / f"{SHARD}{self.shard}"

    def lock(self, folder: Path) -> Path:
        return folder / f"{SHARD}{self.shard}.lock"


def opened(index: Local, progress: Progress) -> tuple[Edge, IO[Any]]:
    """The shard of all documents of `index`, which is renewed, and what is closed after it. Raises InputError when the
    folder is read only."""
    folder = index.folder
    with _alone(folder, progress):
        index.renew()  # what the last one who was here had, this one has too
        copy = _brought_up(index, Copy.read(folder), progress)
        try:
            return _shared(index, copy)
        except RunError as error:
            _say(copy.of(folder), error, progress)
            return _shared(index, _brought_up(index, Copy(), progress))  # another one: somebody may search that


def brought_up(index: Local, progress: Progress) -> None:
    """Put into a shard what it lacks."""
    with _alone(index.folder, progress):
        _brought_up(index, Copy.read(index.folder), progress)


def copy_shard(index: Local, to: Path) -> None:
    """The shard as it is on disk, in the folder `to`: it would be long in the making there."""
    with _alone(index.folder, Silent()):
        copy = Copy.read(index.folder)
        if copy.shard:
            shutil.copytree(copy.of(index.folder), copy.of(to))
            copy.write(to)


def _shared(index: Local, copy: Copy) -> tuple[Edge, IO[Any]]:
    reading = locked(copy.lock(index.folder), LockFlags.SHARED | LockFlags.NON_BLOCKING)
    try:
        engine = Edge.load(copy.of(index.folder))
        _check(index, engine)
    except BaseException:
        reading.close()
        raise
    return engine, reading


def _check(index: Local, engine: Edge) -> None:
    """Raises RunError when the shard has not as many documents as the index."""
    if len(engine) != index.documents:
        raise RunError(f"the shard holds {len(engine):,} documents instead of {index.documents:,}")


def _brought_up(index: Local, copy: Copy, progress: Progress) -> Copy:
    if (copy.positions, copy.gone, copy.ready) == (index.state.positions, index.state.gone, True):
        return copy
    copy, writing = _own(index.folder, copy)
    with closing(writing):
        try:
            done = _filled(index, copy, progress)
        except RunError as error:
            _say(copy.of(index.folder), error, progress)
            done = _filled(index, Copy(copy.shard), progress)
    _without_old(index.folder, done)
    return done


def _say(shard: Path, error: RunError, progress: Progress) -> None:
    progress.say(f"{shard}: {error}; it is made again from the catalog")


def _own(folder: Path, copy: Copy) -> tuple[Copy, IO[Any]]:
    """A shard that nobody else has open, to write to: the one of `copy`, or another like it."""
    for number in range(max(1, copy.shard), copy.shard + 1000):
        ours = replace(copy, shard=number)
        with suppress(portalocker.exceptions.LockException):
            writing = locked(ours.lock(folder), LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING)
            if number != copy.shard:
                shutil.rmtree(ours.of(folder), ignore_errors=True)  # left by somebody who was killed
                if copy.shard:
                    shutil.copytree(copy.of(folder), ours.of(folder))
            return ours, writing
    raise RunError(f"{folder}: a thousand processes search it; close some")


def _filled(index: Local, copy: Copy, progress: Progress) -> Copy:
    """The shard of `copy` with all that `index` has. Raises RunError when it is not that then."""
    folder = copy.of(index.folder)
    if not folder.exists():
        copy = Copy(copy.shard)
    left = index.state.positions - copy.positions
    bar = progress.bar("make searchable", 2.0 * left)
    try:
        with closing(_shard(index, copy)) as engine:
            engine.index_fields(index.catalog.columns())
            for stop in _put_all(index, engine, copy):
                bar.advance(stop - max(copy.positions, stop - BLOCK))
            _check(index, engine)
            if few := len(engine) <= AT_ONCE:
                engine.optimise()
        done = Copy(copy.shard, index.state.positions, index.state.gone)
        done.write(index.folder)
        if not few:
            optimise(folder)
        bar.advance(left)
    finally:
        bar.close()
    done = replace(done, ready=True)
    done.write(index.folder)
    return done


def _put_all(index: Local, engine: Edge, copy: Copy) -> Iterator[int]:
    """Put what the shard lacks, so that it is on disk at the end; yields the position up to which it has all."""
    state = index.state
    for number, start in enumerate(range(copy.positions, state.positions, BLOCK), 1):
        stop = min(start + BLOCK, state.positions)
        _put(index, engine, start, stop)
        if not number % FLUSHED:
            engine.flush()
            replace(copy, positions=stop, ready=False).write(index.folder)
        yield stop
    if gone := index.catalog.gone(copy.gone)[: state.gone - copy.gone]:
        engine.delete(gone)
    engine.flush()


def _shard(index: Local, copy: Copy) -> Edge:
    path = copy.of(index.folder)
    if copy.positions or copy.gone:
        return Edge.load(path, alone=True)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return Edge.create(path, every_space(index.pipeline))


def _put(index: Local, engine: Edge, start: int, stop: int) -> None:
    there = index.catalog.there(start, stop)
    if not there:
        return
    positions = [at for at, _ in there]
    some = [at - start for at in positions]
    rows = [index.rows(number).block(start, stop)[some] for number in range(len(index.parts))]
    engine.put(positions, every_code(index.parts, rows), [fields for _, fields in there])


def _without_old(folder: Path, copy: Copy) -> None:
    """Remove the shards that nobody searches any more."""
    for path in folder.glob(f"{SHARD}*.lock"):
        shard = path.with_suffix("")
        if shard.name == copy.of(folder).name:
            continue
        with (
            suppress(portalocker.exceptions.LockException),
            closing(locked(path, LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING)),
        ):
            shutil.rmtree(shard, ignore_errors=True)
            path.unlink()


@contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Nobody else makes or opens a shard meanwhile. Waits for others: a lock is gone with its process."""
    exclusive = LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING
    try:
        try:
            lock = locked(folder / LOCK, exclusive, PATIENCE)
        except portalocker.exceptions.LockException:
            progress.say(f"another process makes {folder} ready for search; waiting for it (--exact does without) ...")
            lock = locked(folder / LOCK, exclusive, inf)
    except OSError as error:
        raise InputError(
            f"Qdrant Edge searches only in a folder that it may write to, and {folder} is none ({error.strerror}); "
            "search with --exact"
        ) from None
    with closing(lock):
        yield
