"""Names to classes, built in or from third parties through Python entry points, imported only when asked for."""

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sizewise.core.errors import InputError, RunError
from sizewise.core.extras import require


class Registry:
    """The classes of one kind by name. `builtin` maps a name to `module:attribute`, `needs` to the package that it runs
    on, where that comes with an extra.

    A third party adds to it with an entry point in the group `sizewise.<kind>s`; it cannot replace a built-in name.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str], needs: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.group = f"sizewise.{kind}s"
        self._builtin = builtin
        self._needs = needs or {}

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group) if point.name not in self._builtin}

    def names(self) -> list[str]:
        """All known names, the built-in ones first."""
        return [*self._builtin, *sorted(self._plugins)]

    def __contains__(self, name: str) -> bool:
        return name in self._builtin or name in self._plugins

    def get(self, name: str) -> Any:
        """The class called `name`.

        Raises InputError naming the known ones when there is none, MissingExtra when what it runs on is not installed,
        RunError when a third party's cannot be imported.
        """
        if name in self._builtin:
            if name in self._needs:
                require(self._needs[name], f"{self.kind} {name!r}")
            module, attribute = self._builtin[name].split(":")
            return getattr(importlib.import_module(module), attribute)
        if name in self._plugins:
            point = self._plugins[name]
            try:
                return point.load()
            except (ImportError, AttributeError) as error:
                raise RunError(
                    f"{self.kind} {name!r} ({point.value}) cannot be loaded: {error}; install the package that brings "
                    "it again, or remove it"
                ) from error
        close = get_close_matches(name, self.names(), n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(self.names())}"
        raise InputError(f"unknown {self.kind} {name!r}{hint}")


ENCODERS = Registry(
    "encoder",
    {
        "shape": "sizewise.encode.shape:ShapeEncoder",
        "static": "sizewise.encode.static:StaticEncoder",
        "remote": "sizewise.encode.remote.encoder:RemoteEncoder",
        "cross": "sizewise.encode.cross:CrossScores",
    },
    needs={"shape": "torch", "remote": "httpx2", "cross": "torch"},
)
"""By the scheme before the colon, as in `shape:bert-large`."""
RUNTIMES = Registry(
    "runtime",
    {
        "torch": "sizewise.encode.torch:TorchEncoder",
        "openvino": "sizewise.encode.openvino:OpenVINOEncoder",
        "onnx": "sizewise.encode.onnx:OnnxEncoder",
        "packed": "sizewise.encode.packed:PackedEncoder",
    },
    needs={"torch": "sentence_transformers", "openvino": "openvino", "onnx": "onnxruntime", "packed": "torch"},
)
"""By the word behind the slash, as in `MODEL@fp32/torch`: what runs models, where their scheme has no class
of its own."""
TRANSFORMS = Registry(
    "transform",
    {
        "truncate": "sizewise.transform.project:Truncate",
        "pca": "sizewise.transform.project:PCA",
        "whiten": "sizewise.transform.project:Whiten",
        "int8": "sizewise.transform.quantize:Int8",
        "binary": "sizewise.transform.quantize:Binary",
        "binary-asym": "sizewise.transform.quantize:BinaryAsymmetric",
    },
)
TASKS = Registry(
    "task",
    {
        "retrieval": "sizewise.data.retrieval:Retrieval",
        "fidelity": "sizewise.data.retrieval:Fidelity",
        "similarity": "sizewise.data.similarity:Similarity",
        "classification": "sizewise.data.classification:Classification",
        "clustering": "sizewise.data.clustering:Clustering",
        "wordsense": "sizewise.data.wordsense:WordSense",
    },
)
