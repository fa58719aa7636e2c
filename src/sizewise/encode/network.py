"""A loaded network in two parts: the transformer, and what makes one vector of its token vectors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from torch import Tensor, nn

from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass
class Network:
    """`body` makes token vectors, `head` (modules of sentence-transformers: pooling, projection, normalisation) one
    vector of them."""

    body: Any
    """A model of transformers."""
    head: list[nn.Module]

    @classmethod
    def of(cls, model: "SentenceTransformer", name: str) -> "Network":
        """Raises InputError for models that do not begin with a transformer."""
        first, *head = list(model.children())
        if type(first).__name__ != "Transformer":
            raise InputError(f"{name} begins with {type(first).__name__}, not with a transformer; run it on torch")
        return cls(first.auto_model.eval(), head)  # type: ignore[union-attr]

    @classmethod
    def with_mean_pooling(cls, body: Any, dimensions: int) -> "Network":
        """For a bare transformer."""
        return cls(body.eval(), [Pooling(dimensions, "mean"), Normalize()])

    def vectors(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Token vectors [n, t, hidden] and their mask [n, t] (1: a token) to sentence vectors [n, d]."""
        features: dict[str, Any] = {"token_embeddings": tokens, "attention_mask": mask}
        for module in self.head:
            features = module(features)
        found: Tensor = features["sentence_embedding"]
        return found


class PaddedGraph(nn.Module):
    """The whole network as one module of two inputs: what is traced for other runtimes."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.body, self.head = network.body, nn.ModuleList(network.head)
        self._network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [n, t] twice -> token vectors [n, t, hidden] and sentence vectors [n, d], both float32."""
        tokens = self.body(input_ids=input_ids, attention_mask=attention_mask, return_dict=True).last_hidden_state
        return tokens, self._network.vectors(tokens, attention_mask).to(torch.float32)
