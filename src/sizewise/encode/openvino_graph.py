"""OpenVINO graphs made from torch, and quantised: needs torch, transformers and NNCF, which running them does not."""

import logging
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import nncf
import openvino
import torch
from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters, OverflowFix

from sizewise.encode.network import Network, RowsGraph, TextsGraph, rows_agree
from sizewise.encode.tokens import Tokens

NAMES = ("last_hidden_state", "sentence_embedding")
SMOOTHING = 0.85
"""How much of an activation's range moves into the weights (alpha in SmoothQuant). NNCF's 0.95 served short sentences
worse with MiniLM, and 0.5 all."""


def convert(network: Network) -> tuple[openvino.Model, bool]:
    """The graph in float32, and whether its rows may hold several texts."""
    shares_rows = rows_agree(network)
    module = (RowsGraph if shares_rows else TextsGraph)(network).eval()
    ids, mask = torch.full((2, 16), 5), torch.ones(2, 16, dtype=torch.int64)
    mask[1, 9:] = 2 if shares_rows else 0
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer and of what it looks at
        graph = openvino.convert_model(module, example_input=(ids, mask))
    for put, name in zip(graph.outputs, NAMES, strict=True):
        put.get_tensor().set_names({name})
    return graph, shares_rows


def quantized(graph: openvino.Model, calibration: Tokens, bits: int) -> openvino.Model:
    """Products with weights in int8 (`bits`: 7 or 8), ranges from `calibration`, outliers smoothed into the weights.

    Products of activations stay as they are, but for attention's queries and keys where it is one step of the graph:
    NNCF rounds those.
    """
    nncf.set_log_level(logging.ERROR)
    of_activations = [
        node.get_friendly_name()
        for node in graph.get_ops()
        if node.get_type_name() == "MatMul" and node.input_value(1).get_node().get_type_name() != "Constant"
    ]
    with redirect_stdout(StringIO()):  # its progress bars, which would cross ours
        return nncf.quantize(
            graph,
            nncf.Dataset([_alone(calibration, at) for at in range(len(calibration))]),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(names=of_activations),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=OverflowFix.ENABLE if bits == 7 else OverflowFix.DISABLE,
                smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=SMOOTHING),
            ),
        )


def save(graph: openvino.Model, path: Path) -> None:
    """As `path` and a .bin beside it, weights as they are."""
    openvino.save_model(graph, path, compress_to_fp16=False)


def _alone(tokens: Tokens, at: int) -> tuple[Any, Any]:
    ids = tokens.ids[tokens.starts[at] : tokens.starts[at + 1]].astype("int64")[None]
    return ids, ids * 0 + 1
