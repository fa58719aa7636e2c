"""A model with fewer of its layers, untrained: where distillation starts. Which ones to keep is measured."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.transform.chain import unit

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn

Vectors = npt.NDArray[np.float32]
MOST_TRIED = 24
"""Choices of layers that are measured; all where there are no more."""


def depth(model: "SentenceTransformer", name: str) -> int:
    """How many layers the model has. Raises InputError where it is no stack of layers that can be left out."""
    return len(_stack(_body(model, name), name))


def choices(layers: int, kept: int) -> list[tuple[int, ...]]:
    """Layers to keep, each choice in order: all there are, or where those are too many the usual ones.

    Those are evenly spread (with the first, the last, both, neither), the first and the last ones (Sajjad et al.,
    "On the effect of dropping layers of pre-trained transformer models", 2023).
    """
    every = list(combinations(range(layers), kept))
    return every if len(every) <= MOST_TRIED else sorted(set(_usual(layers, kept)))


def _usual(layers: int, kept: int) -> Iterator[tuple[int, ...]]:
    yield tuple(range(kept))
    yield tuple(range(layers - kept, layers))
    for first, last in ((0, layers - 1), (0, layers - layers / kept), (layers / kept - 1, layers - 1)):
        spread = np.linspace(first, last, kept).round().astype(int)
        if len(set(spread.tolist())) == kept:
            yield tuple(spread.tolist())
    for top in range(1, kept):
        yield (*range(kept - top), *range(layers - top, layers))


def shallow(model: "SentenceTransformer", kept: Sequence[int], name: str) -> "SentenceTransformer":
    """A copy of `model` with only the layers `kept`, in their order. Raises InputError as `depth` does."""
    from torch import nn

    copy = deepcopy(model)
    body = _body(copy, name)
    stack = _stack(body, name)
    holder, attribute = next(
        (module, attribute)
        for module in body.modules()
        for attribute, child in module.named_children()
        if child is stack
    )
    setattr(holder, attribute, nn.ModuleList(stack[at] for at in kept))
    for at, layer in enumerate(getattr(holder, attribute)):
        for module in layer.modules():
            if isinstance(getattr(module, "layer_idx", None), int):
                module.layer_idx = at
    body.config.num_hidden_layers = len(kept)
    if isinstance(kinds := getattr(body.config, "layer_types", None), list):
        body.config.layer_types = [kinds[at] for at in kept]
    return copy


def without_dropout(model: "SentenceTransformer") -> "SentenceTransformer":
    """The model itself, which from now on drops nothing when it is trained: to follow a teacher, noise only harms, and
    it takes a third of the time on processors. Its saved configuration stays as it is."""
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0  # type: ignore[assignment]
    return model


def best_start(
    model: "SentenceTransformer", kept: int, texts: Sequence[str], wanted: Vectors, name: str
) -> tuple[tuple[int, ...], dict[tuple[int, ...], float]]:
    """The choice of `kept` layers whose vectors of `texts` are most like `wanted` [n, d], untrained, and the mean
    cosine of every choice.

    Raises InputError where the model has no more layers than that, or as `depth` does.
    """
    layers = depth(model, name)
    if not 0 < kept < layers:
        raise InputError(f"{name} has {layers} layers; keep at least 1 and fewer than that, not {kept}")
    found = {}
    for choice in choices(layers, kept):
        vectors = shallow(model, choice, name).encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        found[choice] = float((vectors * unit(wanted)).sum(1).mean())
    return max(found, key=lambda choice: found[choice]), found


def _body(model: "SentenceTransformer", name: str) -> Any:
    first = next(iter(model.children()))
    if type(first).__name__ != "Transformer":
        raise InputError(f"{name} begins with {type(first).__name__}, not with a transformer: it has no layers to drop")
    return first.auto_model


def _stack(body: "nn.Module", name: str) -> "nn.ModuleList":
    from torch import nn

    config: Any = body.config
    if not isinstance(layers := getattr(config, "num_hidden_layers", None), int):
        raise InputError(f"{name}: its configuration does not tell how many layers it has")
    found = [module for module in body.modules() if isinstance(module, nn.ModuleList) and len(module) == layers]
    if len(found) != 1 or len({type(layer) for layer in found[0]}) > 1:
        raise InputError(
            f"{name} ({config.model_type}) is not one stack of equal layers, of which some can be left out"
        )
    return found[0]
