"""Shapes: an architecture with random weights. Its speed and memory are real, its vectors mean nothing."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.shapes import parse_shape
from sizewise.core.text import encodable
from sizewise.encode.encoder import Encoder, Trust
from sizewise.encode.folder import DEFAULT_MODEL, locate
from sizewise.encode.source import ShapeSource
from sizewise.encode.tokens import TokenCounter
from sizewise.encode.torch import BATCH, device

if TYPE_CHECKING:
    from sizewise.encode.network import Network


class ShapeEncoder(Encoder):
    """Token embeddings and layers of the given numbers, mean pooling and normalisation, on torch.

    Texts are tokenised by the embedded model's tokenizer (30,522 pieces), ids folded into smaller vocabularies, so
    that all shapes see the same tokens.
    """

    has_quality = False
    precisions = ("float32", "bfloat16", "float16")

    def __init__(self, model: Model, trust: Trust | None = None) -> None:
        super().__init__(model, trust)
        self.shape = parse_shape(self.argument)
        self._loading = Lock()

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"shape": str(self.shape), "precision": self.model.precision}

    @property
    def dimensions(self) -> int:
        return self.shape.dimensions

    @property
    def max_tokens(self) -> int | None:
        return self.shape.max_tokens

    @property
    def parameters(self) -> int | None:
        return self.shape.parameters

    @property
    def disk_bytes(self) -> int | None:
        return self.shape.weight_bytes(self.model.precision)

    def count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64] | None:
        counter = TokenCounter.open(locate(DEFAULT_MODEL, Trust()).path)
        return counter.count([prompt + text for text in texts]) if counter else None

    def load(self) -> None:
        assert self._parts is not None

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        import torch

        tokenizer, network = self._parts
        to = device()
        batch = BATCH[to]
        order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
        found = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            tokens = tokenizer(
                [encodable(prompt + texts[row]) for row in rows],
                padding=True,
                truncation=True,
                max_length=self.shape.max_tokens,
                return_tensors="pt",
            ).to(to)
            ids, mask = tokens["input_ids"] % self.shape.vocab, tokens["attention_mask"]
            with torch.inference_mode():
                states = network.body(input_ids=ids, attention_mask=mask).last_hidden_state
                found[rows] = network.vectors(states, mask).float().cpu().numpy()
        return found

    @cached_property
    def _parts(self) -> "tuple[Any, Network]":
        with self._loading:  # torch has one random number generator: two threads drawing weights would share it
            return self.__dict__.get("_parts") or self._drawn()

    def _drawn(self) -> "tuple[Any, Network]":
        from transformers import AutoTokenizer

        network = ShapeSource(self.shape).network("sdpa", self.model.precision, device())
        return AutoTokenizer.from_pretrained(locate(DEFAULT_MODEL, Trust()).path, local_files_only=True), network
