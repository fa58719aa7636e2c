"""The array types that every module of `stats` speaks."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CACHE_BYTES = 2**20


def cache_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of `rows` such that a float64 block of [rows in the slice, columns] stays within a core's cache."""
    step = max(16, CACHE_BYTES // (8 * max(columns, 1)))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
