"""How far apart two runs of the same pipeline may be, by the precision of its weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from sizewise.core.candidate import Candidate, Cross, Embed, leaves


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What `verify` lets pass. On one machine two runs agree to the last bit; other processors round otherwise."""

    cosine: float
    """Least cosine of two vectors of one text."""
    length: float
    """Largest relative difference of their lengths."""
    near_tie: float
    """Scores this close, as a share of the spread of a ranking's scores, may change places."""
    points: float
    """Of a score x100."""

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(**found)


EXACT = Tolerance(cosine=0.99999, length=1e-3, near_tie=0.02, points=0.1)
"""float32. Measured on all-MiniLM-L6-v2: a text alone and in a batch differ by less than 1e-11 from a cosine of 1."""
SHORT = Tolerance(cosine=0.999, length=2e-2, near_tie=0.1, points=0.5)
"""16 bits and whatever comes. Measured on all-MiniLM-L6-v2: a text alone and in a batch differ by up to 1.1e-4."""

COARSE = Tolerance(cosine=0.995, length=2e-2, near_tie=0.2, points=0.5)
"""8 bits: where another processor rounds a number to the next step, the error is a whole step."""


def tolerance(candidate: Candidate) -> Tolerance:
    """Of a candidate, by the weights of its encoders, the widest; bm25 is exact."""
    precisions = [one.model.precision for one in leaves(candidate) if isinstance(one, Embed | Cross)]
    found = [{"float32": EXACT, "int8": COARSE, "float8": COARSE}.get(precision, SHORT) for precision in precisions]
    return min(found, key=lambda one: one.cosine, default=EXACT)
