"""Networks on OpenVINO: float32, bfloat16 and int8 on processors, several texts in a row, without torch.

int8 is NNCF's post-training quantisation with activation smoothing (SmoothQuant, Xiao et al. 2023): fixed scales, so
that a text's vector does not depend on its neighbours.
"""

from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sizewise.core.errors import RunError
from sizewise.encode.exported import ExportedEncoder, Run
from sizewise.encode.layout import WIDTHS, Block, Ids, Vectors, fitting, own_rows, shared_rows
from sizewise.encode.numeric import has_bfloat16

GRAPH = "openvino/openvino_model.xml"
WEIGHTS = "openvino/openvino_model.bin"
ABOUT = "openvino/sizewise.json"
"""Whether rows may hold several texts."""


class OpenVINOEncoder(ExportedEncoder):
    """One stream a thread in bulk; a text alone runs on one thread, or on all where the network is large."""

    runtime = "openvino"
    precisions = ("float32", "bfloat16", "int8")
    packages = ("openvino",)
    makers = ("torch", "transformers", "openvino", "nncf")

    def make(self, folder: Path, texts: Sequence[str]) -> None:
        from sizewise.encode import openvino_graph

        self.say(f"{self.model.name}: making a graph for openvino, once; int8 takes about half a minute")
        (folder / GRAPH).parent.mkdir()
        graph, shares_rows = openvino_graph.convert(self.source.network())
        if not shares_rows:
            self.say(f"{self.model.name}: its texts cannot share rows, so each has one of its own and is padded")
        if self.model.precision == "int8":
            graph = openvino_graph.quantized(graph, self._tokenizer(texts), self.weight_bits)
        openvino_graph.save(graph, folder / GRAPH)
        (folder / ABOUT).write_bytes(orjson.dumps({"rows": shares_rows}))

    def open(self, folder: Path, threads: int) -> Run:
        shares_rows = bool(orjson.loads((folder / ABOUT).read_bytes())["rows"])
        hint = _hint(self.model.precision, shares_rows=shares_rows)
        return _Compiled(folder, hint, threads, shares_rows=shares_rows, alone=self.is_large)

    def blocks(self, lengths: npt.NDArray[np.int64], tokens: int) -> list[Block]:
        assert isinstance(self._run, _Compiled)
        if not self._run.shares_rows:
            return own_rows(lengths, tokens, WIDTHS)
        return shared_rows(lengths, tokens, self.max_tokens)

    def width(self, tokens: int) -> int:
        return fitting(tokens)  # the runtime prepares for each width anew

    def graph_files(self, folder: Path) -> list[str]:
        return [GRAPH, WEIGHTS, ABOUT]


def _hint(precision: str, *, shares_rows: bool) -> str:
    """What runs in this, if not in int8. Rows that several texts share are never BROKEN wide; others may be."""
    if precision == "int8":
        return "bf16" if shares_rows and has_bfloat16() else "f32"
    return "bf16" if precision == "bfloat16" else "f32"


_TYPES = Lock()


def _library() -> Any:
    """OpenVINO, which has looked numpy's types up: it does so once, and where two threads want that first at a time,
    one waits for the other's table and that one for Python's lock, for ever."""
    import openvino

    with _TYPES:
        openvino.Type.i64.to_dtype()
    return openvino


class _Compiled:
    """A compiled graph and its requests; for any number of threads."""

    def __init__(self, folder: Path, hint: str, threads: int, *, shares_rows: bool, alone: bool) -> None:
        self.shares_rows = shares_rows
        self._folder, self._hint, self._threads, self._alone = folder, hint, threads, alone
        self._compiling = Lock()
        self._requests: dict[int, SimpleQueue[Any]] = {}
        """By the number of streams."""
        if not alone:
            self._of(threads)

    def __call__(self, ids: Ids, mask: Ids) -> Vectors:
        requests = self._of(1 if self._alone and len(ids) == 1 and mask.max() == 1 else self._threads)
        request = requests.get()
        try:
            request.infer([ids, mask], share_inputs=True)
            return np.array(request.get_output_tensor(1).data)  # a copy: the next request writes over it
        finally:
            requests.put(request)

    def _of(self, streams: int) -> "SimpleQueue[Any]":
        """Requests that run side by side, one a stream; compiled when first asked for."""
        with self._compiling:
            if streams not in self._requests:
                self._requests[streams] = self._compiled(streams)
            return self._requests[streams]

    def _compiled(self, streams: int) -> "SimpleQueue[Any]":
        openvino = _library()
        settings = {
            "INFERENCE_PRECISION_HINT": self._hint,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": streams,
            "CPU_DENORMALS_OPTIMIZATION": True,  # masked attention makes many, and they are slow
        }
        try:
            compiled = openvino.Core().compile_model(self._folder / GRAPH, "CPU", settings)
        except RuntimeError as error:
            raise RunError(
                f"{self._folder / GRAPH} does not load ({error}); delete {self._folder} and run again"
            ) from error
        found: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            found.put(compiled.create_infer_request())
        return found
