"""A budget of tokens that adapts: when a batch does not fit into memory, smaller ones are tried, and it is said."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Event
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import RunError
from sizewise.encode.batches import Rows, plan

Vectors = npt.NDArray[np.float32]
Batch = TypeVar("Batch")
Made = TypeVar("Made")
MadeThere = TypeVar("MadeThere", contravariant=True)


class Rowwise(Protocol[MadeThere]):
    """Takes what was made of a batch, at its rows: an array, or something that waits for them to arrive."""

    def __setitem__(self, rows: Rows, made: MadeThere, /) -> None: ...


_SIGNS = (
    "out of memory",  # torch on CUDA and MPS, CUDA itself
    "can't allocate memory",  # torch on the CPU
    "not enough memory",  # torch on the CPU under Windows
    "cublas_status_alloc_failed",
    "failed to allocate memory",  # ONNX Runtime
    "bad_alloc",
    "bad allocation",  # C++ libraries
)


def out_of_memory(error: BaseException) -> bool:
    """Whether a library says that memory ran out: by its own class of error, or only in words, as most of them do."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in words for sign in _SIGNS)


@dataclass
class Budget:
    """Tokens a batch; halved when memory runs out, and kept so for what comes later."""

    tokens: int
    padded: bool = True
    """Whether a batch costs its texts times its longest text, or the sum of its lengths."""
    say: Callable[[str], None] = lambda _: None
    """Is told when the budget was halved."""
    release: Callable[[], None] = field(default=lambda: None)
    """Gives cached memory back before the next try."""

    def fill(self, out: Rowwise[Made], lengths: npt.NDArray[np.int64], run: Callable[[Rows], Made]) -> None:
        """Put what `run(positions)` makes of batches, vectors [n, d], into its rows of `out`.

        Raises RunError when a single text does not fit into memory, and whatever else `run` raises.
        """

        def planned(left: Rows, tokens: int) -> list[Rows]:
            return [left[batch] for batch in plan(lengths[left], tokens, padded=self.padded)]

        self.fill_planned(planned, lambda batch: batch, out, lengths, run)

    def fill_planned(
        self,
        planned: Callable[[Rows, int], list[Batch]],
        texts_of: Callable[[Batch], Rows],
        out: Rowwise[Made],
        lengths: npt.NDArray[np.int64],
        run: Callable[[Batch], Made],
        threads: int = 1,
    ) -> None:
        """The same with batches of any kind: `planned(positions, tokens)` makes them, `texts_of` tells their positions,
        and `threads` run side by side."""
        left = np.arange(len(lengths))
        while len(left):
            full, failed = Event(), []
            batches = planned(left, self.tokens)
            for batch, found in zip(batches, in_order(partial(self._try, run, full), batches, threads), strict=True):
                if found is None:
                    failed.append(texts_of(batch))
                else:
                    out[texts_of(batch)] = found
            if failed:
                self._halve(failed[0], lengths)
            left = np.concatenate([left[:0], *failed])

    def _try(self, run: Callable[[Batch], Made], full: Event, batch: Batch) -> Made | None:
        """None when memory ran out. The error ends here: what its frames hold must be free before the next try."""
        if full.is_set():
            return None
        try:
            return run(batch)
        except Exception as error:
            if not out_of_memory(error):
                raise
            full.set()
        return None

    def _halve(self, rows: Rows, lengths: npt.NDArray[np.int64]) -> None:
        self.release()
        longest = int(lengths[rows].max())
        if len(rows) == 1:
            raise RunError(
                f"a text of {longest:,} tokens does not fit into memory by itself; cut it, or take a smaller model or "
                "a larger machine"
            )
        cost = longest * len(rows) if self.padded else int(lengths[rows].sum())
        self.tokens = max(1, min(self.tokens, cost) // 2)
        self.say(
            f"out of memory with {len(rows):,} texts of up to {longest:,} tokens; going on with batches of "
            f"{self.tokens:,} tokens"
        )


def in_order(make: Callable[[Batch], Made], batches: Sequence[Batch], threads: int) -> Iterator[Made]:
    """`make` of each in order, `threads` at a time; with one, in the caller's thread."""
    if threads == 1 or len(batches) == 1:
        yield from map(make, batches)
        return
    yield from _pool(threads).map(make, batches)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept: to start threads takes as long as a short text."""
    return ThreadPoolExecutor(threads, thread_name_prefix="block")
