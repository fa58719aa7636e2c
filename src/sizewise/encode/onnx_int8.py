"""ONNX graphs in int8: weights with a scale for each output, activations with scales that are chosen as they run.

Such a scale is the whole run's, so one large number coarsens all others. Two things keep them alike: what comes out of
a normalisation is smoothed into the weights (SmoothQuant, Xiao et al. 2023), and what comes out of a GELU, where single
tokens are far larger than the rest, has a scale for each token.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from sizewise.encode.onnx_graph import INPUTS, without_hints
from sizewise.encode.tokens import Tokens

SMOOTHING = 0.5
"""How much of an activation's range moves into the weights (alpha in SmoothQuant)."""
LARGER = 2.0
"""How many times its tokens' mean the largest of a text is where each has a scale of its own: they cost time, and
where all are alike they gain nothing."""
LEAST, ZERO, TOP = -0.17, 24, 255
"""The least value of a GELU, the code of 0 and the largest code: with them -0.17 has a code if the largest value of a
token is taken as at least LEAST / ZERO * (ZERO - TOP) = 1.64."""
NORMALISATIONS = ("LayerNormalization", "SkipLayerNormalization", "EmbedLayerNormalization")
GELUS = ("Gelu", "BiasGelu", "FastGelu")
PRODUCTS = ("MatMul", "Attention")

Array = npt.NDArray[np.float32]


def quantized(graph: onnx.ModelProto, calibration: Tokens, bits: int) -> onnx.ModelProto:
    """`graph` with its products of weights in int8, of which `bits` (7 or 8) are used; ranges are from `calibration`,
    each of its texts alone."""
    smoothed = _fed_by(graph.graph, NORMALISATIONS)
    activated = _fed_by(graph.graph, GELUS)
    ranges, spread = _ranges(graph, (*smoothed, *activated), calibration)
    for tensor, products in smoothed.items():
        _smooth(graph.graph, tensor, products, ranges[tensor])
    apart = [product.name for tensor, products in activated.items() if spread[tensor] > LARGER for product in products]
    found = _dynamic(graph, apart, bits)
    for product in [node for node in found.graph.node if node.name in apart]:
        _by_token(found.graph, product, bits)
    return found


def _fed_by(graph: onnx.GraphProto, kinds: Sequence[str]) -> dict[str, list[onnx.NodeProto]]:
    """Products of a weight and a tensor that a node of `kinds` makes, by that tensor."""
    weights = {weight.name for weight in graph.initializer}
    made = {name for node in graph.node if node.op_type in kinds for name in node.output}
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node.op_type in PRODUCTS and node.input[0] in made and node.input[1] in weights:
            found.setdefault(node.input[0], []).append(node)
    return found


def _ranges(
    graph: onnx.ModelProto, tensors: Sequence[str], calibration: Tokens
) -> tuple[dict[str, Array], dict[str, float]]:
    """The largest magnitude of each channel of `tensors`, and the mean over texts of how many times its tokens' mean
    the largest token is."""
    probe = onnx.ModelProto()
    probe.CopyFrom(graph)
    probe.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors)
    largest: dict[str, Array] = {}
    spread: dict[str, list[float]] = {name: [] for name in tensors}
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    for inputs in _alone(calibration):
        for name, values in zip(tensors, session.run(list(tensors), inputs), strict=True):
            magnitudes = np.abs(values[0])
            largest[name] = np.maximum(largest.get(name, 0.0), magnitudes.max(0))
            of_tokens = magnitudes.max(1)
            spread[name].append(float(of_tokens.max() / of_tokens.mean()))
    return largest, {name: float(np.mean(found)) for name, found in spread.items()}


def _alone(tokens: Tokens) -> Iterator[dict[str, npt.NDArray[np.int64]]]:
    for start, end in zip(tokens.starts, tokens.starts[1:], strict=False):
        if end > start:
            ids = tokens.ids[start:end].astype(np.int64)[None]
            yield dict(zip(INPUTS, (ids, np.ones_like(ids)), strict=True))


def _smooth(graph: onnx.GraphProto, tensor: str, products: Sequence[onnx.NodeProto], largest: Array) -> None:
    """Divide `tensor` before `products` by what their weights are multiplied with."""
    stored = {weight.name: weight for weight in graph.initializer}
    weights = {node.input[1]: numpy_helper.to_array(stored[node.input[1]]) for node in products}
    heaviest = np.max([np.abs(weight).max(1) for weight in weights.values()], axis=0)
    factor = np.maximum(largest, 1e-5) ** SMOOTHING / np.maximum(heaviest, 1e-5) ** (1 - SMOOTHING)
    factor = factor.astype(np.float32)
    for name, weight in weights.items():
        stored[name].CopyFrom(numpy_helper.from_array(weight * factor[:, None], name))
    smoothed, inverse = f"{tensor}_smoothed", f"{tensor}_inverse"
    graph.initializer.append(numpy_helper.from_array(1 / factor, inverse))
    first = next(at for at, node in enumerate(graph.node) if node.name in {product.name for product in products})
    for node in products:
        node.input[0] = smoothed
    graph.node.insert(first, helper.make_node("Mul", [tensor, inverse], [smoothed], smoothed))


def _dynamic(graph: onnx.ModelProto, apart: Sequence[str], bits: int) -> onnx.ModelProto:
    """With a scale for each run, but for the nodes named in `apart`."""
    with TemporaryDirectory() as folder, without_hints():
        whole, made = Path(folder) / "whole.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, whole)
        quantize_dynamic(
            whole,
            made,
            op_types_to_quantize=list(PRODUCTS),
            per_channel=True,
            reduce_range=bits == 7,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(apart),
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
        )
        return onnx.load(made)


def _by_token(graph: onnx.GraphProto, product: onnx.NodeProto, bits: int) -> None:
    """In the place of `product`: its input from a GELU in codes of uint8, with a scale for each token."""
    stored = {weight.name: weight for weight in graph.initializer}
    values, name = product.input
    weight = numpy_helper.to_array(stored[name])
    scale = (np.maximum(np.abs(weight).max(0), 1e-12) / (2 ** (bits - 1) - 1)).astype(np.float32)
    graph.initializer.remove(stored[name])
    own = {
        "least": np.float32(LEAST / ZERO * (ZERO - TOP)),
        "step": np.float32(1 / (TOP - ZERO)),
        "zero": np.uint8(ZERO),
        "weight": np.rint(weight / scale).astype(np.int8),
        "scale": scale,
    }
    at = {key: f"{product.name}_{key}" for key in (*own, "top", "range", "unit", "codes", "product")}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(array), at[key]) for key, array in own.items())
    steps = [
        helper.make_node("ReduceMax", [values], [at["top"]], axes=[-1], keepdims=1),
        helper.make_node("Max", [at["top"], at["least"]], [at["range"]]),
        helper.make_node("Div", [values, at["range"]], [at["unit"]]),
        helper.make_node("QuantizeLinear", [at["unit"], at["step"], at["zero"]], [at["codes"]]),
        helper.make_node(
            "MatMulIntegerToFloat",
            [at["codes"], at["weight"], at["step"], at["scale"], at["zero"]],
            [at["product"]],
            domain="com.microsoft",
        ),
        helper.make_node("Mul", [at["product"], at["range"]], list(product.output)),
    ]
    place = list(graph.node).index(product)
    graph.node.remove(product)
    for further, node in enumerate(steps):
        graph.node.insert(place + further, node)
