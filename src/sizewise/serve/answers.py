"""Answers that hold vectors, a long list of them written beside the event loop; and what is told of the work."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sizewise.serve import metrics
from sizewise.serve.job import Made
from sizewise.serve.post import Answer, written

LARGE = 100_000
"""Numbers that take the event loop a few milliseconds."""


async def embeddings(rows: Sequence[Any], about: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """OpenAI's list of `rows`: arrays or text."""
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
    return await aside({"object": "list", "data": data, **about}, sum(map(len, rows)), headers)


async def aside(value: Any, numbers: int, headers: Mapping[str, str]) -> Answer:
    """`value` as JSON, which holds so many numbers."""
    if numbers > LARGE:
        return await asyncio.to_thread(written, value, headers)
    return written(value, headers)


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
