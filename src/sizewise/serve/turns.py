"""Threads for work that is no batch: searching, ranking. Who comes while all are busy waits in a queue with an end."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from sizewise.serve.batcher import Full

Result = TypeVar("Result")
WEIGHT = 0.1
"""Of the last piece of work, in what is thought to be usual."""


class Turns:
    """`await turns.of(work)` runs `work` in a thread, and raises Full instead when it would wait too long."""

    def __init__(self, threads: int, waiting_s: float, most: int) -> None:
        """At most `most` are under way, those that wait among them."""
        self._threads, self._waiting_s, self._most = threads, waiting_s, most
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="turn")
        self._lock = threading.Lock()
        self._under_way = 0
        self._usual_s = 0.0

    @property
    def wait_s(self) -> float:
        """How long the next one would wait for a thread, about."""
        return max(0, self._under_way - self._threads + 1) * self._usual_s / self._threads

    async def of(self, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises, with the context variables of the caller; not begun when the caller is gone
        before its turn. Raises Full."""
        if (wait := self.wait_s) > self._waiting_s or self._under_way >= self._most:
            raise Full(max(wait, 0.1))
        with self._lock:
            self._under_way += 1
        future = self._pool.submit(copy_context().run, self._timed, work)
        future.add_done_callback(self._ended)  # also of one whose caller is gone: its thread is busy until then
        return await asyncio.wrap_future(future)

    def _timed(self, work: Callable[[], Result]) -> Result:
        started = time.monotonic()
        try:
            return work()
        finally:
            with self._lock:
                self._usual_s += WEIGHT * (time.monotonic() - started - self._usual_s)

    def _ended(self, _: "Future[Any]") -> None:
        with self._lock:
            self._under_way -= 1

    def close(self) -> None:
        """Finish what was taken."""
        self._pool.shutdown(wait=True)
