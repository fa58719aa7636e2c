"""One digest for a task's data: equal content in another format or folder has the same one."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

_CHUNK = 65_536


def fingerprint(
    settings: dict[str, Any], texts: Sequence[Sequence[str]] = (), arrays: Sequence[npt.NDArray[Any] | None] = ()
) -> str:
    """sha256 hex over settings (JSON values), lists of texts and arrays, in order; injective in all of them."""
    digest = hashlib.sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS))
    for values in texts:
        digest.update(f"texts {len(values)}\n".encode())
        for start in range(0, len(values), _CHUNK):
            chunk = values[start : start + _CHUNK]
            # Lengths first: the same characters cut elsewhere are other texts.
            digest.update(np.fromiter(map(len, chunk), np.int64, len(chunk)).tobytes())
            digest.update("".join(chunk).encode("utf-8", "surrogatepass"))
    for array in arrays:
        digest.update(b"none\n" if array is None else f"{array.dtype} {array.shape}\n".encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
