"""What a bundle folder holds, and `sizewise.json`: the pipeline as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import orjson

from sizewise.core.candidate import ROLES, Candidate, Embed, Role
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.encode.encoder import Similarity
from sizewise.store.files import write_json

SCHEMA = 1
PIPELINE = "sizewise.json"
TRANSFORMS = "transforms.safetensors"
CANARY_TEXTS = "canary.json"
CANARIES = "canary.safetensors"
CERTIFICATE = "certificate.json"
CARD = "README.md"
MODEL = "model"
"""Where the model lies when other libraries must not load the folder as it is: they would leave a transform out."""


def is_bundle(folder: Path) -> bool:
    """Whether `folder` is a bundle, if perhaps a damaged one."""
    return any((folder / name).is_file() for name in (PIPELINE, CERTIFICATE))


@dataclass(frozen=True)
class Layout:
    """`sizewise.json`: the candidate, and where and how its parts lie in the folder."""

    candidate: Candidate
    model: str | None = None
    """The model's folder in the bundle; "." where the bundle itself is one that sentence-transformers loads; None: no
    model (bm25)."""
    encoder: Mapping[str, Any] | None = None
    """What the encoder's class needs to restore it."""
    prompts: Mapping[Role, str] | None = None
    similarity: Similarity = "cosine"
    incoming: int = 0
    """Dimensions of the encoder's vectors."""

    @property
    def loads_elsewhere(self) -> bool:
        """Whether sentence-transformers loads the folder as it is, with the vectors of the pipeline before int8 or
        binary."""
        return self.model == "."

    def write(self, folder: Path) -> None:
        about: dict[str, Any] = {"schema": SCHEMA, "candidate": str(self.candidate)}
        if isinstance(self.candidate, Embed):
            about |= {
                "model": self.model,
                "encoder": dict(self.encoder or {}),
                "precision": self.candidate.model.precision,
                "runtime": self.candidate.model.runtime,
                "prompts": dict(self.prompts or {}),
                "similarity": self.similarity,
                "dimensions": self.incoming,
                "steps": [str(step) for step in self.candidate.steps],
                "rescore": self.candidate.rescore,
            }
        write_json(folder / PIPELINE, about)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises InputError when `folder` is no bundle, or one of another version."""
        path = folder / PIPELINE
        about = read_json(path)
        if about.get("schema") != SCHEMA:
            raise InputError(f"{path} has schema {about.get('schema')}, and this version reads {SCHEMA}")
        try:
            candidate = parse(about["candidate"])
            if not isinstance(candidate, Embed):
                return cls(candidate)
            return cls(
                candidate,
                str(about["model"]),
                dict(about["encoder"]),
                {role: str(about["prompts"][role]) for role in ROLES},
                cast("Similarity", about["similarity"]),
                int(about["dimensions"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is not as this version writes it ({error!r}); build the bundle again") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a bundle. Raises InputError when there is none."""
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path.parent} is no bundle: there is no {path.name}; make one with sizewise build") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} cannot be read (it holds no JSON object)")
    return found
