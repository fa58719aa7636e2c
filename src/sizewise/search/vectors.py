"""The vectors of one encoder: rows of float32 in one file, which only grows."""

import os
from pathlib import Path

import numpy as np

from sizewise.core.errors import InputError
from sizewise.core.rows import InMemory
from sizewise.transform.transform import Vectors

NUMBER = 4
"""Bytes."""


def write_rows(path: Path, first: int, vectors: Vectors) -> None:
    """float32 [n, d] from row `first` on; when it returns they are on disk. What stood there never counted."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.seek(first * vectors.shape[1] * NUMBER)
        file.write(np.ascontiguousarray(vectors, np.float32).data)
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path, count: int, dimensions: int) -> InMemory:
    """The first `count` rows, mapped into memory. Raises InputError where there are fewer."""
    try:
        if path.is_symlink():
            raise InputError(f"{path} is a link; an index holds files only")
        if not count:
            return InMemory(np.empty((0, dimensions), np.float32))
        there = path.stat().st_size // (dimensions * NUMBER)
        if there < count:
            raise InputError(f"{path} holds {there:,} vectors of {count:,}; index the corpus again with --force")
        return InMemory(np.memmap(path, np.float32, "r", shape=(count, dimensions)))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); index the corpus again with --force") from None
