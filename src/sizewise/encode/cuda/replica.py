"""One GPU's copy of a network: windows of tokens are handed over, vectors arrive while the next one runs."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sizewise.encode.batches import Rows
from sizewise.encode.budget import Budget
from sizewise.encode.cuda import fp8
from sizewise.encode.cuda.flat import flatten
from sizewise.encode.cuda.fuse import fuse
from sizewise.encode.cuda.graphs import LENGTHS, Graphs
from sizewise.encode.network import TextsGraph
from sizewise.encode.source import Source
from sizewise.encode.tokens import Tokens
from sizewise.encode.torch import free_device

BATCH_NUMBERS = 2**26
"""Numbers of a batch between layers (tokens times width): enough to keep a GPU busy while the next batch is handed
over, and 128 MB in 16 bits."""

Vectors = npt.NDArray[np.float32]


class Replica:
    """The network of `source` on `device`, packed where it can be; `say` is told where not, and of small memory."""

    def __init__(self, source: Source, precision: str, device: str, say: Callable[[str], None]) -> None:
        self.device = torch.device(device)
        self._dimensions = source.dimensions
        network = source.network("sdpa", "bfloat16" if precision == "float8" else precision, device)
        for module in network.head:
            module.float()  # of a few numbers a text: rounding there would cost more than it saves
        with self._current(), torch.inference_mode():
            self._flat, why = flatten(network)
            if precision == "float8" and not fp8.convert(network.body):
                say("no layer has sizes that fp8 takes (multiples of 16); it runs in bf16")
            if self.device.type == "cuda":
                fuse(network.body)
        if self._flat is None:
            say(f"it runs padded, because {why}")
            self._padded, self._padding = TextsGraph(network), getattr(network.body.config, "pad_token_id", None) or 0
        budget = BATCH_NUMBERS // network.body.config.hidden_size
        self._budget = Budget(budget, padded=self._flat is None, say=say, release=free_device)
        self._graphs: Graphs | None = None
        if self._flat is not None and self.device.type == "cuda":
            self._graphs = Graphs(self._flat, self.device)

    def single(self, tokens: Tokens) -> Vectors | None:
        """The vector of one text, or None for one that is better run like many."""
        if self._graphs is None or not 0 < len(tokens.ids) <= LENGTHS[-1]:
            return None
        return self._graphs(tokens.ids)

    def start(self, out: Vectors, tokens: Tokens) -> Callable[[], None]:
        """Hand over the work; what is returned waits for it and puts the vectors into `out` [n, d], float32."""
        arriving = _Arriving()
        with self._current():
            self._budget.fill(arriving, tokens.lengths, lambda rows: self._run(tokens.take(rows)))
        return lambda: arriving.finish(out)

    @torch.inference_mode()
    def _run(self, tokens: Tokens) -> Tensor:
        """float32 [n, d] on the device, which may still be at work on it."""
        if self._flat is None:
            ids, mask = tokens.padded(self._padding)
            vectors: Tensor = self._padded(self._sent(ids), self._sent(mask))[1]
            return vectors
        n, total = len(tokens), int(tokens.starts[-1])
        sent = self._sent(np.concatenate([tokens.starts, tokens.ids], dtype=np.int32))
        if not total:
            return torch.zeros((n, self._dimensions), device=self.device)
        return self._flat(sent[n + 1 :], sent[: n + 1], int(tokens.lengths.max()))

    def _current(self) -> AbstractContextManager[None]:
        """Kernels of triton run on this thread's current GPU, wherever their tensors are."""
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()

    def _sent(self, array: npt.NDArray[np.integer]) -> Tensor:
        """On the device, without waiting until it is there."""
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor


class _Arriving:
    """Rows of vectors on their way to the host: what a Budget fills."""

    def __init__(self) -> None:
        self._parts: list[tuple[Rows, Tensor]] = []
        self._last: torch.cuda.Event | None = None

    def __setitem__(self, rows: Rows, vectors: Tensor) -> None:
        self._parts.append((rows, vectors.to("cpu", non_blocking=True)))
        if vectors.is_cuda:
            self._last = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._last.record(torch.cuda.current_stream(vectors.device))

    def finish(self, out: Vectors) -> None:
        if self._last is not None:
            self._last.synchronize()
        for rows, vectors in self._parts:
            out[rows] = vectors.numpy()
