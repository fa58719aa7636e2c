"""A model folder written again, for a bundle: the same weights, what it is loaded with, and no pickle."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from sizewise.core.candidate import Role
from sizewise.core.errors import InputError
from sizewise.encode.folder import TRANSFORMER, ModelFolder
from sizewise.store.files import to_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SETTINGS = "config_sentence_transformers.json"
DEFAULT_PROMPT = "text"
"""The name that the prompt of symmetric texts is stored under."""


def check(folder: ModelFolder) -> None:
    """Raises InputError for a model that runs code of its own: a bundle holds none."""
    if what := folder.own_code:
        raise InputError(
            f"{folder.name} cannot be put into a bundle: {what} is code from the model folder, and a bundle holds "
            "none; choose a candidate whose model is one of sentence-transformers' own"
        )


def needs_saving(folder: ModelFolder) -> bool:
    """Whether files cannot be copied as they are: weights are pickled, or the folder is one of transformers alone."""
    return folder.pickle is not None or not folder.modules


def copy(folder: ModelFolder, to: Path) -> None:
    """The files that the model's vectors depend on, byte by byte."""
    for file in folder.files:
        if any(part.startswith(".") for part in file.parts):
            continue
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.path / file, to / file)


def save(model: "SentenceTransformer", to: Path) -> None:
    """The loaded model, in sentence-transformers' own form and in safetensors."""
    model.save_pretrained(str(to), create_model_card=False, safe_serialization=True)


def set_precision(folder: Path, precision: str) -> None:
    """Every network of the folder is loaded in `precision` by whoever loads it without saying one.

    The weights stay as they are on disk, so that they are cast as in the study, when they are loaded.
    """
    for path in folder.rglob("config.json"):
        config = orjson.loads(path.read_bytes())
        if isinstance(config, dict) and "model_type" in config:
            names = [name for name in ("dtype", "torch_dtype") if name in config] or ["dtype"]
            path.write_bytes(to_json(config | dict.fromkeys(names, precision)))


def set_padding(folder: Path, multiple: int) -> None:
    """Lengths are padded to multiples of so many tokens by whoever loads the folder."""
    path = folder / TRANSFORMER
    config: dict[str, Any] = orjson.loads(path.read_bytes()) if path.is_file() else {}
    settings = padded(config.get("processing_kwargs") or {}, multiple)
    path.write_bytes(to_json(config | {"processing_kwargs": settings}))


def padded(settings: Mapping[str, Any], multiple: int) -> dict[str, Any]:
    """`settings` (`processing_kwargs` of sentence-transformers' `Transformer`) with lengths padded so."""
    return {**settings, "text": {**settings.get("text", {}), "pad_to_multiple_of": multiple}}


def set_prompts(folder: Path, prompts: Mapping[Role, str]) -> None:
    """Store `prompts` (all three roles) where sentence-transformers looks for them, beside those that are there."""
    path = folder / SETTINGS
    settings: dict[str, Any] = orjson.loads(path.read_bytes()) if path.is_file() else {}
    named: dict[str, str] = dict(settings.get("prompts") or {})
    named |= {"query": prompts["query"], "document": prompts["document"]}
    default = settings.get("default_prompt_name")
    if prompts["text"] != named.get(default or "", ""):
        named[DEFAULT_PROMPT] = prompts["text"]
        default = DEFAULT_PROMPT
    path.write_bytes(to_json(settings | {"prompts": named, "default_prompt_name": default}))
