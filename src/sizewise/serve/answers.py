"""Answers as bytes: vectors by orjson, a long list of them beside the event loop."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from sizewise.serve import metrics
from sizewise.serve.batcher import Made
from sizewise.serve.gate import TOLD

LARGE = 100_000
"""Numbers that take the event loop a few milliseconds."""


async def embeddings(rows: Sequence[Any], about: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """OpenAI's list of `rows`: arrays or text."""
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
    return await written({"object": "list", "data": data, **about}, data, headers)


async def written(value: Any, rows: Sequence[Any], headers: Mapping[str, str]) -> Response:
    """`value` as JSON; `rows` are what in it may be large."""
    numbers = sum(len(row["embedding"] if isinstance(row, dict) else row) for row in rows)
    body = await asyncio.to_thread(dumped, value) if numbers > LARGE else dumped(value)
    return Response(body, media_type="application/json", headers=dict(headers))


def dumped(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def told(request: HttpRequest, **about: Any) -> None:
    """For the line of the log."""
    request.scope[TOLD].update(about)


def timed(made: Made) -> dict[str, str]:
    """TEI's headers, in milliseconds; and how many texts were cut, which is never silent."""
    metrics.READING.observe(made.read_s)
    metrics.QUEUING.observe(made.queue_s)
    metrics.RUNNING.observe(made.run_s)
    for length in made.lengths.tolist():
        metrics.LENGTH.observe(length)
    times = (made.read_s, made.queue_s, made.run_s)
    names = ("x-tokenization-time", "x-queue-time", "x-inference-time")
    headers = {name: str(round(1e3 * seconds)) for name, seconds in zip(names, times, strict=True)}
    headers["x-total-time"] = str(round(1e3 * sum(times)))
    headers["x-compute-tokens"] = str(int(made.lengths.sum()))
    return headers | cut_header(int(made.cut.sum()))


def cut_header(count: int) -> dict[str, str]:
    """Says that the ends of so many texts were beyond the model's limit."""
    if not count:
        return {}
    metrics.TRUNCATED.inc(count)
    return {"x-truncated-texts": str(count)}
