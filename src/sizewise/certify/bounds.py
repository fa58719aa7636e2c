"""What is asked of an engine, by the precision of its weights."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least cosines; `lengths` is the largest relative difference of two vectors' lengths, asked of models that are
    compared by dot product. None: nothing is asked."""

    worst: float
    p1: float | None
    p5: float | None
    mean: float | None
    neighbours: float
    """Of a text's vector alone and in any batch, and of the vectors of two copies of one text."""
    lengths: float


FLOAT32 = Bounds(0.9999, None, None, None, 0.9999, 1e-3)
SHORT = Bounds(0.9995, None, None, None, 0.9999, 2e-2)
COARSE = Bounds(0.92, 0.98, 0.99, 0.996, 0.998, 5e-2)
BOUNDS: Mapping[str, Bounds] = {
    "float32": FLOAT32,
    "bfloat16": SHORT,
    "float16": SHORT,
    "int8": COARSE,
    "float8": COARSE,  # chosen as for int8: no experience yet
}
