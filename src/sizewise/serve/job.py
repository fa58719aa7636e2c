"""One request's texts on their way through the batcher, and what becomes of them."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.encode.encoder import Encoder
from sizewise.encode.reading import Reading


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a request's texts."""

    vectors: npt.NDArray[np.float32]
    """float32 [n, d]."""
    lengths: npt.NDArray[np.int64]
    """Tokens of each text, [n]."""
    cut: npt.NDArray[np.bool_]
    """Whether the end of a text was beyond the model's limit, [n]."""
    read_s: float
    """Until it was tokenised."""
    queue_s: float
    """From then until it was run."""
    run_s: float


@dataclass(eq=False)
class Job:
    """One request's texts on their way."""

    encoder: Encoder
    texts: Sequence[str]
    role: Role
    prompt: str
    deadline: float
    """On the clock of `time.monotonic`."""
    tokens: int = 0
    """Of what is not run yet; guessed until it is read."""
    future: "Future[Made]" = field(default_factory=Future)
    asked: float = field(default_factory=time.monotonic)
    read: float = 0.0
    begun: float = 0.0
    reading: Reading | None = None
    order: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Positions of its texts, the longest first: what is run together is of about one length."""
    ends: list[int] = field(default_factory=list)
    """Tokens of the texts in `order` up to each."""
    taken: int = 0
    """Of `order`."""
    done: int = 0
    vectors: npt.NDArray[np.float32] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def prepare(self) -> None:
        """Tokenise its texts."""
        self.reading = self.encoder.read(self.texts, self.role, self.prompt)
        self.read = time.monotonic()
        self.order = np.argsort(-self.reading.lengths, kind="stable")
        self.ends = np.cumsum(np.maximum(self.reading.lengths[self.order], 1)).tolist()
        self.vectors = np.empty((len(self.order), self.encoder.dimensions), np.float32)

    @property
    def way(self) -> tuple[int, Any]:
        """Jobs that go the same way can be run together."""
        assert self.reading is not None
        return id(self.encoder), self.reading.way

    @property
    def left(self) -> bool:
        return self.taken < len(self.order)

    def take(self, most: int, *, at_least: int = 0) -> "Piece":
        """The next texts that are at most `most` tokens together; `at_least` so many texts, whatever their tokens."""
        before = self._upto(self.taken)
        upto = max(self.taken + at_least, bisect_right(self.ends, before + most, lo=self.taken))
        piece = Piece(self, self.order[self.taken : upto], self._upto(upto) - before)
        self.taken = upto
        return piece

    def _upto(self, count: int) -> int:
        return self.ends[count - 1] if count else 0

    def put(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """The vectors of the texts at `rows` are made."""
        assert self.vectors is not None
        assert self.reading is not None
        self.vectors[rows] = vectors
        with self._lock:  # two streams may have texts of it
            self.done += len(rows)
            complete = self.done == len(self.order)
        if complete:
            now = time.monotonic()
            times = (self.read - self.asked, self.begun - self.read, now - self.begun)
            made = Made(self.vectors, self.reading.lengths, self.reading.cut, *times)
            self._end(lambda: self.future.set_result(made))

    def fail(self, error: BaseException) -> None:
        """Whoever waits for it is told."""
        self._end(lambda: self.future.set_exception(error))

    def _end(self, tell: Callable[[], None]) -> None:
        """It ends once, though two streams find out at a time that it is late, or fail at it."""
        with self._lock:
            first, self._ended = not self._ended, True
        if first and self.future.set_running_or_notify_cancel():
            tell()


@dataclass(frozen=True, slots=True)
class Piece:
    """Texts of a job that are in one batch."""

    job: Job
    rows: npt.NDArray[np.int64]
    tokens: int

    @property
    def reading(self) -> Reading:
        assert self.job.reading is not None
        return self.job.reading.take(self.rows)


def done(vectors: npt.NDArray[np.float32]) -> "Future[Made]":
    """Of no texts."""
    future: Future[Made] = Future()
    future.set_result(Made(vectors, np.empty(0, np.int64), np.empty(0, bool), 0.0, 0.0, 0.0))
    return future
