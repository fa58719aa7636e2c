"""ONNX graphs made from torch and fused: needs torch, transformers and onnx, which running them does not."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from onnx import helper, numpy_helper
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

from sizewise.encode.network import Network, TextsGraph

INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("last_hidden_state", "sentence_embedding")
OPSET = 17
FUSED = ("bert", "roberta", "xlm-roberta", "distilbert")
"""Families whose attention, normalisation and activation onnxruntime knows as one step each."""


def convert(network: Network, path: Path) -> onnx.ModelProto:
    """The graph in float32. It is traced to `path`, which is left there."""
    _trace(network, path)
    if network.body.config.model_type not in FUSED:
        return onnx.load(path)
    with without_hints():
        fused = _fused(network, path)
    if not network.typed:
        _without_types(fused.graph)
    return fused


def _trace(network: Network, path: Path) -> None:
    ids, mask = torch.full((2, 16), 5), torch.ones(2, 16, dtype=torch.int64)
    mask[1, 9:] = 0
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, on conditions that do not change with the text
        torch.onnx.export(
            TextsGraph(network).eval(),
            (ids, mask),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={
                **{name: {0: "batch", 1: "tokens"} for name in (*INPUTS, OUTPUTS[0])},
                OUTPUTS[1]: {0: "batch"},
            },
            opset_version=OPSET,
            dynamo=False,
        )


def _fused(network: Network, path: Path) -> onnx.ModelProto:
    config, options = network.body.config, FusionOptions("bert")
    options.use_raw_attention_mask(True)  # else only padding behind a text would be left out
    heads, hidden = config.num_attention_heads, config.hidden_size
    fused: onnx.ModelProto = optimizer.optimize_model(
        str(path), model_type="bert", num_heads=heads, hidden_size=hidden, opt_level=0, optimization_options=options
    ).model
    fused.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return fused


def _without_types(graph: onnx.GraphProto) -> None:
    """A network that was traced without token types has those of 0 everywhere, made anew for each text in a dozen
    steps. They are added to the positions once."""
    weights = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "EmbedLayerNormalization" and node.input[1] and node.input[4] in weights:
            positions, types = weights[node.input[3]], weights[node.input[4]]
            both = numpy_helper.to_array(positions) + numpy_helper.to_array(types)[0]
            positions.CopyFrom(numpy_helper.from_array(both, positions.name))
            node.input[1] = node.input[4] = ""
    _prune(graph)


def _prune(graph: onnx.GraphProto) -> None:
    """Remove what nothing reads."""
    read = {name for node in graph.node for name in node.input} | {put.name for put in graph.output}
    while idle := [node for node in graph.node if read.isdisjoint(node.output)]:
        for node in idle:
            graph.node.remove(node)
        read = {name for node in graph.node for name in node.input} | {put.name for put in graph.output}
    for weight in [weight for weight in graph.initializer if weight.name not in read]:
        graph.initializer.remove(weight)


@contextmanager
def without_hints() -> Iterator[None]:
    """onnxruntime logs advice on what else could be done to a graph."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
