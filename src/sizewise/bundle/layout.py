"""What a bundle folder holds, and `sizewise.json`: the pipeline as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self, cast

import orjson

from sizewise.core.candidate import ROLES, Embed, Part, Role
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse_part
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

    candidate: Part
    """A cross-encoder only as a part of another."""
    model: str | None = None
    """The model's folder in the bundle; "." where the bundle itself is one that sentence-transformers loads; None: no
    model (bm25), or those of the parts."""
    encoder: Mapping[str, Any] | None = None
    """What the encoder's class needs to restore it."""
    prompts: Mapping[Role, str] | None = None
    similarity: Similarity = "cosine"
    incoming: int = 0
    """Dimensions of the encoder's vectors."""
    learned: str = TRANSFORMS
    """The file of what was fitted: transforms, or an alignment."""
    parts: "tuple[Layout, ...]" = ()
    """What a hybrid is put together from, each once."""

    @property
    def loads_elsewhere(self) -> bool:
        """Whether sentence-transformers loads the folder as it is, with the vectors of the pipeline before int8 or
        binary."""
        return self.model == "."

    def write(self, folder: Path) -> None:
        write_json(folder / PIPELINE, {"schema": SCHEMA, **self.to_json()})

    def to_json(self) -> dict[str, Any]:
        """Without the schema."""
        about: dict[str, Any] = {"candidate": str(self.candidate)}
        if self.model is not None:
            about |= {
                "model": self.model,
                "encoder": dict(self.encoder or {}),
                "prompts": dict(self.prompts or {}),
                "similarity": self.similarity,
                "dimensions": self.incoming,
                "learned": self.learned,
            }
        if isinstance(self.candidate, Embed):
            about |= {
                "precision": self.candidate.model.precision,
                "runtime": self.candidate.model.runtime,
                "steps": [str(step) for step in self.candidate.steps],
                "rescore": self.candidate.rescore,
            }
        return about | ({"parts": [part.to_json() for part in self.parts]} if self.parts else {})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises InputError when `folder` is no bundle, or one of another version."""
        path = folder / PIPELINE
        about = read_json(path)
        if about.get("schema") != SCHEMA:
            raise InputError(f"{path} has schema {about.get('schema')}, and this version reads {SCHEMA}")
        try:
            return cls.from_json(about)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is not as this version writes it ({error!r}); build the bundle again") from None

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> Self:
        """What `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        candidate = parse_part(about["candidate"])
        parts = tuple(cls.from_json(part) for part in about.get("parts", ()))
        if not isinstance(candidate, Embed) and "model" not in about:
            return cls(candidate, parts=parts)
        learned = about.get("learned", TRANSFORMS)
        for name in (about["model"], learned):
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                raise ValueError(f"{name} is no path inside a bundle")
        return cls(
            candidate,
            str(about["model"]),
            dict(about["encoder"]),
            {role: str(about["prompts"][role]) for role in ROLES},
            cast("Similarity", about["similarity"]),
            int(about["dimensions"]),
            str(learned),
            parts,
        )


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
