"""Who runs: the default, its best setting, its own other backends, peers, and ours."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contenders.peers import DEFAULT_MODEL, STATIC_DIMENSIONS, Place, reference_folder
from sizewise.core.candidate import Embed
from sizewise.core.grammar import SHORT, parse
from sizewise.encode.numeric import has_bfloat16

DEFAULT = "sentence-transformers"
BEST = "sentence-transformers, best setting"
PRECISIONS = ("bf16", "fp32/openvino", "bf16/openvino", "int8/openvino", "fp32/onnx", "int8/onnx")


@dataclass(frozen=True)
class Contender:
    """Somebody to be started. `trouble` says why that is not even tried."""

    name: str
    python: Path
    start: dict[str, Any]
    precision: str | None
    """What its matrix products are in; None for static models, which have none."""
    ours: bool = False
    trouble: str | None = None


def default(place: Place, model: str, precision: str = "fp32", name: str = DEFAULT) -> Contender:
    """sentence-transformers on torch."""
    folder = str(reference_folder(place, model))
    start = {"kind": "sentence-transformers", "folder": folder, "precision": precision}
    return Contender(name, Path(sys.executable), start, precision)


def others(place: Place, model: str, candidates: Sequence[str]) -> Iterator[Contender]:
    """Peers (for the embedded model; of others only sentence-transformers) and ours."""
    if model == DEFAULT_MODEL:
        yield from _peers(place)
    chosen = [f"{model}@{precision}" for precision in PRECISIONS]
    if model == DEFAULT_MODEL:
        chosen.append(f"static:{place.model('static')}")
    for candidate in candidates or chosen:
        tree = parse(candidate)
        if not isinstance(tree, Embed) or tree.steps:
            raise SystemExit(f"{candidate} is not one encoder; give a model, its precision and its runtime")
        precision = None if candidate.startswith("static:") else SHORT[tree.model.precision]
        trouble = place.trouble("model static") if candidate == chosen[-1] and precision is None else None
        start = {"kind": "sizewise", "candidate": candidate}
        yield Contender(_label(candidate), Path(sys.executable), start, precision, True, trouble)


def _label(candidate: str) -> str:
    return "sizewise static" if candidate.startswith("static:") else f"sizewise {candidate}"


def _peers(place: Place) -> Iterator[Contender]:
    exported = str(place.model("exported"))
    for backend in ("openvino", "onnx"):
        start = {
            "kind": "sentence-transformers",
            "folder": str(place.model(f"st-{backend}")),
            "precision": "fp32",
            "backend": backend,
        }
        # OpenVINO, if it is told nothing else, takes bfloat16 where the processor has it
        precision = "bf16" if backend == "openvino" and has_bfloat16() else "fp32"
        yield _peer(place, f"{DEFAULT}, {backend}", f"st-{backend}", f"model {backend}", start, precision)
    torch = {"kind": "infinity", "engine": "torch", "folder": str(place.model(DEFAULT_MODEL))}
    yield _peer(place, "infinity, torch", "infinity", "model reference", torch)
    onnx = {"kind": "infinity", "engine": "optimum", "folder": str(place.model("exported-flat"))}
    yield _peer(place, "infinity, onnx", "infinity", "model exported", onnx)
    fast = {"kind": "fastembed", "folder": exported, "dimensions": 384}
    yield _peer(place, "fastembed", "fastembed", "model exported", fast)
    static = {"kind": "model2vec", "folder": str(place.model("static")), "dimensions": STATIC_DIMENSIONS}
    yield _peer(place, "model2vec", "model2vec", "model static", static, None)


def _peer(
    place: Place, name: str, peer: str, model: str, start: dict[str, Any], precision: str | None = "fp32"
) -> Contender:
    trouble = place.trouble(peer)
    if trouble is not None:
        trouble = f"did not install: {trouble}"
    elif (failed := place.trouble(model)) is not None:
        trouble = f"its model could not be made: {failed}"
    return Contender(name, place.python(peer), start, precision, trouble=trouble)
