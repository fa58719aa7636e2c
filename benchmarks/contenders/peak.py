"""How fast this machine multiplies matrices: the ceiling that shares are of. `python -m contenders.peak THREADS`."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

SIZES = (1024, 2048)
SECONDS = 1.0
CHAIN = 4


def main() -> None:
    threads = int(sys.argv[1])
    print(json.dumps({"fp32": _torch(threads, "float32"), "bf16": _torch(threads, "bfloat16"), "int8": _int8(threads)}))


def _best(multiply: Callable[[int], Callable[[], Any]]) -> float:
    """Most operations a second over sizes and repeats, a multiplication and an addition being two; in 10^9."""
    best = 0.0
    for size in SIZES:
        once = multiply(size)
        once()
        until = time.perf_counter() + SECONDS
        while (started := time.perf_counter()) < until:
            once()
            best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
    return round(best, 1)


def _torch(threads: int, precision: str) -> float:
    import torch

    torch.set_num_threads(threads)

    def multiply(size: int) -> Callable[[], Any]:
        left, right = (torch.randn(size, size).to(getattr(torch, precision)) for _ in range(2))
        return lambda: torch.mm(left, right)

    with torch.inference_mode():
        return _best(multiply)


def _int8(threads: int) -> float:
    """The faster of torch (oneDNN) and OpenVINO, where that is installed."""
    import torch

    def multiply(size: int) -> Callable[[], Any]:
        left, right = (torch.randint(-127, 127, (size, size), dtype=torch.int8) for _ in range(2))
        return lambda: torch._int_mm(left, right)

    found = _best(multiply)
    try:
        import openvino  # noqa: F401
    except ImportError:
        return found
    return max(found, CHAIN * _best(lambda size: _openvino(size, threads)))


def _openvino(size: int, threads: int) -> Callable[[], Any]:
    """CHAIN products behind one another, so that turning floats into int8 and back weighs little."""
    import numpy as np
    import openvino
    from openvino import opset13 as make

    dice = np.random.default_rng(0)
    found = rows = make.parameter([size, size], np.float32)
    low, high = np.float32(-1), np.float32(127 / 128)
    for _ in range(CHAIN):
        codes = make.fake_quantize(found, low, high, low, high, 256)
        weights = make.convert(make.constant(dice.integers(-127, 127, (size, size), dtype=np.int8)), np.float32)
        found = make.matmul(codes, make.multiply(weights, np.float32(0.5 / (127 * size**0.5))), False, True)
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(openvino.Model([found], [rows]), "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(dice.uniform(-1, 1, (size, size)).astype(np.float32)))
    return request.infer


if __name__ == "__main__":
    main()
