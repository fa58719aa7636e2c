"""One text at a time on CUDA: the whole run of a network, captured once for some lengths, replayed as one launch."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LENGTHS = (16, 32, 64, 128, 256, 512)
"""Tokens that runs are captured for, when a text first needs one; longer texts are not replayed."""
WARM = 3
"""Runs before a capture, so that libraries have made their choices."""

Run = Callable[[Tensor, Tensor, int], Tensor]


class Graphs:
    """`run(ids, starts, longest)` of one text and, behind it, of one that fills up its length. For any threads."""

    def __init__(self, run: Run, device: torch.device) -> None:
        self._run, self._device = run, device
        self._captured: dict[int, tuple[Any, Tensor, Tensor, Tensor]] = {}
        self._pool: Any = None
        self._lock = Lock()

    def __call__(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The vector, float32 [d], of a text of 1 to LENGTHS[-1] tokens."""
        size = next(length for length in LENGTHS if length >= len(ids))
        with self._lock, torch.cuda.device(self._device), torch.inference_mode():
            if size not in self._captured:
                self._captured[size] = self._capture(size)
            graph, given, made, _ = self._captured[size]
            words = given.numpy()
            words[1] = len(ids)
            words[3 : 3 + len(ids)] = ids
            graph.replay()
            torch.cuda.current_stream().synchronize()
            return made.numpy().copy()

    def _capture(self, size: int) -> tuple[Any, Tensor, Tensor, Tensor]:
        """The graph; what it reads (0, end of the text, size, ids) and writes, on the host; its copy of the first."""
        given = torch.zeros(3 + size, dtype=torch.int32).pin_memory()
        given[1:3] = size
        there = given.to(self._device)
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            for _ in range(WARM):
                vector = self._run(there[3:], there[:3], size)[0]
        stream.synchronize()
        made = torch.empty(vector.shape, dtype=torch.float32, pin_memory=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
            there.copy_(given, non_blocking=True)
            made.copy_(self._run(there[3:], there[:3], size)[0], non_blocking=True)
        self._pool = graph.pool()
        return graph, given, made, there
