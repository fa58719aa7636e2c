"""A bundle that is served: checked, its batches sized, and put together on encoders that go through the batcher."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sizewise.bundle import certificate
from sizewise.bundle.layout import CANARY_TEXTS, read_json
from sizewise.bundle.load import Bundle
from sizewise.bundle.verify import Report, verify_answers, verify_files
from sizewise.core.candidate import Candidate, Cross
from sizewise.core.errors import InputError, RunError
from sizewise.encode.encoder import Encoder
from sizewise.search.folder import beside_bundle, is_index
from sizewise.search.open import Searcher
from sizewise.serve.batcher import Batcher
from sizewise.serve.pace import paced
from sizewise.serve.queued import QueuedEncoder
from sizewise.serve.ranker import Ranker, ranker
from sizewise.serve.settings import LATENCY_MS
from sizewise.serve.space import Space


@dataclass(frozen=True)
class Served:
    """What one name stands for."""

    name: str
    folder: Path
    candidate: Candidate
    certified: Mapping[str, Any]
    encoders: tuple[Encoder, ...]
    """Those that run."""
    space: Space | None
    """None: embeddings are of bundles of one encoder."""
    ranker: Ranker | None
    searcher: Searcher | None
    latency_ms: float
    """What its batches are sized for."""

    @property
    def created(self) -> int:
        """When the bundle was built, in seconds since 1970."""
        return int(datetime.fromisoformat(self.certified["created"]).timestamp())

    @property
    def max_tokens(self) -> int | None:
        """Of a text, the least of its encoders; None: any number."""
        return min((most for one in self.encoders if (most := one.max_tokens)), default=None)


def opened(
    name: str,
    folder: Path,
    index: Path | str | None,
    batcher: Batcher,
    latency_ms: float | None,
    say: Callable[[str], None],
) -> Served:
    """The bundle in `folder`, and its index: `index`, or the one beside it where there is one.

    Raises InputError for what is no bundle or index, RunError when the bundle does not answer as it was measured.
    """
    _pass(verify_files(folder))  # before anything of it is loaded
    plain = Bundle.open(folder)
    _pass(report := verify_answers(folder, plain.pipeline()))
    say(f"{name}: {report.candidate} answers its canary texts as it was measured")
    certified = certificate.read(folder)
    limit = latency_ms or limit_of(certified)
    texts = read_json(folder / CANARY_TEXTS)["texts"]
    for encoder in plain.encoders.values():
        pace = paced(encoder, texts, limit / 1e3)
        batcher.pace(encoder, pace)
        say(f"{name}: batches of up to {pace.tokens:,} tokens ({pace.tokens_per_s:,.0f} tokens/s)")
    queued = replace(plain, encoders={at: QueuedEncoder(one, batcher) for at, one in plain.encoders.items()})
    candidate = plain.layout.candidate
    assert not isinstance(candidate, Cross)
    widths = [row["dimensions"] for row in certified.get("dimensions", ())]
    pipeline = queued.pipeline()
    return Served(
        name,
        folder,
        candidate,
        certified,
        tuple(plain.encoders.values()),
        Space.of(pipeline, widths),
        ranker(pipeline),
        _searcher(folder, index, queued),
        limit,
    )


def _pass(report: Report) -> None:
    """Raises RunError for a bundle that is not what was measured."""
    if not report.passed:
        raise RunError(f"{report.problem}; it is not served. Build it again, or see sizewise verify {report.bundle}")


def limit_of(certified: Mapping[str, Any]) -> float:
    """The latency in milliseconds that the study of a bundle asked for, or a usual one."""
    terms = (certified.get("decision") or {}).get("terms", {})
    limits = terms.get("limits", {})
    asked = [limits[name] for name in ("p50_ms", "p95_ms", "p99_ms") if name in limits]
    return float(min(asked, default=LATENCY_MS))


def _searcher(folder: Path, index: Path | str | None, bundle: Bundle) -> Searcher | None:
    if index is None:
        beside = beside_bundle(folder)
        if not is_index(beside):
            return None
        index = beside
    try:
        return Searcher.open(index, folder, pipeline=bundle.pipeline())
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
