"""The race: all contenders alive at once, the same work for each in turn, in a new order each round."""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from contenders import report
from contenders.field import BEST, Contender, default, others
from contenders.peers import Place, reference_folder
from contenders.process import Failed, Process
from contenders.workloads import Workload, workloads
from sizewise.core.environment import environment
from sizewise.core.shapes import Shape
from sizewise.cost.measure import busyness

BATCHES = (8, 32, 128)
PRECISIONS = ("fp32", "bf16")
SEARCH_SECONDS = 3.0
"""Of the default, for each setting that is tried."""
PILOT = (8, 64)
"""Texts that are timed first, to find how many the seconds of a round hold; so many more if those took no time."""
COMPARED = 200
WARM_SINGLES = 20
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp", "i8mm")


@dataclass
class Entry:
    """A contender through the run. Once there is trouble, it does no more."""

    contender: Contender
    process: Process | None = None
    trouble: str | None = None
    batches: dict[str, int] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=lambda: {"bulk": {}, "single_ms": []})

    def attempt(self, what: Callable[[Process], Any]) -> Any:
        """What it finds; None when the contender fails."""
        if self.trouble is not None or self.process is None:
            return None
        try:
            return what(self.process)
        except Failed as failure:
            self.trouble = str(failure)
            print(f"{self.contender.name}: {failure}", file=sys.stderr, flush=True)
        return None

    @property
    def result(self) -> dict[str, Any]:
        """As JSON."""
        about = self.process.about if self.process and self.process.about else {}
        return {
            "name": self.contender.name,
            "ours": self.contender.ours,
            "precision": self.contender.precision,
            "settings": self.contender.start | ({"batch_sizes": self.batches} if self.batches else {}),
            "trouble": self.trouble,
            "load_s": about.get("load_s"),
            "versions": about.get("versions"),
            **self.found,
        }


def run(place: Place, given: argparse.Namespace) -> None:
    """Race, print, and write the JSON."""
    loads = workloads(given.model, given.workloads, given.texts)
    singles = workloads(given.model, ["short"], None)[0].texts
    shape = _shape(reference_folder(place, given.model))
    peaks = [_peak(given.threads)]
    with ExitStack() as stack:
        entries = [_start(default(place, given.model), stack, given.threads, singles[0])]
        if entries[0].trouble:
            sys.exit(f"the default does not run: {entries[0].trouble}")
        if loads and _wanted(BEST, given.only):
            entries.append(_best(place, given, entries[0], loads, stack))
        chosen = [one for one in others(place, given.model, given.candidates) if _wanted(one.name, given.only)]
        entries += [_start(contender, stack, given.threads, singles[0]) for contender in chosen]
        time.sleep(2)
        idle = busyness(2.0)
        _compare(entries, [text for load in loads for text in load.texts[: -(-COMPARED // len(loads))]][:COMPARED])
        dice = random.Random(given.seed)
        for load in loads:
            _race(entries, load, shape, given.rounds, given.seconds, dice)
        _race_singles(entries, singles, given.rounds, given.singles, dice)
        for entry in entries:
            entry.attempt(lambda process, entry=entry: entry.found.update(peak_mb=process.peak_bytes / 1e6))
        peaks.append(_peak(given.threads))
        result = {
            "schema": 1,
            "environment": environment(given.threads) | {"flags": _flags()},
            "model": given.model,
            "shape": str(shape),
            "busy_while_idle": round(idle, 3),
            "rounds": given.rounds,
            "seconds": given.seconds,
            "seed": given.seed,
            "peak_gops": {name: max(peak[name] for peak in peaks) for name in peaks[0]},
            "peaks_measured": peaks,
            "workloads": {load.name: load.about for load in loads},
            "contenders": [entry.result for entry in entries],
        }
    path = given.json or place.work / "encode.json"
    report.derive(result)
    path.write_text(json.dumps(result, indent=1).replace(f"{place.work}/", ""))
    report.show(result)
    print(f"\nraw values: {path}")


def _wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(part in name for part in only)


def _start(contender: Contender, stack: ExitStack, threads: int, first: str) -> Entry:
    """Running, or with the reason why not. Ours are started twice: what they make at first is kept for later."""
    entry = Entry(contender, trouble=contender.trouble)
    if entry.trouble is None:
        print(f"starting {contender.name}", file=sys.stderr, flush=True)
        try:
            if contender.ours:
                with Process(contender.python, contender.start | {"first": first}, threads) as before:
                    entry.found["first_load_s"] = before.about["load_s"]
            made = Process(contender.python, contender.start | {"first": first}, threads)
            entry.process = stack.enter_context(made)
        except (Failed, OSError) as failure:
            entry.trouble = f"did not start: {failure}"
            print(f"{contender.name}: {failure}", file=sys.stderr, flush=True)
    return entry


def _best(place: Place, given: argparse.Namespace, plain: Entry, loads: Sequence[Workload], stack: ExitStack) -> Entry:
    """sentence-transformers in the precision, and for each workload the batch size, that were fastest on a sample."""
    tried: dict[str, dict[str, dict[int, float]]] = {}
    with ExitStack() as search:
        for precision in PRECISIONS:
            entry = plain
            if precision != "fp32":
                entry = _start(default(place, given.model, precision), search, given.threads, loads[0].texts[0])
            if entry.process is not None:
                tried[precision] = {load.name: {} for load in loads}
                for load in loads:
                    sample = load.texts[: _count(plain, load.texts, SEARCH_SECONDS)]
                    for batch in BATCHES:
                        seconds = [entry.process.bulk(sample, batch) for _ in range(2)]
                        tried[precision][load.name][batch] = min(seconds)
    times = {name: np.prod([min(by.values()) for by in one.values()]) for name, one in tried.items()}
    precision = min(times, key=lambda name: times[name])
    found = _start(default(place, given.model, precision, BEST), stack, given.threads, loads[0].texts[0])
    found.batches = {name: min(by, key=lambda batch: by[batch]) for name, by in tried[precision].items()}
    found.found["search_seconds"] = tried
    return found


def _count(entry: Entry, texts: Sequence[str], seconds: float) -> int:
    """How many texts fill the seconds."""
    process = entry.process
    assert process is not None
    few, more = PILOT
    process.bulk(texts[:few], None)
    took = process.bulk(texts[:few], None)
    if took < 1.0:
        few = min(more, len(texts))
        took = process.bulk(texts[:few], None)
    return min(len(texts), max(PILOT[0], int(few * seconds / took)))


def _compare(entries: Sequence[Entry], texts: list[str]) -> None:
    """Every contender's vectors of the same texts against the default's, to see what computes something else."""
    reference = None
    for entry in entries:
        answer = entry.attempt(lambda process: process.ask({"do": "vectors", "texts": texts}))
        if answer is None:
            continue
        entry.found["torch_loaded"] = answer["torch"]
        vectors = np.array(answer["vectors"])
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        if reference is None:
            reference = vectors
        if vectors.shape == reference.shape and entry.contender.precision is not None:
            cosines = (vectors * reference).sum(1)
            names = ("mean", "p5", "worst")
            values = (cosines.mean(), np.percentile(cosines, 5), cosines.min())
            entry.found["cosine"] = {name: round(float(x), 5) for name, x in zip(names, values, strict=True)}


def _race(
    entries: Sequence[Entry], load: Workload, shape: Shape, rounds: int, seconds: float, dice: random.Random
) -> None:
    """Throughput on one workload. The first time that a contender does its texts does not count."""
    for entry in entries:
        count = entry.attempt(lambda process, entry=entry: _count(entry, load.texts, seconds))
        if count is not None:
            tokens = load.tokens[:count]
            entry.found["bulk"][load.name] = {
                "texts": count,
                "tokens": int(tokens.sum()),
                "flops": float(sum(int(n) * shape.flops_per_token(int(n)) for n in tokens)),
                "seconds": [],
            }
    for number in range(rounds + 1):
        started = time.perf_counter()
        for entry in dice.sample(entries, len(entries)):
            texts = load.texts[: entry.found["bulk"].get(load.name, {}).get("texts", 0)]
            batch = entry.batches.get(load.name)
            took = entry.attempt(lambda process, texts=texts, batch=batch: process.bulk(texts, batch))
            if took is not None and number > 0:
                entry.found["bulk"][load.name]["seconds"].append(took)
        _tell(f"{load.name}: round {number} of {rounds}", started)


def _race_singles(entries: Sequence[Entry], texts: Sequence[str], rounds: int, count: int, dice: random.Random) -> None:
    """Single texts, other ones in every round."""
    for number in range(rounds + 1):
        started = time.perf_counter()
        first = number * count % len(texts)
        some = list(chain(texts[first:], texts[:first]))[: count if number else WARM_SINGLES]
        for entry in dice.sample(entries, len(entries)):
            answer = entry.attempt(lambda process, some=some: process.ask({"do": "single", "texts": some}))
            if answer is not None and number > 0:
                entry.found["single_ms"].append(answer["ms"])
        _tell(f"single texts: round {number} of {rounds}", started)


def _tell(what: str, started: float) -> None:
    print(f"{what}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def _peak(threads: int) -> dict[str, float]:
    print("measuring the arithmetic peak", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "contenders.peak", str(threads)]
    here = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=here, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def _shape(folder: Path) -> Shape:
    """The numbers of the model, for its operations a token."""
    config = json.loads((folder / "config.json").read_text())
    numbers = ("num_hidden_layers", "hidden_size", "num_attention_heads")
    return Shape.of(*(config[name] for name in numbers), intermediate=config["intermediate_size"])


def _flags() -> list[str]:
    """What this processor can do that matters here."""
    try:
        lines: Iterable[str] = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    line = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return [flag for flag in FLAGS if flag in line.split()]
