"""ONNX graphs made from torch, fused and quantised: needs torch, transformers and onnx, which running them does not."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer

from sizewise.encode.network import Network, TextsGraph

INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("last_hidden_state", "sentence_embedding")
OPSET = 17
FUSED = ("bert", "roberta", "xlm-roberta", "distilbert")
"""Families whose attention, normalisation and activation onnxruntime knows as one step each."""


def export(network: Network, path: Path, *, int8: bool) -> None:
    """Write the graph to `path`. int8: weights with a scale for each output, activations with one for each run."""
    _trace(network, path)
    family = network.body.config.model_type
    if family in FUSED:
        config = network.body.config
        logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
        fused = optimizer.optimize_model(
            str(path),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            opt_level=0,
        )
        fused.save_model_to_file(str(path), use_external_data_format=False)
    if int8:
        half = path.with_suffix(".float32")
        path.rename(half)
        logging.getLogger().setLevel(logging.WARNING)
        quantize_dynamic(
            half,
            path,
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
        )
        half.unlink()


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
