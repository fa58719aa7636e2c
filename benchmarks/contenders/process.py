"""A contender's process, as the parent sees it: asked one thing at a time, its memory read from outside."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, Self

from contenders.peers import QUIET

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 3600.0
"""Seconds after which an answer is not waited for any longer."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


class Failed(Exception):  # noqa: N818 - it is a finding, not an error of this program
    """A contender that does not run, with its reason."""


def confined(threads: int, python: Path = Path(sys.executable)) -> dict[str, Any]:
    """For Popen: the same processors (`threads` of them) and thread variables for all, and no network."""
    processors = set(sorted(os.sched_getaffinity(0))[:threads])
    environment = dict(os.environ) | QUIET | dict.fromkeys(THREAD_VARIABLES, str(threads))
    here = [str(Path(path).resolve()) for path in environment.pop("PYTHONPATH", "").split(os.pathsep) if path]
    if here and python == Path(sys.executable):
        environment["PYTHONPATH"] = os.pathsep.join(here)
    return {"env": environment, "preexec_fn": lambda: os.sched_setaffinity(0, processors)}


class Process:
    """One `worker.py`, alive until the end of the `with` block.

    What it does is timed in the worker; load_s is from before the process was made to its first vector.
    """

    def __init__(self, python: Path, start: dict[str, Any], threads: int) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        sent = time.time()
        self._process = subprocess.Popen(
            [python, "-P", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            **confined(threads, python),
        )
        self._start = start | {"threads": threads, "sent": sent}

    def __enter__(self) -> Self:
        try:
            self.about = self.ask(self._start)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()  # the worker stops what it started
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises Failed when there is none."""
        alarm = Timer(PATIENCE, self._process.kill)
        alarm.start()
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            alarm.cancel()
        if not line:
            raise Failed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def bulk(self, texts: Sequence[str], batch: int | None) -> float:
        """Seconds that all of them took."""
        return float(self.ask({"do": "bulk", "texts": list(texts), "batch": batch})["seconds"])

    @property
    def peak_bytes(self) -> int:
        """The most that was ever resident, of the contender and the processes that it started."""
        return sum(status_bytes(pid, "VmHWM") for pid in family(self.about["pid"]))

    def _last_words(self) -> str:
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        if code == -signal.SIGKILL:
            return "it was killed: out of memory, or no answer in time"
        return lines[-1] if lines else f"it ended with {code} and said nothing"


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        try:
            for thread in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
        except OSError:
            continue
    return found


def status_bytes(pid: int, field: str) -> int:
    """A size from /proc/PID/status; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)
