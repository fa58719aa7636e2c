"""Vectors of one encoder, found by the text that they belong to."""

import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
import portalocker

from sizewise.core.errors import RunError
from sizewise.core.rows import Matrix
from sizewise.store.files import atomic, make_private, write_json

Key = npt.NDArray[np.bytes_]
KEY_BYTES = 16


def text_keys(texts: Sequence[str]) -> Key:
    """The first 16 bytes of the sha256 of each text, S16 [n]."""
    digests = b"".join(sha256(text.encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES] for text in texts)
    return np.frombuffer(digests, dtype=f"S{KEY_BYTES}")


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows [n, d] float32 that live in shards on disk: `row` of `shard` for each. Shards are open only while read."""

    shards: tuple[Path, ...]
    shard: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    dimensions: int

    def __len__(self) -> int:
        return len(self.row)

    def block(self, start: int, stop: int) -> Matrix:
        shard, row = self.shard[start:stop], self.row[start:stop]
        found = np.empty((len(row), self.dimensions), dtype=np.float32)
        order = np.argsort(shard, kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            if len(here):
                found[here] = open_shard(self.shards[shard[here[0]]])[row[here]]
        return found


def open_shard(path: Path) -> npt.NDArray[np.float32]:
    """The vectors of one shard, memory-mapped."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (ValueError, OSError, EOFError) as error:
        raise RunError(f"{path} cannot be read ({error}); delete {path.parent} and run again") from None


def read_keys(path: Path) -> Key:
    """The keys of one shard."""
    content = path.read_bytes()
    if len(content) % KEY_BYTES:
        raise RunError(f"{path} cannot be read (it was cut off); delete {path.parent} and run again")
    return np.frombuffer(content, dtype=f"S{KEY_BYTES}")


@dataclass
class Space:
    """A folder of shards: `<name>.npy` float32 [m, d] and `<name>.keys` (16 bytes a text).

    The keys are written last: a shard without them was never finished and does not count.
    """

    path: Path
    identity: Mapping[str, Any]
    _names: list[str] = field(default_factory=list)
    _keys: Key = field(default_factory=lambda: np.empty(0, dtype=f"S{KEY_BYTES}"))
    _shard: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    _row: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    @classmethod
    def open(cls, path: Path, identity: Mapping[str, Any] | None = None) -> Self:
        """Open the space at `path`; with an `identity` (what the key stands for), make it if there is none."""
        about = path / "identity.json"
        if identity is not None and not about.exists():
            make_private(path)
            write_json(about, dict(identity))
        if identity is None:
            identity = orjson.loads(about.read_bytes()) if about.exists() else {}
        else:
            os.utime(about)
        space = cls(path, identity)
        space.refresh()
        return space

    @property
    def label(self) -> str:
        """What the user calls the encoder."""
        return str(self.identity.get("name", "?"))

    @property
    def count(self) -> int:
        """How many texts have a vector."""
        return len(self._keys)

    @property
    def dimensions(self) -> int | None:
        """Dimensions of the vectors, None while there are none."""
        return int(open_shard(self._shard_path(self._names[0])).shape[1]) if self._names else None

    @property
    def last_used(self) -> float:
        """Seconds since the epoch."""
        about = self.path / "identity.json"
        return about.stat().st_mtime if about.exists() else 0.0

    def refresh(self) -> None:
        """See what other processes have finished since."""
        known = set(self._names)
        fresh = sorted(file.stem for file in self.path.glob("*.keys") if file.stem not in known)
        if not fresh:
            return
        keys, shards, rows = [self._keys], [self._shard], [self._row]
        for name in fresh:
            found = read_keys(self.path / f"{name}.keys")
            keys.append(found)
            shards.append(np.full(len(found), len(self._names), dtype=np.int32))
            rows.append(np.arange(len(found), dtype=np.int32))
            self._names.append(name)
        self._keys, first = np.unique(np.concatenate(keys), return_index=True)
        self._shard, self._row = np.concatenate(shards)[first], np.concatenate(rows)[first]

    def missing(self, keys: Key) -> npt.NDArray[np.int64]:
        """Positions of the first occurrence of each key that has no vector."""
        wanted, first = np.unique(keys, return_index=True)
        absent = ~np.isin(wanted, self._keys, assume_unique=True)
        return np.sort(first[absent])

    def add(self, keys: Key, vectors: npt.NDArray[np.float32]) -> None:
        """Keep the vectors float32 [m, d] of texts as one shard.

        Raises RunError for values that are not finite, and where there is not one vector for each text.
        """
        if vectors.ndim != 2 or len(vectors) != len(keys):
            raise RunError(
                f"{self.label} returned an array of shape {vectors.shape} for {len(keys)} texts; an encoder must "
                "return one vector for each"
            )
        if not np.isfinite(vectors).all():
            raise RunError(
                f"{self.label} returned vectors that are not finite; they are not kept: use it at float32, or leave it "
                "out"
            )
        name = uuid.uuid4().hex
        with atomic(self.path / f"{name}.npy") as file:
            np.save(file, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)
        with atomic(self.path / f"{name}.keys") as file:
            file.write(keys.tobytes())

    def rows(self, keys: Key) -> StoredRows:
        """The vectors of the texts with these keys, in order; all must be there."""
        at = np.searchsorted(self._keys, keys)
        shards = tuple(self._shard_path(name) for name in self._names)
        return StoredRows(shards, self._shard[at], self._row[at], self.dimensions or 0)

    def sweep(self) -> None:
        """Delete what killed processes left half written. Only for the holder of the store's exclusive lock."""
        for file in self.path.iterdir():
            if file.suffix == ".tmp" or (file.suffix == ".npy" and not file.with_suffix(".keys").exists()):
                file.unlink()

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Holds this space's writer lock, so that two processes do not encode the same texts.

        Yields whether another process had it first (its work is then visible).
        """
        flags = portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
        lock = portalocker.Lock(self.path / "writer.lock", mode="a", flags=flags)
        waited = False
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except portalocker.exceptions.LockException:
                waited = True
                time.sleep(0.2)
        try:
            self.refresh()
            yield waited
        finally:
            lock.release()

    def _shard_path(self, name: str) -> Path:
        return self.path / f"{name}.npy"
