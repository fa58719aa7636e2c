"""What an endpoint answered: read, and checked in everything that could make a vector stand with the wrong text."""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sizewise.core.errors import RunError
from sizewise.encode.remote.endpoints import Endpoint


@dataclass(frozen=True)
class Answer:
    """Vectors float32 [n, dimensions] in the order of the texts, and the tokens that the endpoint counted."""

    vectors: npt.NDArray[np.float32]
    tokens: int | None


def read_answer(endpoint: Endpoint, body: bytes, count: int) -> Answer:
    """The answer to a request of `count` texts. Raises RunError when it is not one vector for each, all of them whole.

    Such a request was paid for and is not sent again by itself: the same question would get the same answer.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _wrong(endpoint, "its answer is not JSON") from None
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _wrong(endpoint, "its answer has no list of vectors (data)")
    if len(rows) != count:
        raise _wrong(endpoint, f"it answered with {len(rows)} vectors for {count} texts")
    places = [row.get("index") for row in rows]
    if any(type(place) is not int for place in places) or sorted(places) != list(range(count)):
        raise _wrong(endpoint, f"the index of its vectors is not 0 to {count - 1}, each once")
    vectors = np.empty((count, endpoint.dimensions), dtype=np.float32)
    for place, row in zip(places, rows, strict=True):
        vectors[place] = _vector(endpoint, row.get("embedding"))
    if not np.isfinite(vectors).all():
        raise _wrong(endpoint, "it answered with numbers that are not finite")
    return Answer(vectors, _tokens(found.get("usage")))


def _vector(endpoint: Endpoint, written: Any) -> npt.NDArray[np.float32]:
    """float32 [dimensions] from base64 of little-endian float32, or from a list of numbers."""
    try:
        if isinstance(written, str):
            vector = np.frombuffer(b64decode(written, validate=True), dtype="<f4")
        elif isinstance(written, list):
            vector = np.array([np.nan if number is None else number for number in written], dtype=np.float32)
        else:
            vector = None
    except (TypeError, ValueError, binascii.Error):
        vector = None
    if vector is None:
        raise _wrong(endpoint, "a vector is neither base64 of float32 nor a list of numbers")
    if vector.shape != (endpoint.dimensions,):
        asked = "" if endpoint.send_dimensions else " (they were not asked for: send_dimensions = false)"
        raise _wrong(
            endpoint,
            f"it answered with vectors of {vector.size} dimensions, and its configuration says "
            f"{endpoint.dimensions}{asked}",
        )
    return vector.astype(np.float32)


def _tokens(usage: Any) -> int | None:
    """Tokens that are paid for, where the endpoint says so."""
    for name in ("total_tokens", "prompt_tokens"):
        found = usage.get(name) if isinstance(usage, dict) else None
        if type(found) is int and found > 0:
            return found
    return None


def _wrong(endpoint: Endpoint, problem: str) -> RunError:
    return RunError(
        f"endpoint {endpoint.name} at {endpoint.host}: {problem}; nothing of that answer is kept, what came before is: "
        "correct the endpoint or its configuration and run again"
    )
