"""Where the server stands: loading, ready, failed or ending. It answers that it lives before it is ready."""

import asyncio
import atexit
import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sizewise.core.errors import INTERRUPTED
from sizewise.serve.batcher import Full
from sizewise.serve.logs import log
from sizewise.serve.refused import unready
from sizewise.serve.service import Service
from sizewise.serve.settings import Settings


@dataclass
class State:
    """Of one process."""

    settings: Settings
    failed: Callable[[], None]
    """Is called when it cannot be made ready: nothing is left to wait for."""
    service: Service | None = None
    error: BaseException | None = None
    ending: bool = False

    async def load(self) -> None:
        """Bring the service up. When cancelled, what is half loaded is left to the end of the process."""
        try:
            self.service = await asyncio.wrap_future(_beside(lambda: Service.open(self.settings, _say)))
        except asyncio.CancelledError:
            # Native code that still loads does not survive the end of Python: it hangs, or aborts the process. (SIGTERM
            # ends it before.)
            atexit.register(os._exit, INTERRUPTED)
            raise
        except BaseException as error:
            self.error = error
            self.failed()
            return
        # What is loaded stays: a full collection would look through it all, for longer than many requests take.
        gc.collect()
        gc.freeze()
        log("ready", models=list(self.service.served))

    async def close(self) -> None:
        """Finish what was taken."""
        self.ending = True
        if self.service is not None:
            await asyncio.to_thread(self.service.close)

    def loaded(self) -> Service:
        """Raises Refused while nothing is."""
        if self.service is None:
            raise unready(self.unready())
        return self.service

    def unready(self) -> str:
        """Why it cannot work now; empty where it can."""
        if self.error is not None:
            return "the server failed to start"
        if self.ending:
            return "the server is ending"
        if self.service is None:
            return "the server is loading its bundles"
        return "" if self.service.batcher.alive else "the server has lost its worker"

    def full(self, tokens: int) -> Full | None:
        """What a request of about so many tokens is told."""
        return None if self.service is None else self.service.batcher.full(tokens)


def _beside(work: Callable[[], Service]) -> "Future[Service]":
    """What comes of `work`, in a thread that no end of the process waits for."""
    future: Future[Service] = Future()
    future.set_running_or_notify_cancel()  # whoever waits may go, and it goes on

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return future


def _say(message: str) -> None:
    log("starting", message=message)
