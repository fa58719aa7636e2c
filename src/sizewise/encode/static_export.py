"""A static model written again, so that sentence-transformers makes the same vectors of it.

Its StaticEmbedding module (6.2) reads model2vec's format, but knows neither of what model2vec leaves out of a mean nor
of where it cuts a text off. So the weights of tokens are written out, that of the unknown token being zero: the mean
then has another length and the same direction. And the tokenizer cuts texts off itself, by characters (a normaliser)
and by tokens. One difference is left: a text with a special token's own spelling, such as [UNK], just where the cut by
characters falls.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Regex, normalizers

from sizewise.core.candidate import Role
from sizewise.encode import export
from sizewise.encode.static_folder import StaticFolder, Weights
from sizewise.store.files import to_json

MOST_REPEATS = 100_000
"""What the regular expressions of `tokenizers` can count to."""


def write(
    model: StaticFolder,
    folder: Path,
    weights: Weights,
    unknown: int | None,
    max_characters: int | None,
    prompts: Mapping[Role, str],
) -> None:
    """Write `model` to the empty `folder`, in model2vec's format, with what sentence-transformers needs beside it."""
    save_file(_arrays(weights, unknown), folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = model.tokenizer()
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if model.max_tokens is not None:
        tokenizer.enable_truncation(model.max_tokens)
    if max_characters is not None and max_characters <= MOST_REPEATS:
        cut = normalizers.Replace(Regex(rf"\A(?m:.{{{max_characters}}})\K(?m:.+)"), "")
        own = [tokenizer.normalizer] if tokenizer.normalizer is not None else []
        tokenizer.normalizer = normalizers.Sequence([cut, *own])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {"normalize": model.normalize, "max_length": model.max_tokens}
    (folder / "config.json").write_bytes(to_json(dict(model.config) | settings))
    modules = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]
    if model.normalize:
        modules.append({"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_bytes(to_json(modules))
    export.set_prompts(folder, prompts)


def _arrays(weights: Weights, unknown: int | None) -> dict[str, np.ndarray]:
    """Rows as they are. int8 and float16 rows get weights too: with them they are added up in float32."""
    found = {"embeddings": weights.table}
    tokens = len(weights.table)
    if weights.mapping is not None:
        found["mapping"] = weights.mapping
        tokens = len(weights.mapping)
    of_tokens = weights.weights
    if of_tokens is None and (unknown is not None or weights.table.dtype != np.float32):
        of_tokens = np.ones(tokens, dtype=np.float32)
    if of_tokens is not None:
        if unknown is not None:
            of_tokens = of_tokens.copy()
            of_tokens[unknown] = 0
        found["weights"] = of_tokens
    return {name: np.ascontiguousarray(array) for name, array in found.items()}
