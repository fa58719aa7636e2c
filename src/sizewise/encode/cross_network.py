"""Cross-encoders in the two parts that runtimes are given: a body that reads both texts, and a head that scores."""

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor, nn

from sizewise.encode.network import Network


def cross_network(model: Any, steps: Sequence[str]) -> Network:
    """Of a model of transformers and the `steps` from its first token's vector to a score (see `cross.HEADS`)."""
    body = _Pairs(model.base_model).eval()
    head = _Score([model.get_submodule(step.replace("base_model", model.base_model_prefix)) for step in steps])
    return Network(body, [Pooling(model.config.hidden_size, "cls"), head.eval()], typed=body.typed)


class _Pairs(nn.Module):
    """A transformer that is told by the sign of an id of which of two texts its token is (see `PairTokenizer`)."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body, self.config = body, body.config
        self.typed = getattr(body.config, "type_vocab_size", 0) > 1

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor | None = None, return_dict: bool = True
    ) -> Any:
        """As the transformer itself."""
        second = input_ids < 0
        more: dict[str, Any] = {"token_type_ids": second.to(torch.int64)} if self.typed else {}
        if position_ids is not None:
            more["position_ids"] = position_ids
        # Not a choice by `second`: OpenVINO 2026.4 makes none of integers on AVX2 where denormals count as zero.
        ids = torch.maximum(input_ids, -1 - input_ids)
        return self.body(input_ids=ids, attention_mask=attention_mask, return_dict=return_dict, **more)


class _Score(nn.Module):
    """A head as sentence-transformers has them: the pooled vector [n, hidden] becomes a score [n, 1]."""

    def __init__(self, steps: list[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        """With the score in the place of the vector."""
        found = features["sentence_embedding"][:, None]
        for step in self.steps:
            found = step(found)
        return {**features, "sentence_embedding": found.flatten(1)}
