"""Any transformer on CUDA without padding: texts end to end, 16 or 8 bits a number, all GPUs of the machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.encode import export
from sizewise.encode.batches import windows
from sizewise.encode.encoder import Encoder, Similarity, Trust
from sizewise.encode.folder import ModelFolder
from sizewise.encode.front import ahead
from sizewise.encode.numeric import versions
from sizewise.encode.reading import Reading
from sizewise.encode.source import FolderSource, load
from sizewise.encode.sources import source
from sizewise.encode.tokens import TextTokenizer, Tokens
from sizewise.encode.torch import free_device, shard_pace

if TYPE_CHECKING:
    from sizewise.encode.cuda.replica import Replica

FIRST_TEXTS = 256
"""Texts that are tokenised first, so that a GPU does not wait long; each window is twice the one before it, up to"""
WINDOW_TEXTS = 2048
TOKENISERS = 2
"""Threads that tokenise windows: one waits for the tokenizer's own threads while the other copies ids out of it."""
EARLY = 4
"""Windows that may be ready before their turn, so that tokenising never waits for a batch to be handed over."""
FP8_CAPABILITY = (8, 9)

Vectors = npt.NDArray[np.float32]


def devices(precision: str) -> list[str]:
    """Where it runs: every GPU that this process sees. Raises InputError where there is none that can."""
    import torch

    if not torch.cuda.is_available():
        raise InputError("packed runs on NVIDIA GPUs (CUDA), and torch sees none here; use openvino, onnx or torch")
    found = range(torch.cuda.device_count())
    for at in found if precision == "float8" else ():
        if (capability := torch.cuda.get_device_capability(at)) < FP8_CAPABILITY:
            raise InputError(
                f"fp8 needs compute capability 8.9 or more, and {torch.cuda.get_device_name(at)} has "
                f"{capability[0]}.{capability[1]}; use bf16"
            )
    return [f"cuda:{at}" for at in found]


def device_name(device: str) -> str:
    """What the makers call it."""
    import torch

    return torch.cuda.get_device_name(device)


class PackedEncoder(Encoder):
    """A model by name or folder, or a shape: any network of transformers whose attention can be exchanged.

    Others run padded, and `say` is told so. One copy of the network a GPU; windows of texts go to whichever is free.
    """

    precisions = ("bfloat16", "float16", "float8")
    exports_modules = True

    def __init__(self, model: Model, trust: Trust | None = None) -> None:
        super().__init__(model, trust)
        self.source = source(model, self.trust)
        if self.source.reads_pairs:
            raise InputError(f"{model.name}: a cross-encoder runs on torch, openvino and onnx; name one of them")
        self.similarity: Similarity = self.source.similarity
        self.has_quality = self.source.has_quality
        self._devices = devices(model.precision)
        self._loading = Lock()
        self._loaded: list[Replica] = []
        self._free: SimpleQueue[Replica] = SimpleQueue()

    @property
    def pace(self) -> float:
        return shard_pace()

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {
            **self.source.identity,
            "precision": self.model.precision,
            "runtime": "packed",
            "versions": versions("torch", "transformers", "sentence-transformers", "tokenizers"),
            "numeric": sorted({device_name(device) for device in self._devices}),
        }

    @property
    def dimensions(self) -> int:
        return self.source.dimensions

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        return self.source.stored_prompts

    @property
    def max_tokens(self) -> int:
        return self.source.max_tokens

    @property
    def parameters(self) -> int | None:
        return self.source.parameters

    @property
    def disk_bytes(self) -> int | None:
        return self.source.weight_bytes

    def count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64]:
        return self._counter.lengths(texts, prompt)

    def load(self) -> None:
        assert self._replicas

    def unload(self) -> None:
        self._loaded, self._free = [], SimpleQueue()
        free_device()

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> Vectors:
        found = np.empty((len(texts), self.dimensions), dtype=np.float32)
        if len(texts) == 1:
            self._at_once(found, self._tokenizer(texts, prompt))
        elif texts:
            self._fill(found, texts, prompt)
        return found

    def read(self, texts: Sequence[str], role: Role, prompt: str) -> Reading:
        return Reading.of(self._tokenizer, texts, role, prompt)

    @property
    def streams(self) -> int:
        return len(self._devices)

    def run(self, reading: Reading) -> Vectors:
        assert reading.tokens is not None
        found = np.empty((len(reading), self.dimensions), dtype=np.float32)
        if len(reading):
            self._at_once(found, reading.tokens)
        return found

    def _at_once(self, found: Vectors, tokens: Tokens) -> None:
        """On the first GPU that is free; for any number of threads."""
        self.load()
        replica = self._free.get()
        try:
            if len(tokens) == 1 and (vector := replica.single(tokens)) is not None:
                found[0] = vector
            else:
                replica.start(found, tokens)()
        finally:
            self._free.put(replica)

    def _fill(self, found: Vectors, texts: Sequence[str], prompt: str) -> None:
        replicas, taking = self._replicas, Lock()
        waiting = self._windows(found, texts, prompt)

        def work(replica: "Replica") -> None:
            """Windows one after the other; each is waited for when the next one's work has been handed over."""
            finish: Callable[[], None] | None = None
            while True:
                with taking:
                    window = next(waiting, None)
                started = replica.start(*window) if window is not None else None
                if finish is not None:
                    finish()
                if (finish := started) is None:
                    return

        if len(replicas) == 1:
            work(replicas[0])
        else:
            with ThreadPoolExecutor(len(replicas), thread_name_prefix="replica") as pool:
                list(pool.map(work, replicas))

    def _windows(self, found: Vectors, texts: Sequence[str], prompt: str) -> Iterator[tuple[Vectors, Tokens]]:
        """The tokens of some texts after the other, and the rows of `found` that their vectors belong in."""
        some, start = windows(texts, most_texts=WINDOW_TEXTS, first_texts=FIRST_TEXTS), 0
        for tokens in ahead(some, lambda window: self._tokenizer(window, prompt), threads=TOKENISERS, early=EARLY):
            yield found[start : start + len(tokens)], tokens
            start += len(tokens)

    def check_export(self) -> None:
        if not isinstance(self.source, FolderSource):
            super().check_export()
        else:
            export.check(self.source.folder)

    def export(self, folder: Path, prompts: Mapping[Role, str]) -> Mapping[str, Any]:
        assert isinstance(self.source, FolderSource)
        found = self.source.folder
        if export.needs_saving(found):
            export.save(load(found, self.model.name, self.trust, "float32", "cpu"), folder)
        else:
            export.copy(found, folder)
        export.set_precision(folder, loaded_precision(self.model.precision))
        export.set_prompts(folder, prompts)
        return {"modules": len(ModelFolder(found.name, folder).modules)}

    @classmethod
    def restore(cls, folder: Path, model: Model, about: Mapping[str, Any], trust: Trust | None = None) -> Self:
        restored = cls(replace(model, name=str(folder.resolve()), prompts=()), trust)
        assert isinstance(restored.source, FolderSource)
        restored.source = replace(restored.source, folder=replace(restored.source.folder, first=int(about["modules"])))
        return restored

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        return self.source.text_tokenizer()

    @cached_property
    def _counter(self) -> TextTokenizer:
        return TextTokenizer.open(self.source.tokenizer)

    @property
    def _replicas(self) -> "list[Replica]":
        from sizewise.encode.cuda.replica import Replica

        with self._loading:  # transformers changes torch while it loads: two threads at once would break each other
            if not self._loaded:
                self._loaded = [Replica(self.source, self.model.precision, one, self._say) for one in self._devices]
                for replica in self._loaded:
                    self._free.put(replica)
            return self._loaded

    def _say(self, words: str) -> None:
        self.say(f"{self.model.name}: {words}")


def loaded_precision(precision: str) -> str:
    """What the weights are loaded in: fp8 layers are made of bfloat16 ones."""
    return "bfloat16" if precision == "float8" else precision
