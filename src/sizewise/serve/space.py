"""The vectors that a bundle gives: floats at the widths that were measured, and the codes of its candidate."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from sizewise.bundle.modules import floats
from sizewise.core.candidate import ROLES, Role
from sizewise.core.errors import InputError
from sizewise.encode.encoder import Encoder
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.transform.chain import Chain, unit
from sizewise.transform.quantize import Binary, Int8
from sizewise.transform.transform import Codes, Vectors

Kind = Literal["float", "int8", "binary", "ubinary"]
Encoding = Literal["float", "base64"]


@dataclass(frozen=True)
class Space:
    """One encoder and its transforms."""

    encoder: Encoder
    prompts: Mapping[Role, str]
    chain: Chain
    widths: tuple[int, ...]
    """Dimensions that floats may have, the bundle's own first: those that were measured."""

    @classmethod
    def of(cls, pipeline: Pipeline, measured: Sequence[int]) -> Self | None:
        """Of a bundle of one encoder; None of others: several encoders have several spaces. `measured`: dimensions that
        its vectors were cut to and scored."""
        if not isinstance(pipeline, EmbedPipeline):
            return None
        own = floats(pipeline.chain).dimensions
        fewer = sorted({width for width in measured if 0 < width < own}, reverse=True)
        prompts = {role: pipeline.prompts.get(role, "") for role in ROLES}
        return cls(pipeline.encoder, prompts, pipeline.chain, (own, *fewer))

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What vectors may be given as."""
        last = self.chain.transforms[-1] if self.chain.transforms else None
        if isinstance(last, Int8):
            return ("float", "int8")
        return ("float", "binary", "ubinary") if isinstance(last, Binary) else ("float",)

    def check(self, kind: str, width: int | None) -> None:
        """Raises InputError, with what there is, for a kind or width that was not measured."""
        if kind not in self.kinds:
            raise InputError(f"this model's vectors were measured as {_among(self.kinds)}, and {kind!r} was asked for")
        allowed = self.widths if kind == "float" else self.widths[:1]
        if width is not None and width not in allowed:
            raise InputError(
                f"this model's vectors were measured in {_among(allowed)} dimensions"
                f"{'' if kind == 'float' else f' as {kind}'}, and {width} were asked for"
            )

    def given(self, vectors: Vectors, role: Role, kind: Kind = "float", width: int | None = None) -> Codes:
        """What is given for the encoder's vectors float32 [n, d]: float32 [n, width], cut and scaled to length one
        again; int8 [n, d']; or bits, eight dimensions a byte, the first one highest, as uint8 [n, d'/8] (`ubinary`) or
        as int8, 128 less (`binary`)."""
        queries = role == "query"
        if kind == "float":
            chain = floats(self.chain)
            made = np.asarray(chain.queries(vectors) if queries else chain.documents(vectors), dtype=np.float32)
            if width is None or width == self.widths[0]:
                return np.ascontiguousarray(made)
            cut = np.ascontiguousarray(made[:, :width])
            return unit(cut) if self.chain.cosine else cut
        if kind == "int8":
            return self.chain.queries(vectors) if queries else self.chain.documents(vectors)
        bits = np.packbits(self.chain.documents(vectors) > 0, axis=1)
        return bits if kind == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)


def written(vectors: Codes, encoding: Encoding) -> list[Any]:
    """Each row for JSON: numbers (for orjson), or the base64 of its bytes, little-endian."""
    if encoding == "float":
        return list(vectors)
    rows = vectors.astype(vectors.dtype.newbyteorder("<"), copy=False)
    return [b64encode(row.tobytes()).decode("ascii") for row in rows]


def _among(values: Sequence[Any]) -> str:
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last
