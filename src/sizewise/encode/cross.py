"""Cross-encoders, on torch and for other runtimes: a score for a query and a document that are read together.

To the store a pair is a text and its score a vector of one number: what was scored once is known, however it was found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.encode import export
from sizewise.encode.encoder import Trust
from sizewise.encode.folder import ModelFolder, locate
from sizewise.encode.numeric import instruction_set, versions
from sizewise.encode.pairs import PairTokenizer, unpaired
from sizewise.encode.reading import Reading
from sizewise.encode.source import TOKENIZER, Source, check_tokenizer
from sizewise.encode.torch import OnTorch, device

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from sizewise.encode.network import Network

MAX_TOKENS = 512
"""Of a pair, where the model allows as many."""
HEADS = {
    "BertForSequenceClassification": ("base_model.pooler", "classifier"),
    "RobertaForSequenceClassification": ("classifier",),
    "XLMRobertaForSequenceClassification": ("classifier",),
    "ElectraForSequenceClassification": ("classifier",),
}
"""Kinds of model that other runtimes can run, and what makes a score of the first token's vector, step by step; all of
them take [n, 1, hidden]."""


class CrossScores(OnTorch):
    """`cross:NAME`: its texts are those of `pair`, its vectors their scores (higher is better, not bounded)."""

    similarity = "dot"
    batched = "pairs"

    def __init__(self, model: Model, trust: Trust | None = None) -> None:
        super().__init__(model, trust)
        self.folder = cross_folder(model, self.argument, self.trust)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {
            "weights": self.folder.sha256,
            "precision": self.model.precision,
            "runtime": "cross",
            "max_tokens": self.max_tokens,
            "versions": versions("torch", "transformers", "sentence-transformers", "tokenizers"),
            "numeric": [device(), instruction_set()],
        }

    @property
    def dimensions(self) -> int:
        return 1

    @property
    def max_tokens(self) -> int:
        return most_tokens(self.folder)

    def count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64] | None:
        return None if self._tokenizer is None else self._tokenizer(texts).lengths

    def read(self, texts: Sequence[str], role: Role, prompt: str) -> Reading:
        """With no tokens: torch reads the texts itself."""
        if self._tokenizer is None:
            return super().read(texts, role, prompt)
        return replace(Reading.of(self._tokenizer, texts, role, prompt), tokens=None)

    def check_export(self) -> None:
        export.check(self.folder)
        if self.folder.pickle is not None:
            raise InputError(
                f"{self.argument} cannot be put into a bundle: its weights are pickled; save them as safetensors"
            )

    def export(self, folder: Path, prompts: Mapping[Role, str]) -> Mapping[str, Any]:
        export.copy(self.folder, folder)
        return {}

    @classmethod
    def restore(cls, folder: Path, model: Model, about: Mapping[str, Any], trust: Trust | None = None) -> Self:
        return cls(replace(model, name=f"cross:{folder.resolve()}"), trust)

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        pairs: Any = unpaired(texts, self.model.name)
        if not pairs:
            return np.empty((0, 1), np.float32)
        import torch

        def run(batch: int) -> torch.Tensor:
            scores: torch.Tensor = self._model.predict(
                pairs, batch_size=batch, show_progress_bar=False, activation_fn=torch.nn.Identity(),
                convert_to_numpy=False, convert_to_tensor=True,
            )  # fmt: skip
            return scores.reshape(len(pairs), 1)

        return self._in_batches(run)

    @cached_property
    def _tokenizer(self) -> PairTokenizer | None:
        """To count with, as the model's own counts; None where it has no fast one."""
        path = self.tokenizer_file
        return None if path is None else PairTokenizer.open(path, self.max_tokens, self.model.name)

    @cached_property
    def _model(self) -> "CrossEncoder":
        return load_cross(self.folder, self.argument, self.trust, device(), self.model.precision)


@dataclass(frozen=True)
class CrossSource(Source):
    """A cross-encoder for other runtimes: of a pair, its vector is the score."""

    folder: ModelFolder
    name: str
    trust: Trust

    similarity = "dot"
    reads_pairs = True

    @classmethod
    def of(cls, model: Model, name: str, trust: Trust) -> Self:
        """Of `model`, which is called `name` behind its scheme. Raises InputError as `cross_folder`, and where there is
        no fast tokenizer, or a head that only torch runs."""
        folder = cross_folder(model, name, trust)
        check_tokenizer(folder, name)
        kind = (folder.json("config.json") or {})["architectures"][0]
        if kind not in HEADS:
            raise InputError(f"{name}: a {kind} runs on torch only; leave out the runtime")
        return cls(folder, name, trust)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {"weights": self.folder.sha256, "reads": "pairs", "max_tokens": self.max_tokens}

    @property
    def tokenizer(self) -> Path:
        return self.folder.path / TOKENIZER

    @property
    def max_tokens(self) -> int:
        return most_tokens(self.folder)

    @property
    def dimensions(self) -> int:
        return 1

    @property
    def parameters(self) -> int | None:
        return self.folder.parameters

    @property
    def weight_bytes(self) -> int | None:
        return self.folder.weight_bytes

    def network(self, attention: str = "eager", precision: str = "float32", device: str = "cpu") -> "Network":
        from sizewise.encode.cross_network import cross_network

        model = load_cross(self.folder, self.name, self.trust, device, precision, attention)
        whole: Any = model.eval().model
        return cross_network(whole, HEADS[type(whole).__name__])


def cross_folder(model: Model, name: str, trust: Trust) -> ModelFolder:
    """Where the cross-encoder is that `model` names, behind its scheme `name`. Raises InputError for what is none."""
    if model.prompts:
        raise InputError(f"{model.name}: a cross-encoder takes no prompts; leave them out")
    folder = locate(name, trust)
    config = folder.json("config.json") or {}
    if len(config.get("id2label") or ("score",)) > 1:
        raise InputError(f"{name} has {len(config['id2label'])} labels, and a reranker has one score")
    kinds = config.get("architectures") or [""]
    if not kinds[0].endswith("ForSequenceClassification"):
        raise InputError(
            f"{name} is no cross-encoder ({kinds[0] or 'its config.json names no architecture'}); train "
            "one with sizewise finetune --reranker, or name another"
        )
    return folder


def most_tokens(folder: ModelFolder) -> int:
    """Of a pair: MAX_TOKENS, or as many as the model has positions for, or as its tokenizer says."""
    config, tokenizer = folder.json("config.json") or {}, folder.json("tokenizer_config.json") or {}
    positions, said = config.get("max_position_embeddings"), tokenizer.get("model_max_length")
    if isinstance(positions, int) and "roberta" in str(config.get("model_type")):
        positions -= int(config.get("pad_token_id") or 0) + 1  # the first ones are not used
    return min(MAX_TOKENS, *(int(most) for most in (positions, said) if isinstance(most, int | float)))


def load_cross(
    folder: ModelFolder, name: str, trust: Trust, on: str, precision: str = "float32", attention: str | None = None
) -> "CrossEncoder":
    """A model with one score on its head: its own, or a new one where the folder is an encoder's."""
    import torch
    from sentence_transformers import CrossEncoder

    chosen = {"attn_implementation": attention} if attention else {}
    model: CrossEncoder = CrossEncoder(
        str(folder.path),
        num_labels=1,
        max_length=most_tokens(folder),
        device=on,
        trust_remote_code=name in trust.remote_code,
        local_files_only=True,
        model_kwargs={"use_safetensors": name not in trust.pickled, "dtype": getattr(torch, precision), **chosen},
    )
    return model
