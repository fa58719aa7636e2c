"""What Prometheus is told, under the names that users of text-embeddings-inference have in their dashboards.

Their counters have no `_total` at the end, which the client library would add; so they are gauges that only rise.
Several workers write to files that any of them reads.
"""

import os

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = tuple(1e-4 * 1.7**power for power in range(24))
"""A tenth of a millisecond to 20 seconds."""
POWERS = tuple(float(2**power) for power in range(20))

_OWN = CollectorRegistry()


def _count(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(name, about, labels, registry=_OWN, multiprocess_mode="sum")


def _seconds(name: str, about: str) -> Histogram:
    return Histogram(name, about, registry=_OWN, buckets=SECONDS)


REQUESTS = _count("te_request_count", "Requests for work.", "method")
SUCCESSES = _count("te_request_success", "Requests that were answered.", "method")
FAILURES = _count("te_request_failure", "Requests that were not.", "err")
EMBEDDED = _count("te_embed_success", "Texts that were embedded.")
RANKED = _count("te_predict_success", "Texts that were scored for a query.")
SEARCHED = _count("sizewise_search_success", "Searches.")
TRUNCATED = _count("sizewise_truncated_texts", "Texts whose end was beyond the model's limit.")
ANSWERS = _count("sizewise_responses", "Responses by path and status.", "path", "status")
DURATION = _seconds("te_request_duration", "Seconds of a request.")
READING = _seconds("te_request_tokenization_duration", "Seconds until a request was tokenised.")
QUEUING = _seconds("te_request_queue_duration", "Seconds from then until it was run.")
RUNNING = _seconds("te_request_inference_duration", "Seconds that it was run.")
LENGTH = Histogram("te_request_input_length", "Tokens of a text.", registry=_OWN, buckets=POWERS)
BATCH_SIZE = Histogram("te_batch_next_size", "Texts of a batch.", registry=_OWN, buckets=POWERS)
BATCH_TOKENS = Histogram("te_batch_next_tokens", "Tokens of a batch.", registry=_OWN, buckets=POWERS)
QUEUE = Gauge("te_queue_size", "Requests on their way.", registry=_OWN, multiprocess_mode="livesum")


_FAILURES = {429: "overloaded", 499: "dropped", 500: "inference", 503: "unhealthy"}


def request(texts: int, status: int, seconds: float) -> None:
    """A request for work was answered with `status`."""
    method = "batch" if texts > 1 else "single"
    REQUESTS.labels(method).inc()
    if status == 200:
        SUCCESSES.labels(method).inc()
        DURATION.observe(seconds)
    else:
        FAILURES.labels(_FAILURES.get(status, "validation")).inc()


def heard(texts: int, tokens: int, seconds: float) -> None:
    """A batch was run."""
    BATCH_SIZE.observe(texts)
    BATCH_TOKENS.observe(tokens)


def exposed() -> bytes:
    """All of it, in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(_OWN)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
