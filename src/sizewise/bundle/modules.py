"""Transforms as modules of sentence-transformers, so that it loads a bundle as it is: Dense, then Normalize."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sizewise.bundle.parameters import save_arrays
from sizewise.store.files import to_json
from sizewise.transform.chain import Chain
from sizewise.transform.transform import Transform, Vectors

DENSE, NORMALIZE = "sentence_transformers.models.Dense", "sentence_transformers.models.Normalize"
"""By the names that releases old and new know."""

Linear = tuple[Vectors, Vectors | None]


def floats(chain: Chain) -> Chain:
    """The chain without its quantiser: what other libraries compute, and what canary vectors are."""
    return Chain(tuple(one for one in chain.transforms if not one.is_quantiser), chain.cosine, chain.incoming)


def linear(chain: Chain) -> list[Linear] | None:
    """Matrix and added vector of each float transform; None when one of them is not linear, or not alike for queries
    and documents."""
    found, dimensions = [], chain.incoming
    for transform in floats(chain).transforms:
        one = transform.linear(dimensions)
        if one is None or type(transform).apply_queries is not Transform.apply_queries:
            return None
        found.append(one)
        dimensions = transform.dimensions(dimensions)
    return found


def append(folder: Path, transforms: list[Linear], *, cosine: bool) -> None:
    """Add `transforms` to the model in `folder`, vectors being scaled to length one before and after each of them where
    they are compared by cosine, as `Chain` does."""
    if not transforms:
        return
    modules = orjson.loads((folder / "modules.json").read_bytes())
    for kind, weights in _wanted(transforms, cosine=cosine):
        if kind == NORMALIZE and modules[-1]["type"].endswith(".Normalize"):
            continue
        at = len(modules)
        path = _unused(f"{at}_{kind.rpartition('.')[2]}", lambda name: (folder / name).exists())
        if weights is not None:
            _write_dense(folder / path, *weights)
        names = {module["name"] for module in modules}
        name = _unused(str(at), names.__contains__)
        modules.append({"idx": at, "name": name, "path": path, "type": kind})
    (folder / "modules.json").write_bytes(to_json(modules))


def _wanted(transforms: list[Linear], *, cosine: bool) -> Iterator[tuple[str, Linear | None]]:
    if cosine:
        yield NORMALIZE, None
    for one in transforms:
        yield DENSE, one
        if cosine:
            yield NORMALIZE, None


def _unused(name: str, taken: Callable[[str], bool]) -> str:
    while taken(name):
        name += "_"
    return name


def _write_dense(folder: Path, weight: Vectors, added: Vectors | None) -> None:
    """A Dense module in float32; sentence-transformers casts it to the precision of the network before it."""
    folder.mkdir()
    config: dict[str, Any] = {
        "in_features": weight.shape[0],
        "out_features": weight.shape[1],
        "bias": added is not None,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    (folder / "config.json").write_bytes(to_json(config))
    arrays = {"linear.weight": np.ascontiguousarray(weight.T)}
    if added is not None:
        arrays["linear.bias"] = added
    save_arrays(folder / "model.safetensors", arrays)
