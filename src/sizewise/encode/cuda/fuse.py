"""Steps of a network taken together, wherever modules of the form that BERT has them in are found: the same function.

What is replaced are whole modules, known by their parts (any family that is built like BERT has them); all others stay.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from sizewise.encode.cuda.fp8 import LARGEST, TINY, Fp8Linear


def fuse(body: nn.Module) -> int:
    """Exchange what can be taken together in `body`, in place, for CUDA; how many pairs of steps."""
    count = 0
    for parent in list(body.modules()):
        for name, child in list(parent.named_children()):
            if _adds_and_normalises(child):
                setattr(parent, name, AddNorm(child.dense, child.LayerNorm))  # type: ignore[arg-type]
                count += 1
        if _is_feed_forward(parent):
            count += _fuse_activation(parent.intermediate, parent.output)
    return count


class AddNorm(nn.Module):
    """LayerNorm(dense(hidden_states) + input_tensor), rounded at once where the layers that read it are in fp8."""

    def __init__(self, dense: nn.Module, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.dense, self.LayerNorm = dense, norm

    def forward(self, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
        from sizewise.encode.cuda.fuse_kernels import add_norm, add_norm_round

        norm, made = self.LayerNorm, self.dense(hidden_states)
        if not isinstance(self.dense, Fp8Linear):
            return add_norm(made, input_tensor, norm.weight, norm.bias, norm.eps)
        found, rounded = add_norm_round(made, input_tensor, norm.weight, norm.bias, norm.eps, TINY, LARGEST)
        self.dense.shared.keep(found, rounded)
        return found


class GeluLinear(nn.Module):
    """GELU(linear(x)), the activation by tanh as the matrix product's own last step has it."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = torch._addmm_activation(self.bias, x.reshape(-1, x.shape[-1]), self.weight.T, use_gelu=True)
        return made.view(*x.shape[:-1], -1)


def _adds_and_normalises(module: nn.Module) -> bool:
    return (
        {name for name, _ in module.named_children()} == {"dense", "LayerNorm", "dropout"}
        and isinstance(module.LayerNorm, nn.LayerNorm)
        and list(inspect.signature(module.forward).parameters) == ["hidden_states", "input_tensor"]
    )


def _is_feed_forward(module: nn.Module) -> bool:
    """Whether an activation stands between two layers: `intermediate` (dense, intermediate_act_fn) and `output`."""
    first, second = getattr(module, "intermediate", None), getattr(module, "output", None)
    return (
        isinstance(first, nn.Module)
        and {name for name, _ in first.named_children()} == {"dense", "intermediate_act_fn"}
        and type(first.intermediate_act_fn).__name__ in ("GELUActivation", "GELU")
        and isinstance(getattr(second, "dense", None), nn.Linear | Fp8Linear)
    )


def _fuse_activation(first: Any, second: Any) -> int:
    """Into the product before it, or into the rounding behind it."""
    if isinstance(second.dense, Fp8Linear):
        second.dense.gelu = True
    elif type(first.dense) is nn.Linear and first.dense.bias is not None:
        first.dense = GeluLinear(first.dense)
    else:
        return 0
    first.intermediate_act_fn = nn.Identity()
    return 1
