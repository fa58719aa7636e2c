"""Attention over texts that lie end to end, under a name in transformers' attention interface: no padding, no mask.

A network that is told `attention=NAME` and where texts begin (`cu_seq_lens_q`, `max_length_q`, the names that
transformers itself passes on to its layers) keeps them apart. No mask is registered under the name, so that
transformers builds none.
"""

import inspect
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "sizewise_packed"
Window = tuple[int, int]
"""Tokens that are seen on the left and on the right; -1: all."""


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """query [1, h, t, d], key and value [1, k, t, d] of t tokens, h a multiple of k -> [1, t, h, d].

    `cu_seq_lens_q` int32 [n + 1]: text i has the tokens from its i-th to its next entry; `max_length_q` is at least
    the length of the longest. Raises NotImplementedError for what this cannot do, or was not told.
    """
    if cu_seq_lens_q is None:
        raise NotImplementedError("it does not pass on where texts begin")
    if softcap is not None or s_aux is not None or position_bias is not None:
        raise NotImplementedError("its attention has a bias, a cap or a sink")
    causal = bool(getattr(module, "is_causal", False) if is_causal is None else is_causal)
    left = -1 if sliding_window is None else sliding_window - 1
    window = (left, 0 if causal else left)
    query, key, value = (states.squeeze(0).transpose(0, 1) for states in (query, key, value))
    if query.is_cuda:
        return _varlen(query, key, value, cu_seq_lens_q, max_length_q, scaling, window).unsqueeze(0), None
    return _one_by_one(query, key, value, cu_seq_lens_q, scaling, window).unsqueeze(0), None


AttentionInterface.register(NAME, attend)


@cache
def _options() -> tuple[Any, frozenset[str]]:
    """`varlen_attn`, whose arguments differ between versions of torch, and their names."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn, frozenset(inspect.signature(varlen_attn).parameters)


def _varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    starts: Tensor,
    longest: int,
    scale: float | None,
    window: tuple[int, int],
) -> Tensor:
    """[t, heads, d] each, on CUDA."""
    varlen, known = _options()
    options: dict[str, Any] = {}
    if "window_size" in known:
        options["window_size"] = window
    elif window in ((-1, -1), (-1, 0)):
        options["is_causal"] = window == (-1, 0)
    else:
        raise NotImplementedError("this version of torch has no sliding windows for packed texts")
    if "scale" in known:
        options["scale"] = scale
    elif scale is not None:
        query = query * (scale * query.shape[-1] ** 0.5)
    if "enable_gqa" in known:
        options["enable_gqa"] = query.shape[1] != key.shape[1]
    found: Tensor = varlen(query, key, value, starts, starts, longest, longest, **options)
    return found


def _one_by_one(
    query: Tensor, key: Tensor, value: Tensor, starts: Tensor, scale: float | None, window: Window
) -> Tensor:
    """The same text by text, on processors: what the other is checked against."""
    found = torch.empty_like(query)
    for start, end in pairwise(starts.tolist()):
        q, k, v = (states[start:end].transpose(0, 1)[None] for states in (query, key, value))
        behind = torch.arange(end - start)[:, None] - torch.arange(end - start)
        seen = torch.ones_like(behind, dtype=torch.bool)
        for bound, distance in zip(window, (behind, -behind), strict=True):
            if bound >= 0:
                seen &= distance <= bound
        made = scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=q.shape[1] != k.shape[1])
        found[start:end] = made[0].transpose(0, 1)
    return found
