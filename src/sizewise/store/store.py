"""The store: everything that was computed once, on disk, found again by content.

A folder (mode 0700) with `vectors/<encoder key>/`, `records/` and `engines/` (graphs). Every file is written under a
temporary name and renamed when whole, so that a kill at any moment leaves either all of it or nothing of it. Readers
and writers hold a shared lock on the folder; pruning takes the exclusive one.
"""

import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
import portalocker

from sizewise.core.errors import InputError, RunError
from sizewise.store.files import atomic, make_private
from sizewise.store.prepared import ABOUT as MADE
from sizewise.store.prepared import FOLDER as GRAPHS
from sizewise.store.vectors import Space

Arrays = dict[str, npt.NDArray[Any]]
TRASH = "trash-"
SHARED_WAIT = 60.0
"""Seconds to wait for somebody who is pruning."""
EXCLUSIVE_WAIT = 0.5


def default_root() -> Path:
    """`$SIZEWISE_STORE`, or `sizewise` in the user's cache folder."""
    if chosen := os.environ.get("SIZEWISE_STORE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sizewise"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one encoder's vectors take."""

    key: str
    encoder: str
    vectors: int
    bytes: int
    last_used: float
    """Seconds since the epoch."""


class Store:
    """An open store; use it in a `with` block, which holds the shared lock."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root) if root is not None else default_root()
        self._lock: Any = None

    def __enter__(self) -> Self:
        try:
            make_private(self.root)
            self._lock = self._locked(portalocker.LockFlags.SHARED)
        except OSError as error:
            raise InputError(
                f"the store {self.root} cannot be written ({error.strerror}); set SIZEWISE_STORE to another folder"
            ) from None
        except portalocker.exceptions.LockException:
            raise RunError(f"the store {self.root} is being pruned; run again when that has ended") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        self._lock = None

    def space(self, key: str, identity: Mapping[str, Any]) -> Space:
        """The vectors of one encoder for one prompt."""
        return Space.open(self.root / "vectors" / key, identity)

    def knows(self, key: str) -> bool:
        """Whether there is a space under `key`, be it an empty one."""
        return (self.root / "vectors" / key).is_dir()

    def record(self, key: str, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays kept under `key` (64 hexadecimal digits), computed and kept first if there are none."""
        found = self.find_record(key)
        if found is None:
            found = compute()
            self.keep_record(key, found)
        return found

    def find_record(self, key: str) -> Arrays | None:
        """The arrays kept under `key`, or None."""
        path = self._record_path(key)
        try:
            with np.load(path, allow_pickle=False) as file:
                found = dict(file)
        except FileNotFoundError:
            return None
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"{path} cannot be read ({error}); delete it and run again") from None
        os.utime(path)
        return found

    def keep_record(self, key: str, arrays: Arrays) -> None:
        """Keep `arrays` (no objects: they are never pickled) under `key`."""
        path = self._record_path(key)
        make_private(path.parent)
        with atomic(path) as file:
            np.savez(file, allow_pickle=False, **arrays)

    def usage(self) -> list[Usage]:
        """What each encoder's vectors take, largest first."""
        spaces = [Space.open(path) for path in sorted(self.root.glob("vectors/*")) if path.is_dir()]
        found = [Usage(s.path.name, s.label, s.count, folder_bytes(s.path), s.last_used) for s in spaces]
        return sorted(found, key=lambda usage: -usage.bytes)

    def identities(self) -> list[Mapping[str, Any]]:
        """Of each encoder and prompt that has vectors here, what they depend on."""
        found = [about for about in self.root.glob("vectors/*/identity.json") if any(about.parent.glob("*.keys"))]
        return [orjson.loads(about.read_bytes()) for about in found]

    def record_bytes(self) -> int:
        """What the records take."""
        return folder_bytes(self.root / "records")

    def graph_bytes(self) -> int:
        """What the runtimes' graphs take."""
        return folder_bytes(self.root / GRAPHS)

    def prune(self, unused_days: float = 0.0) -> int:
        """Delete vectors, records and graphs not used for `unused_days` days, and what killed processes left half
        written; returns the bytes freed.

        Call it outside a `with` block: it takes the exclusive lock, and raises RunError while anybody uses the store.
        """
        if not self.root.is_dir():
            return 0
        with self._exclusive():
            oldest = time.time() - unused_days * 86400
            before = folder_bytes(self.root)
            for path in self.root.glob("vectors/*"):
                space = Space.open(path)
                if space.last_used <= oldest:
                    path.rename(self.root / f"{TRASH}{path.name}")  # out of sight at once: a kill leaves no half space
                else:
                    space.sweep()
            for about in self.root.glob(f"{GRAPHS}/*/{MADE}"):
                if about.stat().st_mtime <= oldest:
                    about.parent.rename(self.root / f"{TRASH}{about.parent.name}")
            for half in self.root.glob(f"{GRAPHS}/.*/"):  # of a killed process: nobody else is at work
                half.rename(self.root / f"{TRASH}{half.name}")
            for path in self.root.glob(f"{TRASH}*"):
                shutil.rmtree(path)
            for file in self.root.glob("records/*/*"):
                if file.stat().st_mtime <= oldest:
                    file.unlink()
            return before - folder_bytes(self.root)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            lock = self._locked(portalocker.LockFlags.EXCLUSIVE)
        except portalocker.exceptions.LockException:
            raise RunError(
                f"the store {self.root} is in use by a running study; prune it when that has ended"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _locked(self, kind: portalocker.LockFlags) -> Any:
        wait = SHARED_WAIT if kind == portalocker.LockFlags.SHARED else EXCLUSIVE_WAIT
        flags = kind | portalocker.LockFlags.NON_BLOCKING
        lock = portalocker.Lock(self.root / "lock", mode="a", flags=flags, timeout=wait)
        lock.acquire()
        return lock

    def _record_path(self, key: str) -> Path:
        return self.root / "records" / key[:2] / f"{key}.npz"


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
