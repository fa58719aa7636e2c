"""Answers that hold vectors, a long list of them written beside the event loop; and what is told of the work."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sizewise.serve import metrics
from sizewise.serve.job import Made
from sizewise.serve.post import Answer, written

LARGE = 100_000
"""Numbers that take the event loop a few milliseconds."""
ROWS = 64
"""Written at a time: orjson keeps Python's lock until it is done, and the event loop has it in between."""


async def embeddings(rows: Sequence[Any], about: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """OpenAI's list of `rows`: arrays or text."""

    def write() -> Answer:
        data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
        return written({"object": "list", "data": listed(data), **about}, headers)

    return await _beside(write, sum(map(len, rows)))


async def vectors(rows: npt.NDArray[np.float32], headers: Mapping[str, str]) -> Answer:
    """TEI's list of `rows` [n, dimensions]."""
    return await _beside(lambda: written(listed(rows), headers), rows.size)


async def _beside(write: Callable[[], Answer], numbers: int) -> Answer:
    """What `write` makes of so many numbers."""
    return await asyncio.to_thread(write) if numbers > LARGE else write()


def listed(rows: Any) -> orjson.Fragment:
    """A list or an array as JSON, as it would be in one piece."""
    slices = (written(rows[at : at + ROWS]).body[1:-1] for at in range(0, len(rows), ROWS))
    return orjson.Fragment(b"[%b]" % b",".join(slices))


def timed(made: Made) -> dict[str, str]:
    """TEI's headers, in milliseconds; and how many texts were cut, which is never silent."""
    metrics.READING.observe(made.read_s)
    metrics.QUEUING.observe(made.queue_s)
    metrics.RUNNING.observe(made.run_s)
    for length in made.lengths.tolist():
        metrics.LENGTH.observe(length)
    headers = {
        "x-tokenization-time": str(round(1e3 * made.read_s)),
        "x-queue-time": str(round(1e3 * made.queue_s)),
        "x-inference-time": str(round(1e3 * made.run_s)),
        "x-total-time": str(round(1e3 * (made.read_s + made.queue_s + made.run_s))),
        "x-compute-tokens": str(int(made.lengths.sum())),
    }
    return headers | cut_header(int(made.cut.sum()))


def cut_header(count: int) -> dict[str, str]:
    """Says that the ends of so many texts were beyond the model's limit."""
    if not count:
        return {}
    metrics.TRUNCATED.inc(count)
    return {"x-truncated-texts": str(count)}
