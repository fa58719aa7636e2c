"""Threads for work that is no batch: searching, ranking. Who comes while all are busy waits in a queue with an end."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from sizewise.serve.batcher import Full

Result = TypeVar("Result")
WEIGHT = 0.1
"""Of the last piece of work, in what is thought to be usual."""


class Turns:
    """`await turns.of(work)` runs `work` in a thread, and raises Full instead when it would wait too long."""

    def __init__(self, threads: int, waiting_s: float) -> None:
        self._threads, self._waiting_s = threads, waiting_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="turn")
        self._under_way = 0
        self._usual_s = 0.0

    @property
    def wait_s(self) -> float:
        """How long the next one would wait for a thread, about."""
        return max(0, self._under_way - self._threads + 1) * self._usual_s / self._threads

    async def of(self, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises, with the context variables of the caller; not begun when the caller is gone
        before its turn. Raises Full."""
        if (wait := self.wait_s) > self._waiting_s:
            raise Full(wait)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, self._timed, work)
        finally:
            self._under_way -= 1

    def _timed(self, work: Callable[[], Result]) -> Result:
        started = time.monotonic()
        try:
            return work()
        finally:
            self._usual_s += WEIGHT * (time.monotonic() - started - self._usual_s)

    def close(self) -> None:
        """Finish what was taken."""
        self._pool.shutdown(wait=True)
