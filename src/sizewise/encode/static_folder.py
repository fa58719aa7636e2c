"""A model2vec model folder: what is in it, checked without loading weights, and the weights themselves.

The format is that of model2vec 0.10 (https://github.com/MinishLab/model2vec, `persistence` and `model.py`):

- `model.safetensors`: `embeddings` [rows, d] in float64, float32, float16 or int8 (codes without a scale). Of a model
  with a quantised vocabulary also `mapping` [tokens] (the row of each token) and `weights` [tokens].
- `tokenizer.json`, whose own truncation and padding count for nothing.
- `config.json`: `normalize` (false where it is not said), `max_length` in tokens (512; null: none).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from sizewise.core.errors import InputError
from sizewise.encode.folder import ModelFolder, file_sha256
from sizewise.encode.tokens import read_tokenizer

MAX_TOKENS = 512
"""Where model2vec cuts texts off, unless the model says otherwise."""
_TYPES = ("F64", "F32", "F16", "I8")
_AGAIN = "save or download the model again"

Table = npt.NDArray[Any]


@dataclass(frozen=True)
class Weights:
    """What the mean of a text is made of, checked against the tokenizer."""

    table: Table
    """float32, float16 or int8 [rows, d]."""
    mapping: npt.NDArray[np.int64] | None
    """The row of each token; None: row i is that of token i."""
    weights: npt.NDArray[np.floating[Any]] | None
    """Of each token; None: all are 1."""


class StaticFolder:
    """One folder. Raises InputError, in one sentence, for everything that is missing or damaged."""

    def __init__(self, folder: ModelFolder) -> None:
        self.name, self.path = folder.name, folder.path
        self.weights_file, self.tokenizer_file = self.path / "model.safetensors", self.path / "tokenizer.json"
        config = folder.json("config.json")
        if not isinstance(config, dict):
            raise InputError(
                f"{self.path} is no model2vec folder: it has no config.json with settings; give the folder that such a "
                "model was saved to"
            )
        self.config: Mapping[str, Any] = config
        self.normalize = self._setting("normalize", False, lambda value: isinstance(value, bool), "true or false")
        self.max_tokens: int | None = self._setting(
            "max_length", MAX_TOKENS, lambda value: value is None or _is_count(value), "a number of tokens or null"
        )
        self.stored_prompts = folder.stored_prompts
        for module in folder.modules:
            if (kind := str(module.get("type")).rpartition(".")[2]) not in ("StaticEmbedding", "Normalize"):
                raise InputError(
                    f"{self.path} has a module {kind} in its modules.json, which static: would leave out; name it "
                    "without static: in front"
                )
        self.shapes = self._shapes()

    @property
    def dimensions(self) -> int:
        return self.shapes["embeddings"][1]

    @property
    def parameters(self) -> int:
        """Numbers in the table and the weights of tokens."""
        rows, dimensions = self.shapes["embeddings"]
        return rows * dimensions + (self.shapes["weights"][0] if "weights" in self.shapes else 0)

    @property
    def disk_bytes(self) -> int:
        return self.weights_file.stat().st_size

    @cached_property
    def sha256(self) -> tuple[str, str]:
        """Of weights and tokenizer."""
        return file_sha256(self.weights_file), file_sha256(self.tokenizer_file)

    def tokenizer(self) -> Tokenizer:
        """A new one."""
        return read_tokenizer(self.tokenizer_file)

    def unknown(self, tokenizer: Tokenizer) -> int | None:
        """The id that stands for what the tokenizer does not know; it counts for nothing in a mean."""
        if hasattr(tokenizer.model, "unk_token"):
            token = tokenizer.model.unk_token
            return None if token is None else tokenizer.token_to_id(token)
        found = orjson.loads(self.tokenizer_file.read_bytes())["model"].get("unk_id")
        return None if found is None else int(found)

    def load(self, tokens: int, last: int) -> Weights:
        """The weights, for a tokenizer of so many `tokens` whose highest id is `last`."""
        found = self._arrays()
        table, mapping, weights = (found.get(name) for name in ("embeddings", "mapping", "weights"))
        assert table is not None
        if table.dtype == np.float64:
            table = table.astype(np.float32)
        if mapping is None and (len(table) != tokens or last >= len(table)):
            raise self._damaged(f"{len(table):,} embeddings for the {tokens:,} tokens of its tokenizer")
        if mapping is not None:
            if mapping.dtype.kind not in "iu" or last >= len(mapping):
                raise self._damaged(f"a mapping of {len(mapping):,} tokens for the {tokens:,} of its tokenizer")
            mapping = mapping.astype(np.int64)
            if len(mapping) and not 0 <= mapping.min() <= mapping.max() < len(table):
                raise self._damaged(f"a mapping that leads beyond its {len(table):,} embeddings")
        if weights is not None and (weights.dtype.kind != "f" or last >= len(weights)):
            raise self._damaged(f"{len(weights):,} weights for the {tokens:,} tokens of its tokenizer")
        for name, array in (("embeddings", table), ("weights", weights)):
            if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise self._damaged(f"{name} that are no finite numbers")
        return Weights(table, mapping, weights)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        try:
            with safe_open(self.weights_file, framework="numpy") as file:
                return {name: file.get_tensor(name) for name in self.shapes}
        except (OSError, SafetensorError) as error:
            raise InputError(f"{self.weights_file} cannot be read ({error}); {_AGAIN}") from None

    def _shapes(self) -> dict[str, list[int]]:
        """Of the arrays that count, from the header alone."""
        if not self.weights_file.is_file():
            raise InputError(
                f"there is no {self.weights_file}; give the folder that a model2vec model was saved to, its weights in "
                "safetensors"
            )
        try:
            with safe_open(self.weights_file, framework="numpy") as file:
                there = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
                shapes = {name: list(one.get_shape()) for name, one in there.items()}
                types = {name: str(one.get_dtype()) for name, one in there.items()}
        except (OSError, SafetensorError) as error:
            raise InputError(f"{self.weights_file} cannot be read ({error}); {_AGAIN}") from None
        if "embeddings" not in shapes:
            what = "is a model of sentence-transformers" if "embedding.weight" in shapes else "is none of model2vec's"
            raise InputError(
                f"{self.weights_file} holds no embeddings, so {self.name} {what}; name it without static: in front"
            )
        if len(shapes["embeddings"]) != 2 or types["embeddings"] not in _TYPES:
            raise self._damaged(
                f"embeddings of shape {shapes['embeddings']} in {types['embeddings']}, not a table in "
                f"{', '.join(_TYPES)}"
            )
        for name in ("mapping", "weights"):
            if len(shapes.get(name, [0])) != 1:
                raise self._damaged(f"{name} of shape {shapes[name]}, not one for each token")
        return {name: shapes[name] for name in ("embeddings", "mapping", "weights") if name in shapes}

    def _setting(self, name: str, default: Any, is_right: Any, what: str) -> Any:
        value = self.config.get(name, default)
        if not is_right(value):
            raise InputError(f"{self.path / 'config.json'}: {name} is {value!r}, not {what}; {_AGAIN}")
        return value

    def _damaged(self, what: str) -> InputError:
        return InputError(f"{self.weights_file} holds {what}; {_AGAIN}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
