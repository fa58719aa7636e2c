"""How fast an encoder is on this machine now, found by running some batches before the first request comes."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sizewise.encode.encoder import Encoder
from sizewise.encode.pairs import pair
from sizewise.encode.reading import Reading
from sizewise.serve.batcher import LEAST, Pace

LONGEST = 64
"""Tokens of the texts that are run: as in most requests."""
SHARE = 0.5
"""Of the limit on latency, for one batch: a text waits for the batch that is running, and then for its own."""
ROUNDS = 3


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
