"""Where the time of an OpenVINO graph goes, by kinds of steps: one thread, the blocks that the encoder runs."""

import argparse
import json
from collections import Counter
from typing import Any

import numpy as np
import openvino
from rich.console import Console
from rich.table import Table

from contenders.peers import Place
from contenders.workloads import workloads
from sizewise.core.environment import environment
from sizewise.core.grammar import parse
from sizewise.encode.openvino import GRAPH, OpenVINOEncoder
from sizewise.encode.resolve import resolve

ENGINES = ("bf16/openvino", "int8/openvino")
TEXTS = 256
REPEATS = 5
PRODUCTS = "products with weights"
KINDS = (
    (PRODUCTS, ("FullyConnected",)),
    ("attention, and what is joined into one step", ("Subgraph", "ScaledAttn", "MHA", "MatMul", "Softmax")),
    ("normalisation", ("MVN", "RMSNorm", "LayerNorm")),
    ("moving data", ("Transpose", "Reorder", "Reshape", "Concatenation", "Gather", "Convert", "StridedSlice", "Split")),
)


def run(place: Place, given: argparse.Namespace) -> None:
    """Profile, print, and write the JSON."""
    result: dict[str, Any] = {"schema": 1, "environment": environment(1), "model": given.model, "profiles": []}
    for load in workloads(given.model, given.workloads, TEXTS):
        for engine in ENGINES:
            encoder = resolve(parse(f"{given.model}@{engine}").model)
            assert isinstance(encoder, OpenVINOEncoder)
            shares = _shares(encoder, load.texts)
            result["profiles"].append({"engine": engine, "workload": load.name, "shares": shares})
    path = given.json or place.work / "profile.json"
    path.write_text(json.dumps(result, indent=1))
    _show(result)
    print(f"\nraw values: {path}")


def _shares(encoder: OpenVINOEncoder, texts: list[str]) -> dict[str, float]:
    """Of the time of all steps, the largest first."""
    encoder.load()
    tokens = encoder._tokenizer(texts)
    blocks = encoder.blocks(tokens.lengths, encoder.tuning.tokens)
    settings = {"INFERENCE_PRECISION_HINT": encoder._run._hint, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    settings |= {"PERF_COUNT": True, "CPU_DENORMALS_OPTIMIZATION": True}
    assert encoder._folder is not None
    compiled = openvino.Core().compile_model(encoder._folder / GRAPH, "CPU", settings)
    request = compiled.create_infer_request()
    joined = {node.get_friendly_name(): _joined(node) for node in compiled.get_runtime_model().get_ops()}
    spent: Counter[str] = Counter()
    for repeat in range(REPEATS + 1):
        for block in blocks:
            request.infer(list(block.fill(tokens.take(block.texts))))
            for step in request.profiling_info if repeat else ():
                spent[_kind(step.node_type, joined.get(step.node_name, ""))] += step.real_time.total_seconds()
    total = sum(spent.values())
    return {kind: round(seconds / total, 4) for kind, seconds in spent.most_common()}


def _joined(node: openvino.Node) -> str:
    """The names of the steps that were joined into this one."""
    about = node.get_rt_info()
    return str(about["originalLayersNames"].astype(str)) if "originalLayersNames" in about else ""


def _kind(node: str, joined: str) -> str:
    found = next((kind for kind, parts in KINDS if any(part in node for part in parts)), "other")
    return f"{found}, GELU within" if found == PRODUCTS and "gelu" in joined.lower() else found


def _show(result: dict[str, Any]) -> None:
    columns = [f"{one['engine']} {one['workload']}" for one in result["profiles"]]
    table = Table("share of the time", *columns)
    kinds = [*dict.fromkeys(kind for one in result["profiles"] for kind in one["shares"])]
    mean = {kind: np.mean([one["shares"].get(kind, 0.0) for one in result["profiles"]]) for kind in kinds}
    for kind in sorted(kinds, key=lambda kind: -mean[kind]):
        table.add_row(kind, *(f"{100 * one['shares'].get(kind, 0.0):.0f}%" for one in result["profiles"]))
    Console(width=150).print(table)
