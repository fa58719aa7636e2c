"""Linear layers in fp8: rounding by rows, and what it changes."""

import pytest
import torch
from torch import nn

from sizewise.encode.cuda.fp8 import E4M3, Fp8Linear, Shared, convert, rounded

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"))


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("k", [16, 100, 1024, 14336])
def test_rows_are_rounded_with_a_scale_each(device, k):
    torch.manual_seed(0)
    x = torch.randn(50, k, device=device) * torch.logspace(-4, 4, 50, device=device)[:, None]
    x[7] = 0
    values, scales = rounded(x)
    assert (values.dtype, values.shape, scales.dtype, scales.shape) == (E4M3, (50, k), torch.float32, (50, 1))
    again = values.float() * scales
    assert not again[7].any()
    largest = x.abs().amax(1, keepdim=True)
    assert ((again - x).abs() <= x.abs() / 16 + largest / 448 / 512).all(), "half a step of three bits, or of the least"
    assert torch.equal(rounded(x[3:4])[0].float(), values[3:4].float()), "a row does not depend on its neighbours"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
def test_both_ways_of_rounding_agree():
    x = torch.randn(100, 384, dtype=torch.bfloat16, device="cuda")
    (there, scales), (here, wanted) = rounded(x), rounded(x.cpu())
    torch.testing.assert_close(scales.cpu(), wanted, rtol=1e-6, atol=0)
    assert (there.cpu().float() != here.float()).float().mean() < 1e-2, "but for ties"


def test_only_layers_of_fitting_sizes_are_exchanged():
    body = nn.Sequential(nn.Linear(32, 48), nn.Linear(48, 20), nn.LayerNorm(20), nn.Sequential(nn.Linear(16, 16)))
    assert convert(body) == 2
    kinds = [type(module).__name__ for module in body.modules() if "Linear" in type(module).__name__]
    assert kinds == ["Fp8Linear", "Linear", "Fp8Linear"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_gives_about_what_it_gave(bias):
    torch.manual_seed(1)
    linear = nn.Linear(256, 512, bias=bias, dtype=torch.bfloat16, device="cuda")
    x = torch.randn(3, 70, 256, dtype=torch.bfloat16, device="cuda")
    wanted, layer = linear(x).float(), Fp8Linear(linear, Shared())
    with torch.inference_mode():
        found = layer(x)
        assert (found.dtype, found.shape) == (torch.bfloat16, (3, 70, 512))
        assert (found.float() - wanted).norm() / wanted.norm() < 0.05
        other = torch.randn_like(x)
        assert not torch.equal(layer(other), found), "what was rounded before is not used for another tensor"
        torch.testing.assert_close(layer(x[:, :5].contiguous()), found[:, :5], rtol=0.02, atol=0.02)
