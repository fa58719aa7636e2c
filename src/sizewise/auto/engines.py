"""The engines that `@auto` tries, and why one is left out on this machine."""

from collections.abc import Sequence
from dataclasses import replace

from sizewise.core.candidate import Embed, Model
from sizewise.core.errors import InputError
from sizewise.core.extras import require
from sizewise.encode.encoder import Trust
from sizewise.encode.exported import ExportedEncoder
from sizewise.encode.numeric import has_bfloat16
from sizewise.encode.resolve import encoder_class, resolve
from sizewise.encode.torch import device

ENGINES = (
    ("float32", "torch"),
    ("float32", "openvino"),
    ("float32", "onnx"),
    ("bfloat16", "torch"),
    ("bfloat16", "openvino"),
    ("bfloat16", "packed"),
    ("float16", "torch"),
    ("float16", "packed"),
    ("int8", "openvino"),
    ("int8", "onnx"),
    ("float8", "packed"),
)
"""Precision and runtime, the exact ones first: of engines that are as fast as each other, the first is taken."""
EXACTNESS = {"float32": 0, "bfloat16": 1, "float16": 1, "int8": 2, "float8": 3}


def engines(model: Model) -> list[Model]:
    """`model` on every engine, the reference first."""
    return [replace(model, precision=precision, runtime=runtime) for precision, runtime in ENGINES]


def short(model: Model) -> str:
    """An engine as candidates write it, without the model: `@int8/onnx`, and `@fp32` for the reference."""
    return str(Embed(replace(model, name="m", prompts=()))).removeprefix("m") or "@fp32"


def obstacle(model: Model, trust: Trust) -> str:
    """Why this engine cannot be tried here, in a clause; empty where it can. No weights are loaded."""
    try:
        found = encoder_class(model)
        if issubclass(found, ExportedEncoder):
            for package in found.makers:
                require(package, f"making a graph for {model.runtime}")
        resolve(model, trust)
    except InputError as error:
        return str(error).partition("; ")[0]
    on = device() if model.runtime == "torch" else "cpu"
    if model.precision == "bfloat16" and model.runtime != "packed" and on == "cpu" and not has_bfloat16():
        return "this processor has no bfloat16 arithmetic"
    if model.precision == "float16" and on == "cpu" and model.runtime == "torch":
        return "float16 is for GPUs, and torch sees none here"
    return ""


def together(left_out: Sequence[tuple[Model, str]]) -> list[str]:
    """One clause for each reason, with the engines that it keeps out."""
    by_reason: dict[str, list[str]] = {}
    for model, reason in left_out:
        by_reason.setdefault(reason, []).append(short(model))
    return [f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()]
