"""Texts of many requests, run together: within a budget of tokens, each request in its turn, in a bounded queue.

As many threads run them as an encoder has streams, each on its share of the cores, and what arrives meanwhile is the
next batch. Nothing waits for company: a text alone runs at once. Long lists are read (tokenised) in threads of their
own first, short ones by a thread that runs them, since handing them over takes longer than reading them.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.encode.encoder import CHARACTERS_A_TOKEN, Encoder
from sizewise.encode.reading import Reading, together
from sizewise.serve.job import Job, Made, Piece, done
from sizewise.serve.pace import Pace

READERS = 2
SHORT = 512
"""Tokens of a request, by its characters, that are read where they are run."""
QUANTUM = 256
"""Tokens that a request has of a batch at least, before the next one has its turn."""


class Full(Exception):  # noqa: N818 - the queue is
    """There is as much to do as may wait; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the server has all the work that it may keep waiting; try again in {retry_after:.1f} s")
        self.retry_after = retry_after


class Late(Full):
    """It would not be done, or was not done, by its deadline."""


class TooMuch(Exception):  # noqa: N818 - what was asked for is
    """A request that takes longer than any request may."""


class Batcher:
    """`submit(encoder, texts, role, prompt, deadline)` from any thread gives a future of `Made`."""

    def __init__(
        self,
        *,
        waiting_s: float,
        longest_s: float,
        most_jobs: int = 512,
        heard: Callable[[int, int, float], None] = lambda texts, tokens, seconds: None,
    ) -> None:
        """At most `waiting_s` seconds of work wait, in at most `most_jobs` requests, none longer than `longest_s`.
        `heard` is told of every batch: its texts, its tokens and the seconds it took."""
        self.waiting_s, self.longest_s, self.most_jobs, self._heard = waiting_s, longest_s, most_jobs, heard
        self._paces: dict[int, Pace] = {}
        self._unread: list[Job] = []
        """Short ones, for the thread that runs them."""
        self._jobs: list[Job] = []
        """Read, and not all of it taken."""
        self._tokens: Counter[int] = Counter()
        """Not run yet, by encoder."""
        self._turns: Counter[int] = Counter()
        """Of these what is in the first quantum of each request, counted as it changes: every request asks for it."""
        self._open: set[Job] = set()
        """On their way."""
        self._running: Counter[int] = Counter()
        """Batches that are being run, by encoder."""
        self._closing = False
        self._changed = threading.Condition()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._threads: list[threading.Thread] = []

    def pace(self, encoder: Encoder, pace: Pace) -> None:
        """Run `encoder` so from now on."""
        self._paces[id(encoder)] = pace
        while len(self._threads) < pace.streams:
            self._threads.append(threading.Thread(target=self._work, name="run", daemon=True))
            self._threads[-1].start()

    def paces(self) -> Mapping[int, Pace]:
        """By the id of the encoder."""
        return self._paces

    @property
    def alive(self) -> bool:
        """Whether there is somebody who works."""
        return not self._closing and all(one.is_alive() for one in self._threads)

    @property
    def waiting(self) -> tuple[int, int]:
        """Requests and tokens on their way."""
        return len(self._open), sum(self._tokens.values())

    @property
    def backlog_s(self) -> float:
        """Seconds that what is on its way will take."""
        return self._seconds(self._tokens)

    def wait_s(self, tokens: int) -> float:
        """Seconds that a request of so many tokens waits for those on their way: all have their turns, and so each has
        no more than it has, or a quantum."""
        if (backlog := self.backlog_s) < self.waiting_s:
            return backlog  # at most
        if tokens <= QUANTUM:
            return self._seconds(self._turns)
        turns: Counter[int] = Counter()
        for job in list(self._open):
            turns[id(job.encoder)] += min(job.tokens, tokens)
        return self._seconds(turns)

    def full(self, tokens: int = 0) -> Full | None:
        """What a request of about so many tokens would be told now; None where there is room."""
        wait = self.wait_s(tokens)
        if wait >= self.waiting_s or len(self._open) >= self.most_jobs:
            return Full(max(wait - self.waiting_s / 2, 0.1))
        return None

    def submit(
        self,
        encoder: Encoder,
        texts: Sequence[str],
        role: Role,
        prompt: str,
        deadline: float | None = None,
        *,
        allowed_s: float | None = None,
        begun: bool = False,
    ) -> "Future[Made]":
        """`deadline` is on the clock of `time.monotonic`. The future can be cancelled; it raises Late when the deadline
        passes, and what the encoder raises.

        `allowed_s` seconds are what the request had in all, where some of them are gone. One that has `begun`, of whose
        texts others were run already, was let in.

        Raises Full when too much waits, Late when it would not be done in time, TooMuch when it never would.
        """
        if not texts:
            return done(np.empty((0, encoder.dimensions), np.float32))
        now = time.monotonic()
        latest = now + self.longest_s
        job = Job(encoder, texts, role, prompt, min(latest, deadline or latest))
        guess = _guess(encoder, texts, prompt)
        with self._changed:
            if self._closing:
                raise Full(1.0)
            if not begun and (full := self.full(guess)) is not None:
                raise full
            wait, own = self.wait_s(guess), guess / self._paces[id(encoder)].tokens_per_s
            allowed = max(allowed_s or 0.0, job.deadline - now)
            if own > allowed:
                raise TooMuch(
                    f"this request would take about {own:.2g} s, and it may take {allowed:.2g} s; send fewer texts at "
                    "a time"
                )
            if now + wait + own > job.deadline:
                raise Late(max(wait, 0.1))
            self._open.add(job)
            self._count(job, guess)
            job.future.add_done_callback(lambda _: self._ended(job))
            if sum(map(len, texts)) <= SHORT * CHARACTERS_A_TOKEN:
                self._unread.append(job)
                self._changed.notify()
            else:
                self._readers.submit(self._read_beside, job)
        return job.future

    def close(self) -> None:
        """Take nothing more, finish what was taken, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._readers.shutdown(wait=True)
        with self._changed:
            self._changed.notify_all()
        for one in self._threads:
            one.join()

    def _seconds(self, tokens: Mapping[int, int]) -> float:
        """That so many take, by encoder."""
        return sum(count / self._paces[key].tokens_per_s for key, count in list(tokens.items()))

    def _count(self, job: Job, more: int) -> None:
        key, before = id(job.encoder), min(job.tokens, QUANTUM)
        job.tokens += more
        self._tokens[key] += more
        self._turns[key] += min(job.tokens, QUANTUM) - before

    def _ended(self, job: Job) -> None:
        """Done, failed or cancelled: what is left of it is no work any more."""
        with self._changed:
            self._open.discard(job)
            self._count(job, -job.tokens)
            if self._closing:
                self._changed.notify_all()

    def _read_beside(self, job: Job) -> None:
        self._read([job])
        with self._changed:
            self._changed.notify()

    def _read(self, jobs: list[Job]) -> None:
        """Tokenise, and put into the queue."""
        for job in jobs:
            try:
                if not job.future.done():
                    job.prepare()
            except Exception as error:
                job.fail(error)
        with self._changed:
            for job in jobs:
                if not job.future.done():
                    self._count(job, job.ends[-1] - job.tokens)
                    self._jobs.append(job)

    def _work(self) -> None:
        while self._wait():
            with self._changed:
                unread, self._unread = self._unread, []
            if unread:
                self._read(unread)
            if batch := self._next():
                try:
                    self._run(batch)
                except Exception as error:  # nobody foresaw it: who waits is told, and the thread goes on
                    for piece in batch:
                        piece.job.fail(error)
                finally:
                    with self._changed:
                        self._running[id(batch[0].job.encoder)] -= 1

    def _wait(self) -> bool:
        """Until there is something to do; False when all is done and no more will come.

        One thread is woken for what comes, and wakes the next one if it leaves something: to wake all each time takes
        as much as short texts do.
        """
        with self._changed:
            while not self._is_work():
                if self._closing and not self._open:
                    return False
                self._changed.wait()
        return True

    def _is_work(self) -> bool:
        """For a thread that does nothing yet."""
        return bool(self._unread) or any(map(self._has_stream, self._jobs))

    def _has_stream(self, job: Job) -> bool:
        """Whether there is one free for it."""
        key = id(job.encoder)
        return self._running[key] < self._paces[key].streams

    def _next(self) -> list[Piece]:
        """What to run now, perhaps nothing."""
        now = time.monotonic()
        with self._changed:
            self._jobs = [job for job in self._jobs if job.left and not job.future.done()]
            late = [job for job in self._jobs if job.deadline < now]
            batch = [] if late else self._gathered()
            if batch:
                self._running[id(batch[0].job.encoder)] += 1
            if self._is_work():
                self._changed.notify()
        for job in late:
            job.fail(Late(max(self.backlog_s, 0.1)))
        return batch

    def _gathered(self) -> list[Piece]:
        """Texts of the first job that has a stream and of those that go its way: what is there for each stream, as far
        as the budget goes. The first has its turn however long its next text is, each other a share, and what is left
        over goes to the first ones; who has texts left goes to the end of the queue."""
        first = next(filter(self._has_stream, self._jobs), None)
        if first is None:
            return []
        mates = [job for job in self._jobs if job.way == first.way]
        pace = self._paces[id(first.encoder)]
        room = -(-min(pace.tokens, sum(job.tokens for job in mates)) // pace.streams)
        share = max(QUANTUM, room // len(mates))
        batch = [first.take(min(share, room), at_least=1)]
        room -= batch[0].tokens
        for most in (share, room):
            for job in mates:
                if room <= 0:
                    break
                if len((piece := job.take(min(most, room))).rows):
                    batch.append(piece)
                    room -= piece.tokens
        for piece in batch:
            self._count(piece.job, -piece.tokens)
        begun = {id(piece.job) for piece in batch}
        self._jobs.sort(key=lambda job: id(job) in begun)
        return batch

    def _run(self, batch: list[Piece]) -> None:
        """Where company does not pay, each has its vectors as soon as they are made."""
        started, encoder = time.monotonic(), batch[0].job.encoder
        with self._changed:
            beside = self._running[id(encoder)]
        parts = [batch] if encoder.together else [[piece] for piece in batch]
        made = [self._made(encoder, part) for part in parts]
        if not all(made):
            return
        seconds, tokens = time.monotonic() - started, sum(piece.tokens for piece in batch)
        with self._changed:
            self._paces[id(encoder)] = self._paces[id(encoder)].after(beside * tokens, seconds)
        self._heard(sum(len(piece.rows) for piece in batch), tokens, seconds)

    def _made(self, encoder: Encoder, part: list[Piece]) -> bool:
        """Whether the vectors were made; if not, those who wait were told."""
        started = time.monotonic()
        for piece in part:
            piece.job.begun = piece.job.begun or started
        ends = np.cumsum([len(piece.rows) for piece in part])
        try:
            made = _vectors(encoder, together([piece.reading for piece in part]))
        except Exception as error:
            if len(part) == 1:
                part[0].job.fail(error)
            else:  # whoever is to blame shall not fail the others
                for piece in part:
                    self._made(encoder, [piece])
            return False
        for piece, vectors in zip(part, np.split(made, ends[:-1]), strict=True):
            piece.job.put(piece.rows, vectors)
        return True


def _vectors(encoder: Encoder, reading: Reading) -> npt.NDArray[np.float32]:
    """Raises ValueError when they are not as many or as long as they are said to be."""
    made, wanted = encoder.run(reading), (len(reading), encoder.dimensions)
    if made.shape != wanted:
        raise ValueError(f"{encoder.model.name} made vectors {made.shape} where {wanted} were to be made")
    return made


def _guess(encoder: Encoder, texts: Sequence[str], prompt: str) -> int:
    """Tokens, before anybody has counted."""
    most = encoder.max_tokens or np.iinfo(np.int64).max
    return sum(min(2 + (len(prompt) + len(text)) // CHARACTERS_A_TOKEN, most) for text in texts)
