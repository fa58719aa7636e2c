"""How fast an encoder is on this machine, and so how much of it is run at a time.

It is found by running some batches before the first request comes, and learned on from every batch.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from sizewise.encode.encoder import Encoder
from sizewise.encode.pairs import pair
from sizewise.encode.reading import Reading

LEAST, MOST = 1024, 65536
"""Tokens of a batch: enough for every core, and no more than memory is meant for."""
WEIGHT = 0.2
"""Of what the last batch told of the pace."""
LONGEST = 64
"""Tokens of the texts that are run: as in most requests."""
SHARE = 0.5
"""Of the limit on latency, for one batch: a text waits for the batch that is running, and then for its own."""
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an encoder is here, and so how much of it is run at a time."""

    tokens_per_s: float
    """In large batches."""
    batch_s: float
    """Seconds that a batch may take."""
    streams: int = 1
    """Batches that are run side by side: the pace is that of all of them."""

    @property
    def tokens(self) -> int:
        """Of what is run side by side, at most."""
        return int(min(max(self.tokens_per_s * self.batch_s, LEAST), MOST))

    def after(self, tokens: int, seconds: float) -> "Pace":
        """What so many tokens, on all streams that were running, make of it. Small batches tell little."""
        if 2 * tokens < self.tokens or seconds <= 0:
            return self
        return replace(self, tokens_per_s=self.tokens_per_s + WEIGHT * (tokens / seconds - self.tokens_per_s))


def paced(encoder: Encoder, texts: Sequence[str], limit_s: float) -> Pace:
    """The pace of `encoder` under a limit of `limit_s` on latency. It is learned on from every batch that is served.

    `texts` are like those to come; those that are not short are left out.
    """
    if encoder.dimensions == 1:
        texts = [pair(texts[0], text) for text in texts]
    reading = encoder.read(texts, "text", "")
    short = np.flatnonzero((reading.lengths > 1) & (reading.lengths <= LONGEST))
    some = reading.take(short) if len(short) else reading
    pace = Pace(1.0, SHARE * limit_s)
    with ThreadPoolExecutor(encoder.streams) as streams:
        for tokens in (LEAST, 4 * LEAST):
            batches = [_repeated(some, tokens // encoder.streams)] * encoder.streams
            list(streams.map(encoder.run, batches))  # shapes that are new are prepared
            seconds = min(_seconds(streams, encoder, batches) for _ in range(ROUNDS))
            pace = Pace(sum(int(one.lengths.sum()) for one in batches) / seconds, SHARE * limit_s, encoder.streams)
            if pace.tokens <= 2 * tokens:  # a slow one has shown enough
                break
    return pace


def _repeated(reading: Reading, tokens: int) -> Reading:
    """So often that there are about so many tokens."""
    count = max(1, int(tokens / reading.lengths.mean()))
    return reading.take(np.arange(count) % len(reading))


def _seconds(streams: ThreadPoolExecutor, encoder: Encoder, batches: Sequence[Reading]) -> float:
    started = time.perf_counter()
    list(streams.map(encoder.run, batches))
    return time.perf_counter() - started
