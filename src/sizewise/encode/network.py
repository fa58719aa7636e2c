"""A loaded network in two parts, and as the one graph that other runtimes are given."""

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from torch import Tensor, nn

from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

POOLED = {"mean", "cls", "lasttoken"}
"""Ways to pool that need no padding."""


@dataclass
class Network:
    """`body` makes token vectors, `head` (modules of sentence-transformers: pooling, projection, normalisation) one
    vector of them."""

    body: Any
    """A model of transformers."""
    head: list[nn.Module]
    typed: bool = False
    """Its tokens are of several types; else all are of the first one."""

    @classmethod
    def of(cls, model: "SentenceTransformer", name: str) -> "Network":
        """Raises InputError for models that do not begin with a transformer."""
        first, *head = list(model.children())
        if type(first).__name__ != "Transformer":
            raise InputError(f"{name} begins with {type(first).__name__}, not with a transformer; run it on torch")
        if any(isinstance(module, Pooling) and not module.include_prompt for module in head):
            raise InputError(f"{name} leaves its prompt out when it pools, which only torch does here; run it on torch")
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

    @property
    def pooling(self) -> str | None:
        """How token vectors become one: one of POOLED, else None."""
        first = self.head[0] if self.head else None
        mode = first.get_config_dict().get("pooling_mode") if isinstance(first, Pooling) else None
        return mode if isinstance(mode, str) and mode in POOLED else None

    @property
    def first_position(self) -> int:
        """The number of a text's first position: RoBERTa and its kin count from behind that of padding."""
        for module in self.body.modules():
            padding, table = getattr(module, "padding_idx", None), getattr(module, "position_embeddings", None)
            if isinstance(padding, int) and isinstance(table, nn.Embedding):
                return padding + 1
        return 0

    @property
    def is_causal(self) -> bool:
        """Whether a token sees only those before it."""
        return any(getattr(module, "is_causal", False) for module in self.body.modules())

    @property
    def takes_positions(self) -> bool:
        """Whether it can be told the position of each token."""
        return "position_ids" in inspect.signature(self.body.forward).parameters


class TextsGraph(nn.Module):
    """The whole network as one module of the two inputs that every server gives; a row is a text."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.body, self.head = network.body, nn.ModuleList(network.head)
        self._network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids and a mask (1: a token), int64 [n, t], to token vectors [n, t, hidden] and sentence vectors [n, d],
        both float32."""
        tokens = self.body(input_ids=input_ids, attention_mask=attention_mask, return_dict=True).last_hidden_state
        return tokens, self._network.vectors(tokens, attention_mask).to(torch.float32)


class RowsGraph(nn.Module):
    """The same with several texts in a row, so that nothing is padded and shapes are few.

    The mask numbers the texts of a row, one behind the other: 1, 2, 3 and so on, 0 behind the last. A mask of 0 and 1
    is then a row of one text, as in `TextsGraph`. Texts of a row do not see each other.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        assert network.pooling is not None
        self.body, self.head = network.body, nn.ModuleList(network.head[1:])
        self._pooling, self._first, self._causal = network.pooling, network.first_position, network.is_causal

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [n, t] twice -> token vectors [n, t, hidden] and the vectors of the n s texts [n s, d], s being the
        largest number in the mask; float32. Those of numbers that a row does not have mean nothing."""
        same = (attention_mask[:, :, None] == attention_mask[:, None, :]) & (attention_mask[:, None, :] > 0)
        before = torch.ones_like(same[0]).tril()
        seen = same & before if self._causal else same
        bias = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[:, None]
        positions = ((same & before).sum(-1) - 1).clamp(min=0) + self._first
        tokens = self.body(
            input_ids=input_ids, attention_mask=bias, position_ids=positions, return_dict=True
        ).last_hidden_state
        most: Any = attention_mask.max()  # a number of the graph: the trace must not make a constant of it
        numbers = torch.arange(1, most + 1, device=attention_mask.device)
        texts = (attention_mask[:, None, :] == numbers[None, :, None]).to(tokens.dtype)
        features: dict[str, Any] = {"sentence_embedding": self._pooled(tokens, texts).flatten(0, 1)}
        for module in self.head:
            features = module(features)
        return tokens, features["sentence_embedding"].to(torch.float32)

    def _pooled(self, tokens: Tensor, texts: Tensor) -> Tensor:
        """[n, t, hidden], and which tokens belong to which text, [n, s, t] of 0 and 1 -> [n, s, hidden]."""
        if self._pooling == "mean":
            return (texts @ tokens) / texts.sum(-1, keepdim=True).clamp(min=1e-9)
        count = texts.cumsum(-1)
        chosen = count == (1 if self._pooling == "cls" else count[..., -1:])
        return (texts * chosen) @ tokens


def rows_agree(network: Network, tolerance: float = 1e-4) -> bool:
    """Whether the network gives a text the same vector in a row of several, tried out on random ids.

    Not all do: relative positions, or attention windows of their own, may not know of the others in the row.
    """
    if network.pooling is None or not network.takes_positions:
        return False
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(5, int(network.body.config.vocab_size), (2, 24), generator=chance)
    mask = torch.ones_like(ids)
    mask[0, 7:18], mask[0, 18:] = 2, 3
    mask[1, 20:] = 0
    texts = TextsGraph(network)
    with torch.inference_mode():
        try:
            _, found = RowsGraph(network)(ids, mask)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):  # a body that takes no such mask
            return False
        parts = ((0, 0, 7), (0, 7, 18), (0, 18, 24), (1, 0, 20))
        alone = [
            texts(ids[row : row + 1, start:end], torch.ones(1, end - start).long())[1] for row, start, end in parts
        ]
    return bool(torch.allclose(found[:4], torch.cat(alone), rtol=0.0, atol=tolerance * float(found[:4].abs().max())))
