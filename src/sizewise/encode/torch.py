"""Any sentence-transformers model on torch: the reference that every other runtime is checked against."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.text import encodable
from sizewise.encode import export
from sizewise.encode.budget import out_of_memory
from sizewise.encode.encoder import Encoder, Similarity, Trust
from sizewise.encode.folder import ModelFolder, locate
from sizewise.encode.numeric import instruction_set, versions
from sizewise.encode.source import TOKENIZER, load
from sizewise.encode.tokens import TokenCounter

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

BATCH = {"cpu": 32, "cuda": 256, "mps": 64}
GPU_PACE = 20.0
KEYS = 16
"""Fused attention on processors takes keys so many at a time. In bfloat16 it rounds what is left over otherwise, so
that a text alone would have another vector than beside longer ones; padded to whole steps it has the same."""


def device() -> str:
    """Where torch runs here: cuda, mps or cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def shard_pace() -> float:
    """Of encoders on torch: a GPU is through with a usual shard in milliseconds."""
    return GPU_PACE if device() == "cuda" else 1.0


def free_device() -> None:
    """Give cached device memory back: other processes (that measure cost) need it."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class OnTorch(Encoder):
    """A model folder whose weights sentence-transformers runs, in batches that halve when memory runs out."""

    precisions = ("float32", "bfloat16", "float16")
    batched = "texts"
    """What there is a batch of, in words."""
    folder: ModelFolder

    @property
    def pace(self) -> float:
        return shard_pace()

    @property
    def parameters(self) -> int | None:
        return self.folder.parameters

    @property
    def disk_bytes(self) -> int | None:
        return self.folder.weight_bytes

    @property
    def tokenizer_file(self) -> Path | None:
        path = self.folder.path / TOKENIZER
        return path if path.is_file() else None

    def load(self) -> None:
        assert self._model is not None

    def unload(self) -> None:
        self.__dict__.pop("_model", None)
        free_device()

    def _in_batches(self, run: Callable[[int], "Tensor"]) -> npt.NDArray[np.float32]:
        """What `run` makes with batches of a size that there is memory for."""
        while (found := self._try(run)) is None:
            self._batch //= 2
            free_device()
            self.say(f"{self.model.name}: out of memory; going on with batches of {self._batch} {self.batched}")
        return found

    def _try(self, run: Callable[[int], "Tensor"]) -> npt.NDArray[np.float32] | None:
        """None when memory ran out with a batch that can be smaller. What the error holds is free on return."""
        try:
            return run(self._batch).float().cpu().numpy().astype(np.float32, copy=False)
        except Exception as error:
            if self._batch == 1 or not out_of_memory(error):
                raise
        return None

    @cached_property
    def _batch(self) -> int:
        return BATCH[device()]

    @cached_property
    @abstractmethod
    def _model(self) -> Any:
        """The loaded model."""


class TorchEncoder(OnTorch):
    """A model by name or folder; pooling, projection and normalisation as the model has them."""

    exports_modules = True

    def __init__(self, model: Model, trust: Trust | None = None) -> None:
        super().__init__(model, trust)
        self.folder = locate(model.name, self.trust)
        self.similarity: Similarity = "dot" if self.folder.similarity == "dot" else "cosine"
        self.depends_on_role = self.folder.routes
        self._loading = Lock()

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {
            "weights": self.folder.sha256,
            "precision": self.model.precision,
            "runtime": "torch",
            **({"padded_to": self._padded_to} if self._padded_to else {}),
            "versions": versions("torch", "transformers", "sentence-transformers", "tokenizers"),
            "numeric": [device(), instruction_set()],
        }

    @property
    def dimensions(self) -> int:
        return self.folder.dimensions or int(self._model.get_embedding_dimension() or 0)

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        return self.folder.stored_prompts

    @cached_property
    def max_tokens(self) -> int | None:
        return self.folder.max_tokens or self._model.max_seq_length

    def count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64] | None:
        if self._counter is None:
            return None
        return self._counter.count([prompt + text for text in texts] if prompt else texts)

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        route: dict[str, Any] = {} if role == "text" else {"task": role}
        sure = [encodable(text) for text in texts]

        def run(batch: int) -> "Tensor":
            vectors: Tensor = self._model.encode(
                sure,
                prompt=encodable(prompt),
                batch_size=batch,
                show_progress_bar=False,
                convert_to_numpy=False,
                convert_to_tensor=True,
                **route,
            )
            return vectors

        return self._in_batches(run)

    def check_export(self) -> None:
        export.check(self.folder)

    def export(self, folder: Path, prompts: Mapping[Role, str]) -> Mapping[str, Any]:
        if export.needs_saving(self.folder):
            export.save(self._model, folder)
        else:
            export.copy(self.folder, folder)
        export.set_precision(folder, self.model.precision)
        if self._padded_to:
            export.set_padding(folder, self._padded_to)
        export.set_prompts(folder, prompts)
        return {"modules": len(ModelFolder(self.folder.name, folder).modules)}

    @classmethod
    def restore(cls, folder: Path, model: Model, about: Mapping[str, Any], trust: Trust | None = None) -> Self:
        restored = cls(replace(model, name=str(folder.resolve()), prompts=()), trust)
        restored.folder = replace(restored.folder, first=int(about["modules"]))
        return restored

    @cached_property
    def _counter(self) -> TokenCounter | None:
        return TokenCounter.open(self.folder.path)

    @cached_property
    def _padded_to(self) -> int | None:
        """What lengths are padded to multiples of; None: nothing, as sentence-transformers does. Not where the longest
        text would be padded too: there may be no positions for it."""
        whole = self.folder.max_tokens is not None and self.folder.max_tokens % KEYS == 0
        return KEYS if whole and self.model.precision == "bfloat16" and device() == "cpu" else None

    @cached_property
    def _model(self) -> "SentenceTransformer":
        with self._loading:  # transformers changes torch while it loads: two threads at once would break each other
            return self.__dict__.get("_model") or self._loaded()

    def _loaded(self) -> "SentenceTransformer":
        from sentence_transformers.sentence_transformer.modules import Transformer

        model = load(self.folder, self.model.name, self.trust, self.model.precision, device())
        for module in model.modules():
            if self._padded_to and isinstance(module, Transformer):
                settings: Any = export.padded(module.processing_kwargs, self._padded_to)
                module.processing_kwargs = settings
        return model
