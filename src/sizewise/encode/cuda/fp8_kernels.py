"""Rows rounded to e4m3 in one pass over memory. Needs triton, which comes with torch for CUDA: imported there only."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def round_rows(x: Tensor, tiny: float, largest: float, *, gelu: bool) -> tuple[Tensor, Tensor]:
    """[m, k] on CUDA to e4m3 [m, k] and scales float32 [m, 1], of GELU(x) where that is wanted."""
    x = x.contiguous()
    m, k = x.shape
    values = torch.empty_like(x, dtype=torch.float8_e4m3fn)
    scales = torch.empty((m, 1), dtype=torch.float32, device=x.device)
    if m:
        block = triton.next_power_of_2(k)
        _round_row[(m,)](
            x, values, scales, k, tiny, largest, BLOCK=block, GELU=gelu, num_warps=min(8, max(1, block // 512))
        )
    return values, scales


@triton.jit  # type: ignore[untyped-decorator]
def _round_row(x, values, scales, k, tiny, largest, BLOCK: tl.constexpr, GELU: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    some = tl.load(x + row * k + at, mask=at < k, other=0.0).to(tl.float32)
    if GELU:
        some = 0.5 * some * (1.0 + tl.erf(some * 0.7071067811865476))
    scale = tl.maximum(tl.max(tl.abs(some), axis=0), tiny) / largest
    rounded = tl.minimum(tl.maximum(some / scale, -largest), largest)
    tl.store(values + row * k + at, rounded.to(tl.float8e4nv), mask=at < k)
    tl.store(scales + row, scale)
