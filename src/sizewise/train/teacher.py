"""The teacher: what it makes of the training texts, from the store."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.core.rows import blocks
from sizewise.encode.encoder import Encoder, Trust
from sizewise.encode.numeric import has_bfloat16
from sizewise.encode.resolve import resolve
from sizewise.encode.stored import stored_vectors
from sizewise.encode.torch import device
from sizewise.pipeline.bench import Bench
from sizewise.transform.chain import unit

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Teacher:
    """A model whose vectors another one is to make."""

    encoder: Encoder
    """What makes them: another precision or runtime than that of the model, where its name leaves that open."""
    role: Role = "text"

    @classmethod
    def of(cls, model: Model, trust: Trust, role: Role = "text") -> "Teacher":
        """Raises InputError for what has no quality to hand on, or is not compared by cosine."""
        if model.is_shape:
            raise InputError(f"{model.name} has random weights, from which nothing can be learned; name a real model")
        encoder = resolve(quick(model), trust)
        if encoder.similarity != "cosine":
            raise InputError(
                f"{model.name} is compared by dot products, and training follows directions only; name a model that is "
                "compared by cosine"
            )
        return cls(encoder, role)

    @property
    def prompt(self) -> str:
        """What it puts before texts of its role."""
        return self.encoder.prompt(self.role)

    def vectors(self, texts: list[str], bench: Bench, path: Path) -> Vectors:
        """float32 [n, d] of unit length, mapped from the file `path`, which is made unless it is there."""
        if not path.is_file():
            rows = stored_vectors(bench.store, self.encoder, texts, self.role, self.prompt, bench.progress)
            self.encoder.unload()
            half = path.with_suffix(".half")
            found = np.lib.format.open_memmap(half, "w+", np.float32, (len(rows), rows.dimensions))
            for start, stop in blocks(rows):
                found[start:stop] = unit(rows.block(start, stop))
            found.flush()
            half.replace(path)
        mapped: Vectors = np.load(path, mmap_mode="r")
        return mapped


def quick(model: Model) -> Model:
    """`model` as it runs quickest here at its vectors to three digits, where its name leaves that open."""
    plain = Model(model.name, prompts=model.prompts)
    if model != plain or ":" in model.name:
        return model
    if device() == "cuda":
        return replace(model, precision="bfloat16", runtime="packed")
    return replace(model, precision="bfloat16" if has_bfloat16() else "float32", runtime="openvino")
