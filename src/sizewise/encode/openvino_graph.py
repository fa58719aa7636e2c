"""OpenVINO graphs made from torch, and quantised: needs torch, transformers and NNCF, which running them does not."""

import logging
from pathlib import Path
from typing import Any

import nncf
import openvino
import torch

from sizewise.encode.network import Network, RowsGraph, TextsGraph, rows_agree
from sizewise.encode.tokens import Tokens

NAMES = ("last_hidden_state", "sentence_embedding")


def convert(network: Network) -> tuple[openvino.Model, bool]:
    """The graph in float32, and whether its rows may hold several texts."""
    shares_rows = rows_agree(network)
    module = (RowsGraph if shares_rows else TextsGraph)(network).eval()
    ids, mask = torch.full((2, 16), 5), torch.ones(2, 16, dtype=torch.int64)
    mask[1, 9:] = 2 if shares_rows else 0
    with torch.inference_mode():
        graph = openvino.convert_model(module, example_input=(ids, mask))
    for put, name in zip(graph.outputs, NAMES, strict=True):
        put.get_tensor().set_names({name})
    return graph, shares_rows


def quantized(graph: openvino.Model, calibration: Tokens, vocabulary: int | None) -> openvino.Model:
    """Matrix products in int8, their ranges from `calibration`, outliers smoothed into the weights."""
    nncf.set_log_level(logging.ERROR)
    return nncf.quantize(
        graph,
        nncf.Dataset([_alone(calibration, at, vocabulary) for at in range(len(calibration))]),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(calibration),
    )


def save(graph: openvino.Model, path: Path) -> None:
    """As `path` and a .bin beside it, weights as they are."""
    openvino.save_model(graph, path, compress_to_fp16=False)


def _alone(tokens: Tokens, at: int, vocabulary: int | None) -> tuple[Any, Any]:
    ids = tokens.ids[tokens.starts[at] : tokens.starts[at + 1]].astype("int64")[None]
    return ids % vocabulary if vocabulary else ids, ids * 0 + 1
