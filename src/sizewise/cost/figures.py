"""What a pipeline costs, in figures. A figure that was not measured is None, never zero and never a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np

Source = Literal["measured", "composed", "predicted"]
MEGA = 1e6


@dataclass(frozen=True, slots=True)
class Figures:
    """One candidate's cost. Single-stream: one text at a time, query to ranking where there is a search; offline: bulk.

    Milliseconds, seconds, megabytes (10^6 bytes); memory is the peak over that of the bare process.
    """

    mean_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    texts_per_s: float | None = None
    tokens_per_s: float | None = None
    load_s: float | None = None
    peak_memory_mb: float | None = None
    device_memory_mb: float | None = None
    memory_mb: float | None = None
    """Peak memory with the index of the largest corpus."""
    disk_mb: float | None = None
    bytes_per_vector: float | None = None
    parameters: int | None = None
    monthly_cost: float | None = None
    serving_cost: float | None = None
    bulk_cost: float | None = None
    storage_cost: float | None = None
    encode_p95_ms: float | None = None
    """Of a whole pipeline: the 95th percentile of the part of a query's time that its encoders take."""
    machine_ms: float | None = None
    """Of an endpoint: the part of `mean_ms` in which this machine works. None: all of it."""
    query_tokens: float | None = None
    """Of an endpoint: tokens of a query that are paid for, on average."""
    document_tokens: float | None = None
    """The same of a document."""
    price_per_million_tokens: float | None = None
    """Of an endpoint, where its configuration has a price."""
    latency_samples: int = 0
    source: Source = "measured"
    note: str = ""
    """Why something is missing or only predicted."""

    def value(self, name: str) -> float | None:
        """The figure called `name`; None when it was not measured."""
        found = getattr(self, name)
        return None if found is None else float(found)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(**found)

    def with_latencies(self, milliseconds: Sequence[float]) -> Self:
        """With mean and percentiles of single-stream latencies."""
        if not milliseconds:
            return self
        p50, p95, p99 = (float(p) for p in np.percentile(milliseconds, [50, 95, 99]))
        mean = float(np.mean(milliseconds))
        return replace(self, mean_ms=mean, p50_ms=p50, p95_ms=p95, p99_ms=p99, latency_samples=len(milliseconds))


PAID_BY_TOKEN = ("machine_ms", "query_tokens", "document_tokens", "price_per_million_tokens")
NOT_COSTS = ("source", "note", "latency_samples", "encode_p95_ms", *PAID_BY_TOKEN)
COSTS = tuple(field.name for field in fields(Figures) if field.name not in NOT_COSTS)
"""What can be limited or minimised."""
MORE_IS_BETTER = ("texts_per_s", "tokens_per_s")
"""Figures that a limit bounds from below; minimised with their sign turned."""
EXACT = ("bytes_per_vector", "parameters", "disk_mb", "storage_cost")
"""Figures that are arithmetic: no two measurements of them differ."""


def written(value: float) -> str:
    """A figure for people: four digits that matter, never an exponent for a large one."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
