"""Matrices that need not fit in memory: rows are read in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]

BLOCK_BYTES = 64 * 2**20
"""About how much of a matrix is in memory at a time."""
LIMIT = 8 * BLOCK_BYTES
"""Of a matrix that is kept in memory, unless somebody knows of more room."""


class Rows(Protocol):
    """A matrix [n, d] read in blocks of rows. An in-memory array becomes one with `InMemory`."""

    @property
    def dimensions(self) -> int: ...

    def __len__(self) -> int: ...

    def block(self, start: int, stop: int) -> Matrix:
        """Rows `start` to `stop` as an array in memory."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """Rows of an array [n, d]."""

    array: Matrix

    @property
    def dimensions(self) -> int:
        return int(self.array.shape[1])

    def __len__(self) -> int:
        return len(self.array)

    def block(self, start: int, stop: int) -> Matrix:
        return self.array[start:stop]


@dataclass(frozen=True, slots=True)
class Mapped:
    """`function` applied to every block of `source`, as it is read."""

    source: Rows
    function: Callable[[Matrix], Matrix]
    dimensions: int

    def __len__(self) -> int:
        return len(self.source)

    def block(self, start: int, stop: int) -> Matrix:
        return self.function(self.source.block(start, stop))


def blocks(rows: Rows, bytes_per_row: int | None = None) -> Iterator[tuple[int, int]]:
    """Bounds of consecutive blocks of about BLOCK_BYTES, a row being float32 unless said otherwise."""
    step = max(1, BLOCK_BYTES // max(1, bytes_per_row or 4 * rows.dimensions))
    for start in range(0, len(rows), step):
        yield start, min(start + step, len(rows))


def gather(rows: Rows, positions: npt.NDArray[np.int64]) -> Matrix:
    """The rows at `positions`, in that order, as one array, read block by block."""
    order = np.argsort(positions, kind="stable")
    found: Matrix | None = None
    for start, stop in blocks(rows):
        first, last = np.searchsorted(positions[order], [start, stop])
        if first == last:
            continue
        block = rows.block(start, stop)
        if found is None:
            found = np.empty((len(positions), block.shape[1]), dtype=block.dtype)
        found[order[first:last]] = block[positions[order[first:last]] - start]
    return np.empty((0, rows.dimensions), dtype=np.float32) if found is None else found


def materialise(rows: Rows, limit: int = LIMIT) -> Rows:
    """`rows` in memory if all of it takes at most `limit` bytes, else as it is. Filled block by block."""
    kind = rows.block(0, min(1, len(rows))).dtype
    if kind.itemsize * len(rows) * rows.dimensions > limit:
        return rows
    found = np.empty((len(rows), rows.dimensions), dtype=kind)
    for start, stop in blocks(rows):
        found[start:stop] = rows.block(start, stop)
    return InMemory(found)
