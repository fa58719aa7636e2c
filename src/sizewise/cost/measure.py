"""Measuring cost: one fresh process for each subject, all of them interleaved, so that drift hits all alike."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson

from sizewise.core.candidate import Cross, Embed, Lexical, Model, Part
from sizewise.core.environment import THREAD_VARIABLES
from sizewise.core.errors import RunError
from sizewise.core.memory import available_memory, impractical
from sizewise.core.progress import Progress, Silent
from sizewise.core.shapes import parse_shape
from sizewise.cost import remote
from sizewise.cost.device import expected_device_bytes, free_device_memory
from sizewise.cost.figures import MEGA, Figures
from sizewise.cost.sample import Sample
from sizewise.encode.encoder import Trust, scheme
from sizewise.encode.torch import free_device

ROUNDS = 3
SINGLE_SECONDS = 1.5
"""Of single texts in each round, at most."""
SINGLES = 100
"""Single texts in each round, at most."""
BULK_SECONDS = 2.0
"""Of bulk encoding in each round, about."""
PILOT = 4
"""Texts timed first, to find how many BULK_SECONDS hold."""
LEAST = 6
"""Texts in a round, at least: a large shape takes seconds for each."""
BUSY = 0.15
"""Share of the processors taken by others from which a run says so."""
MEMORY_SHARE = 0.6
"""Of the free memory, at most, for processes that are alive together."""
LEAVE_OUT = "mend that, or leave the candidate out"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rounds found: figures by subject, and how far two rounds of the same thing were apart (a ratio)."""

    figures: Mapping[Part, Figures]
    latency_drift: float
    throughput_drift: float


@dataclass(frozen=True)
class Plan:
    """How to measure: on which texts, with how many threads, for how long."""

    sample: Sample
    threads: int
    pipelines: bool = False
    """Time queries from text to ranking, not encoders alone."""
    task: Mapping[str, Any] | None = None
    """Path and protocol of the task whose documents pipelines search; without vectors (bm25) there is no other way."""
    store: Path | None = None
    trust: Trust = field(default_factory=Trust)
    rounds: int = ROUNDS
    calibration: Sequence[str] = ()
    """What encoders are calibrated on: see `Bench.calibration`."""


def measure(subjects: Sequence[Part], plan: Plan, progress: Progress | None = None) -> Measured:
    """Latency, throughput, memory and start-up of each subject: encoders and cross-encoders, or whole pipelines.

    Subjects that do not fit the free memory are not started; their figures say so (source `predicted`).
    Raises RunError when a process dies, with its last words.
    """
    progress = progress or Silent()
    figures: dict[Part, Figures] = {}
    latency_spreads: list[float] = []
    throughput_spreads: list[float] = []
    runnable = []
    for subject in subjects:
        if too_large := predicted(subject):
            figures[subject] = too_large
        else:
            runnable.append(subject)
    if runnable and (busy := busyness()) > BUSY:
        progress.say(f"cost: other work keeps {100 * busy:.0f}% of the processors busy; figures will be worse for it")
    if "torch" in sys.modules:
        free_device()
    bar = progress.bar("measure cost", float(len(runnable) * (1 + plan.rounds)))
    try:
        for together in _groups(runnable, plan.trust):
            with ExitStack() as stack:
                timed = []
                for subject in together:
                    timed.append(_Timed(subject, stack.enter_context(Worker(subject, plan)), plan))
                    bar.advance(1)
                for _ in range(plan.rounds):
                    for one in timed:
                        one.round()
                        bar.advance(1)
                for one in timed:
                    figures[one.subject] = one.figures()
                    latency_spreads.append(spread([float(np.median(part)) for part in one.singles]))
                    throughput_spreads += [spread(one.bulk_seconds)] if one.bulk_seconds else []
    finally:
        bar.close()
    return Measured(figures, _median(latency_spreads), _median(throughput_spreads))


def busyness(seconds: float = 0.5) -> float:
    """Share of the processors' time that others take while this process sleeps; 0 where the system does not tell."""

    def times() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]  # idle and waiting for disks

    try:
        total, idle = times()
        time.sleep(seconds)
        total, idle = times()[0] - total, times()[1] - idle
    except (OSError, ValueError, IndexError):
        return 0.0
    return 1.0 - idle / total if total else 0.0


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def predicted(subject: Part) -> Figures | None:
    """What arithmetic alone says of a shape that does not fit this machine; None for all that may be run."""
    found = scheme(subject.model.name) if isinstance(subject, Embed) else None
    if not isinstance(subject, Embed) or found is None or found[0] != "shape":
        return None
    shape = parse_shape(found[1])
    problem = impractical(shape, subject.model.precision, available_memory())
    if problem is None:
        return None
    weights = shape.weight_bytes(subject.model.precision) / MEGA
    return Figures(
        peak_memory_mb=weights,
        memory_mb=weights,
        disk_mb=weights,
        bytes_per_vector=4.0 * shape.dimensions,
        parameters=shape.parameters,
        source="predicted",
        note=problem,
    )


def whole(subject: Part, plan: Plan) -> bool:
    """Whether the subject is timed as a pipeline."""
    return plan.pipelines or not isinstance(subject, Embed | Cross)


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median; 0 for fewer than two."""
    return (max(values) - min(values)) / float(np.median(values)) if len(values) > 1 else 0.0


class Worker:
    """A `cost.worker` process; in a `with` block, at whose end it is gone."""

    def __init__(self, subject: Part, plan: Plan) -> None:
        self.subject = subject
        self._allowance = plan.trust.remote
        environment = dict(os.environ) | {name: str(plan.threads) for name in THREAD_VARIABLES}
        environment |= {"TOKENIZERS_PARALLELISM": "true", "HF_HUB_OFFLINE": "1"}
        texts = plan.sample.given_to(subject)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process; a pipe could fill up and block
        started = time.time()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sizewise.cost.worker"],  # -P: nothing from the current folder is imported
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment,
        )
        self._start = {
            "candidate": str(subject),
            "mode": "pipeline" if whole(subject, plan) else "encoder",
            "single": texts.single[:1],
            "roles": [texts.single_role, texts.bulk_role],
            "task": plan.task,
            "store": str(plan.store) if plan.store else None,
            "calibration": list(plan.calibration),
            "trust": {"remote_code": sorted(plan.trust.remote_code), "pickled": sorted(plan.trust.pickled)},
            "spawned": started,
        }

    def __enter__(self) -> Self:
        try:
            self.about = self.ask(self._start)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises RunError when the process says or shows that it failed.

        What may be sent to endpoints, and the account of it, go there and come back: one process at a time has them.
        """
        if self._allowance is not None:
            request = {**request, "remote": self._allowance.to_json()}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(orjson.dumps(request) + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise RunError(f"measuring {self.subject}: the process ended ({self._last_words()}); {LEAVE_OUT}")
        answer: dict[str, Any] = orjson.loads(line)
        if self._allowance is not None:
            self._allowance.add(answer.pop("remote", {}))
        if "error" in answer:
            raise RunError(f"measuring {self.subject}: {answer['error']}; {LEAVE_OUT}")
        return answer

    def _last_words(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        if code == -signal.SIGKILL:
            return "it was killed, perhaps for want of memory"
        return lines[-1] if lines else "it said nothing"


class _Timed:
    """One subject through all rounds."""

    def __init__(self, subject: Part, worker: Worker, plan: Plan) -> None:
        self.subject = subject
        self.worker = worker
        self.plan = plan
        self.texts = plan.sample.given_to(subject)
        self.singles: list[list[float]] = []
        self.encoded: list[float] = []
        self.bulk_seconds: list[float] = []
        self.bulk: list[str] = []
        self.remote = subject.model if isinstance(subject, Embed) and subject.model.is_remote else None
        if self.remote is not None:
            self.bulk = [] if plan.pipelines else self.texts.bulk[: remote.BULK]
        elif not whole(subject, plan):
            pilot = self.texts.bulk[:PILOT]
            worker.ask({"do": "bulk", "texts": pilot})
            seconds = worker.ask({"do": "bulk", "texts": pilot})["seconds"]
            count = int(len(pilot) * BULK_SECONDS / max(seconds, 1e-6))
            self.bulk = self.texts.bulk[: max(LEAST, count)]
        elif isinstance(subject, Lexical):
            self.bulk = self.texts.bulk

    def round(self) -> None:
        request = {"do": "single", "texts": self._singles(), "seconds": SINGLE_SECONDS}
        answer = self.worker.ask(request)
        self.singles.append(answer["ms"])
        self.encoded += answer["encode_ms"] if self.plan.pipelines else []
        if self.bulk:
            self.bulk_seconds.append(self.worker.ask({"do": "bulk", "texts": self.bulk})["seconds"])

    def figures(self) -> Figures:
        memory = self.worker.ask({"do": "memory"})
        about = self.worker.about
        throughput = len(self.bulk) / float(np.median(self.bulk_seconds)) if self.bulk_seconds else None
        tokens = self._tokens_per_text(self.texts.bulk)
        if throughput and tokens:
            # A slow encoder sees few texts, longer or shorter than most by chance; its tokens a second are comparable.
            throughput *= (self._tokens_per_text(self.bulk) or tokens) / tokens
        device = memory["device_bytes"]
        found = Figures(
            texts_per_s=throughput,
            tokens_per_s=throughput * tokens if throughput and tokens else None,
            load_s=about["load_s"],
            peak_memory_mb=memory["peak_bytes"] / MEGA,
            device_memory_mb=None if device is None else device / MEGA,
            disk_mb=about["disk_bytes"] / MEGA if about.get("disk_bytes") else None,
            bytes_per_vector=about.get("bytes_per_vector")
            or (4.0 * about["dimensions"] if "dimensions" in about else None),
            parameters=about.get("parameters"),
            encode_p95_ms=float(np.percentile(self.encoded, 95)) if self.encoded else None,
        ).with_latencies([ms for part in self.singles for ms in part])

        return found if self.remote is None else self._paid(found, self.remote, tokens)

    def _paid(self, figures: Figures, model: Model, tokens: float | None) -> Figures:
        """With what serving by an endpoint is paid for: tokens, and no time of this machine while it waits."""
        sample, trust = self.texts, self.plan.trust
        asked = remote.tokens_per_text(model, sample.single, sample.single_role, trust)
        note = "" if remote.counted(model, trust) else "its endpoint counts no tokens: they are estimated from bytes"
        return replace(figures, machine_ms=0.0, query_tokens=asked, document_tokens=tokens, note=note)

    def _tokens_per_text(self, texts: list[str]) -> float | None:
        if self.remote is not None:
            return remote.tokens_per_text(self.remote, texts, self.texts.bulk_role, self.plan.trust)
        return self.texts.tokens_per_text(self.subject, texts, self.plan.trust)

    def _singles(self) -> list[str]:
        """This round's texts: the next ones, so that no round repeats another."""
        texts = self.texts.single
        count = SINGLES if self.remote is None else remote.SINGLES
        first = len(self.singles) * count % max(1, len(texts))
        return (texts[first:] + texts[:first])[:count]


def _groups(subjects: Sequence[Part], trust: Trust) -> Iterator[list[Part]]:
    """Subjects that may be alive together without filling the memory, nor that of a GPU where there is one."""
    free = free_device_memory()
    room = MEMORY_SHARE * np.array([available_memory(), np.inf if free is None else free])
    group: list[Part] = []
    used = np.zeros(2)
    for subject in subjects:
        device = 0.0 if free is None else expected_device_bytes(subject, trust)
        needed = np.array([_expected_bytes(subject), device])
        if group and (used + needed > room).any():
            yield group
            group, used = [], np.zeros(2)
        group.append(subject)
        used += needed
    if group:
        yield group


def _expected_bytes(subject: Part) -> float:
    """About what its process will take: a torch runtime, and its weights twice (a copy is made while loading)."""
    runtime = 0.7e9
    found = scheme(subject.model.name) if isinstance(subject, Embed) else None
    if isinstance(subject, Embed) and found and found[0] == "shape":
        return runtime + 1.5 * parse_shape(found[1]).weight_bytes(subject.model.precision)
    if isinstance(subject, Embed) and subject.model.is_remote:
        return 0.2e9  # no runtime, no weights
    return runtime + 1.0e9
