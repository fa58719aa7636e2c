"""Endless work in bounded memory, and what a kill in the middle costs.

Texts are made up as they are asked for; nobody ever holds them all, except where a store needs their keys at once.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from rich.console import Console

from contenders.peers import Place
from contenders.process import confined, status_bytes
from contenders.workloads import short_texts
from sizewise.core.environment import environment
from sizewise.core.grammar import parse
from sizewise.core.progress import Silent
from sizewise.encode.encoder import Encoder
from sizewise.encode.resolve import resolve
from sizewise.encode.stored import stored_vectors
from sizewise.store.store import Store

SECONDS = 1.0
"""Between two looks at the memory."""
SETTLED = 0.2
"""Share of the texts after which memory should be what it stays."""
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 100
SHARDS = "vectors/*/*.keys"


def run(place: Place, given: argparse.Namespace) -> None:
    """Stream, kill, print, and write the JSON."""
    static = given.static or f"static:{place.model('static')}"
    result: dict[str, Any] = {"schema": 1, "environment": environment(given.threads), "streams": [], "kill": None}
    for candidate, count in ((static, given.static_texts), (given.model, given.model_texts)):
        if count:
            result["streams"].append(_watched(candidate, count, given.threads))
    if given.kill_texts:
        result["kill"] = _killed(place, given.model, given.kill_texts, given.threads)
    path = given.json or place.work / "stream.json"
    path.write_text(json.dumps(result, indent=1))
    print(f"\nraw values: {path}")


def generated(count: int, seed: int) -> Iterator[str]:
    """So many short texts (about 12 tokens), each of words drawn from those of the workload `short`."""
    words = [word for text in short_texts() for word in text.split()]
    dice = random.Random(seed)
    for number in range(count):
        yield f"{' '.join(dice.choices(words, k=dice.randint(4, 12)))} {number}"


def _watched(candidate: str, count: int, threads: int) -> dict[str, Any]:
    """Stream in another process; what it holds, each second."""
    process = _child(threads, "flow", candidate, str(count), stdout=subprocess.PIPE)
    samples: list[dict[str, float]] = []
    started = time.perf_counter()
    latest = deque([0], maxlen=1)
    reader = Thread(target=lambda: latest.extend(map(int, process.stdout)))
    reader.start()
    while process.poll() is None:
        time.sleep(SECONDS)
        if resident := status_bytes(process.pid, "VmRSS"):
            own = status_bytes(process.pid, "RssAnon")
            peak = status_bytes(process.pid, "VmHWM")
            seconds = round(time.perf_counter() - started, 1)
            samples.append(
                {"s": seconds, "texts": latest[0], "mb": resident / 1e6, "own_mb": own / 1e6, "peak_mb": peak / 1e6}
            )
    reader.join()
    if process.returncode:
        sys.exit(f"streaming {candidate} ended with {process.returncode}")
    done = latest[0]
    found = {"candidate": candidate, "texts": done, **_flatness(samples, count), "samples": samples}
    seconds = samples[-1]["s"]
    Console(width=150).print(
        f"\n{candidate}: {done:,} of {count:,} texts in {seconds:,.0f} s; resident memory each second:\n"
        f"{_plot([sample['mb'] for sample in samples])}\n"
        f"after the first {100 * SETTLED:.0f}%: {found['least_mb']:,.0f} to {found['most_mb']:,.0f} MB,"
        f" slope {found['mb_per_million']:+.2f} MB a million texts (peak of the whole run {found['peak_mb']:,.0f} MB)",
        highlight=False,
    )
    assert done == count, f"{done} of {count} texts were encoded"
    return found


def _flatness(samples: list[dict[str, float]], count: int) -> dict[str, float]:
    """Of the resident memory once settled, before its end: least, most, and slope of a straight line by texts."""
    settled = [one for one in samples if SETTLED * count <= one["texts"] < count] or samples[-1:]
    texts, memory = (np.array([one[name] for one in settled]) for name in ("texts", "mb"))
    slope = np.polyfit(texts, memory, 1)[0] if len(np.unique(texts)) > 1 else float("nan")
    return {
        "least_mb": float(memory.min()),
        "most_mb": float(memory.max()),
        "mb_per_million": float(1e6 * slope),
        "peak_mb": max(one["peak_mb"] for one in samples),
    }


def _plot(values: list[float]) -> str:
    """A line of bars from nothing to the most, each the most of its share of the time."""
    most = max(values)
    parts = np.array_split(np.array(values), min(WIDTH, len(values)))
    bars = "".join(BARS[min(len(BARS) - 1, int(len(BARS) * part.max() / most))] for part in parts)
    return f"{bars} (full height: {most:,.0f} MB)"


def _killed(place: Place, candidate: str, count: int, threads: int) -> dict[str, Any]:
    """Kill with SIGKILL half way, in the middle of a shard, run again to the end, and count what was encoded twice."""
    store = place.work / f"stream-store-{os.getpid()}"
    log = store.with_suffix(".log")
    process = _child(threads, "keep", candidate, str(count), str(store), str(log))
    since, interval, seen = time.perf_counter(), 0.0, 0
    while process.poll() is None and seen < count // 2:
        time.sleep(0.02)
        if (stored := _stored(store)) > seen:
            since, interval, seen = time.perf_counter(), time.perf_counter() - since, stored
    time.sleep(interval / 2)  # in the middle of a shard
    if process.poll() is not None:
        sys.exit(f"encoding {candidate} into a store ended with {process.returncode} before it could be killed")
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = _stored(store)
    again = _child(threads, "keep", candidate, str(count), str(store), str(log))
    if again.wait():
        sys.exit(f"the run after the kill ended with {again.returncode}")
    shards = [int(line) for line in log.read_text().split()]
    stored = _stored(store)
    shutil.rmtree(store)
    log.unlink()
    found = {"texts": count, "stored_at_kill": before, "stored": stored, "shards": shards}
    found |= {"encoded": sum(shards), "lost": sum(shards) - stored, "largest_shard": max(shards)}
    print(
        f"\nkilled with {before:,} of {count:,} texts stored, then run again: {found['encoded']:,} were encoded in all,"
        f" {found['lost']:,} of them twice; the largest shard holds {found['largest_shard']:,}"
    )
    assert stored == count, f"{stored} of {count} texts are stored"
    assert 0 <= found["lost"] <= found["largest_shard"], "more than one shard was lost"
    return found


def _stored(store: Path) -> int:
    return sum(file.stat().st_size // 16 for file in store.glob(SHARDS))


def _child(threads: int, *arguments: str, **more: Any) -> "subprocess.Popen[bytes]":
    here = Path(__file__).resolve().parent.parent
    return subprocess.Popen(
        [sys.executable, "-m", "contenders.stream", *arguments],
        cwd=here,
        **confined(threads),
        **more,
    )


def _flow(candidate: str, count: int) -> None:
    """The child of `_watched`: encodes, and prints how many texts are done."""
    encoder = _encoder(candidate)
    done = 0
    for block in encoder.stream(generated(count, seed=0), "text", ""):
        assert np.isfinite(block).all()
        done += len(block)
        print(done, flush=True)


def _keep(candidate: str, count: int, store: str, log: str) -> None:
    """The child of `_killed`: encodes into a store, and notes the number of texts of each part that it begins."""
    encoder = _encoder(candidate)
    encode_parts = encoder.encode_parts

    def noted(texts: Any, role: Any, prompt: str) -> Any:
        with Path(log).open("a") as file:
            file.write(f"{len(texts)}\n")
        return encode_parts(texts, role, prompt)

    encoder.encode_parts = noted  # type: ignore[method-assign]
    with Store(store) as opened:
        stored_vectors(opened, encoder, list(generated(count, seed=1)), "text", "", Silent())


def _encoder(candidate: str) -> Encoder:
    return resolve(parse(candidate).model)  # type: ignore[union-attr]


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "flow":
        _flow(rest[0], int(rest[1]))
    else:
        _keep(rest[0], int(rest[1]), rest[2], rest[3])
