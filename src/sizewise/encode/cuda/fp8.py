"""Linear layers in 8-bit floating point (e4m3): a scale for every row of the weights, and one for every token."""

from threading import local
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

E4M3 = torch.float8_e4m3fn
LARGEST = 448.0
MULTIPLE = 16
"""Sizes that the matrix units take."""
TINY = 1e-12
"""Least value that counts as a row's largest."""


def convert(body: nn.Module) -> int:
    """Exchange the linear layers of `body` whose sizes allow it, in place; how many."""
    shared, count = Shared(), 0
    for parent in list(body.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.in_features % MULTIPLE == child.out_features % MULTIPLE == 0:
                setattr(parent, name, Fp8Linear(child, shared))
                count += 1
    return count


class Fp8Linear(nn.Module):
    """`linear` with its weights and what it is given rounded to e4m3; products are added up in float32.

    Each token has a scale of its own, so that none depends on its neighbours.
    """

    gelu: bool = False
    """Whether the activation is applied to what it is given."""

    def __init__(self, linear: nn.Linear, shared: "Shared") -> None:
        super().__init__()
        self.in_features, self.out_features, self.dtype = linear.in_features, linear.out_features, linear.weight.dtype
        weight, scale = rounded(linear.weight.detach().float())
        self.weight = nn.Buffer(weight)
        self.scale = nn.Buffer(scale.T.contiguous())
        self.bias = linear.bias
        self.shared = shared

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] -> [..., out_features] of the same dtype."""
        values, scale = self.shared.rounded(x, gelu=self.gelu)
        made = torch._scaled_mm(
            values, self.weight.T, scale_a=scale, scale_b=self.scale, bias=self.bias, out_dtype=self.dtype,
            use_fast_accum=True,
        )  # fmt: skip
        return made.view(*x.shape[:-1], self.out_features)


class Shared(local):
    """What was rounded last by each thread: queries, keys and values are made of one tensor, which is rounded once."""

    _last: tuple[Any, tuple[Tensor, Tensor]] | None = None

    def rounded(self, x: Tensor, *, gelu: bool) -> tuple[Tensor, Tensor]:
        if self._last is None or self._last[0]() is not x:
            self.keep(x, rounded(x.reshape(-1, x.shape[-1]), gelu=gelu))
        assert self._last is not None
        return self._last[1]

    def keep(self, x: Tensor, rounded: tuple[Tensor, Tensor]) -> None:
        """`x` has been rounded elsewhere."""
        self._last = ref(x), rounded


def rounded(x: Tensor, *, gelu: bool = False) -> tuple[Tensor, Tensor]:
    """[m, k] to e4m3 [m, k] and scales float32 [m, 1], such that their product is about `x`, or GELU(x)."""
    if x.is_cuda:
        from sizewise.encode.cuda.fp8_kernels import round_rows

        return round_rows(x, TINY, LARGEST, gelu=gelu)
    x = nn.functional.gelu(x.float()) if gelu else x.float()
    scale = x.abs().amax(1, keepdim=True).clamp(min=TINY) / LARGEST
    return (x / scale).clamp(-LARGEST, LARGEST).to(E4M3), scale
