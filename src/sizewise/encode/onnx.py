"""Networks on ONNX Runtime: float32, and int8 with scales chosen as it runs; without torch.

In int8 the scale of a layer's input is that of the whole batch, so texts run one by one: their vectors then do not
depend on any neighbour. That suits serving; in bulk other runtimes are faster.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import RunError
from sizewise.encode.exported import ExportedEncoder, Run
from sizewise.encode.layout import Block, Ids, Vectors, own_rows

GRAPH = "onnx/model.onnx"
OUTPUT = "sentence_embedding"


class OnnxEncoder(ExportedEncoder):
    """The graph has the inputs and outputs that other servers look for, pooling and normalisation within."""

    runtime = "onnx"
    precisions = ("float32", "int8")
    packages = ("onnxruntime",)
    makers = ("torch", "transformers", "onnx", "onnxruntime")

    @property
    def together(self) -> bool:  # type: ignore[override]
        return self.model.precision == "float32"

    @property
    def streams(self) -> int:
        """While one text is made ready or told, another one runs."""
        return min(2, super().streams)

    def make(self, folder: Path, texts: Sequence[str]) -> None:
        import onnx

        from sizewise.encode import onnx_graph, onnx_int8

        self.say(f"{self.model.name}: making a graph for onnxruntime, once")
        (folder / GRAPH).parent.mkdir()
        graph = onnx_graph.convert(self.source.network(), folder / GRAPH)
        if self.model.precision == "int8":
            graph = onnx_int8.quantized(graph, self._tokenizer(texts), self.weight_bits)
        onnx.save(graph, folder / GRAPH)

    def open(self, folder: Path, threads: int) -> Run:
        return _Session(folder, threads)

    def blocks(self, lengths: npt.NDArray[np.int64], tokens: int) -> list[Block]:
        return own_rows(lengths, tokens if self.model.precision == "float32" else 1, step=1)

    def graph_files(self, folder: Path) -> list[str]:
        return sorted(path.relative_to(folder).as_posix() for path in (folder / GRAPH).parent.iterdir())


class _Session:
    """An open graph, its blocks run one after the other on all threads; for any number of threads."""

    def __init__(self, folder: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        # A thread that waits for work by turning round takes the core that a server's other threads need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common class
            raise RunError(f"{folder / GRAPH} does not load ({error}); delete {folder} and run again") from error

    def __call__(self, ids: Ids, mask: Ids) -> Vectors:
        found: list[Vectors] = self._session.run([OUTPUT], {"input_ids": ids, "attention_mask": mask})
        return found[0]
