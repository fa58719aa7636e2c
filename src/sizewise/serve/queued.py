"""An encoder whose texts go through the batcher: what a pipeline runs is run with what others ask for."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.encode.encoder import Encoder
from sizewise.serve.batcher import Batcher
from sizewise.serve.job import Made

_REQUEST: ContextVar["Request | None"] = ContextVar("request", default=None)


class Request:
    """What a pipeline encodes for one request: by when, and what it came to."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self.allowed_s = None if deadline is None else deadline - time.monotonic()
        self.made: list[Made] = []
        self._pending: Future[Made] | None = None
        self._gone = False

    @contextmanager
    def current(self) -> Iterator["Request"]:
        """Within the block, what is encoded in this context is for this request."""
        token = _REQUEST.set(self)
        try:
            yield self
        finally:
            _REQUEST.reset(token)

    def wait(self, pending: "Future[Made]") -> Made:
        """What comes of it. Raises CancelledError when nobody waits for the request any more."""
        self._pending = pending
        if self._gone:
            pending.cancel()
        self.made.append(pending.result())
        return self.made[-1]

    def give_up(self) -> None:
        """Nobody waits for it any more: what it has in the queue leaves it."""
        self._gone = True
        if self._pending is not None:
            self._pending.cancel()

    @property
    def tokens(self) -> int:
        return sum(int(made.lengths.sum()) for made in self.made)

    @property
    def cut(self) -> int:
        """Texts whose end was cut off."""
        return sum(int(made.cut.sum()) for made in self.made)


class QueuedEncoder(Encoder):
    """`encode` waits until the batcher has run the texts; for any number of threads."""

    def __init__(self, encoder: Encoder, batcher: Batcher) -> None:
        self.inner, self._batcher = encoder, batcher
        self.model, self.trust, self.argument = encoder.model, encoder.trust, encoder.argument
        self.similarity, self.has_quality = encoder.similarity, encoder.has_quality
        self.depends_on_role = encoder.depends_on_role

    @property
    def identity(self) -> Mapping[str, Any]:
        return self.inner.identity

    @property
    def dimensions(self) -> int:
        return self.inner.dimensions

    @property
    def max_tokens(self) -> int | None:
        return self.inner.max_tokens

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        """Raises what `Batcher.submit` and its futures do."""
        request = _REQUEST.get()
        if request is None:
            return self._batcher.submit(self.inner, texts, role, prompt).result().vectors
        by, in_all, begun = request.deadline, request.allowed_s, bool(request.made)
        pending = self._batcher.submit(self.inner, texts, role, prompt, by, allowed_s=in_all, begun=begun)
        return request.wait(pending).vectors

    def load(self) -> None:
        self.inner.load()

    def unload(self) -> None:
        self.inner.unload()
