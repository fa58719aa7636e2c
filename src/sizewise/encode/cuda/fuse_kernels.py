"""Kernels that read and write memory once for two steps. Needs triton, which comes with torch for CUDA only."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def add_norm(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """LayerNorm(x + y) over the last dimension, on CUDA."""
    return _run(x, y, weight, bias, epsilon, None, None, 1.0, 1.0)


def add_norm_round(
    x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, epsilon: float, tiny: float, largest: float
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The same, and its rows [m, k] rounded to e4m3 with their scales float32 [m, 1]."""
    k = x.shape[-1]
    values = torch.empty((x.numel() // k, k), dtype=torch.float8_e4m3fn, device=x.device)
    scales = torch.empty((x.numel() // k, 1), dtype=torch.float32, device=x.device)
    return _run(x, y, weight, bias, epsilon, values, scales, tiny, largest), (values, scales)


def _run(
    x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, epsilon: float,
    values: Tensor | None, scales: Tensor | None, tiny: float, largest: float,
) -> Tensor:  # fmt: skip
    x, y = x.contiguous(), y.contiguous()
    k = x.shape[-1]
    out = torch.empty_like(x)
    block = triton.next_power_of_2(k)
    warps = min(8, max(1, block // 256))
    if rows := x.numel() // k:
        _add_norm[(rows,)](
            x, y, weight, bias, out, values, scales, k, epsilon, tiny, largest,
            BLOCK=block, ROUND=values is not None, num_warps=warps,
        )  # fmt: skip
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _add_norm(  # type: ignore[no-untyped-def]
    x, y, weight, bias, out, values, scales, k, epsilon, tiny, largest, BLOCK: tl.constexpr, ROUND: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < k
    total = tl.load(x + row * k + at, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(y + row * k + at, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / k
    apart = tl.where(inside, total - mean, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(apart * apart, axis=0) / k + epsilon)
    w = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(bias + at, mask=inside, other=0.0).to(tl.float32)
    made = apart * scale * w + b
    tl.store(out + row * k + at, made.to(out.dtype.element_ty), mask=inside)
    if ROUND:
        step = tl.maximum(tl.max(tl.abs(made), axis=0), tiny) / largest
        rounded = tl.minimum(tl.maximum(made / step, -largest), largest)
        tl.store(values + row * k + at, rounded.to(tl.float8e4nv), mask=inside)
        tl.store(scales + row, step)
