"""Static models in model2vec's format, on numpy and tokenizers alone: `static:./folder`. Nothing here needs torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.encode import static_export
from sizewise.encode.batches import windows
from sizewise.encode.encoder import Encoder, Trust
from sizewise.encode.folder import locate
from sizewise.encode.means import means, normalized
from sizewise.encode.numeric import instruction_set, versions
from sizewise.encode.reading import Reading
from sizewise.encode.static_folder import StaticFolder, Weights
from sizewise.encode.tokens import TextTokenizer, Tokens

PLAIN = Model("")


@dataclass(frozen=True, slots=True)
class Reader:
    """How a static model reads a text."""

    tokenizer: TextTokenizer
    """Cuts off at the model's limit; no special tokens."""
    tokens: int
    """How many there are."""
    last: int
    """The highest id."""
    unknown: int | None
    """The id that is dropped."""
    max_characters: int | None
    """What model2vec cuts a text to before it tokenises it."""

    @classmethod
    def of(cls, folder: StaticFolder) -> Self:
        tokenizer = folder.tokenizer()
        vocabulary, limit = tokenizer.get_vocab(), folder.max_tokens
        characters = None if limit is None else limit * int(np.median([len(token) for token in vocabulary]))
        size, last = len(vocabulary), max(vocabulary.values(), default=-1)
        return cls(TextTokenizer(tokenizer, limit, special=False), size, last, folder.unknown(tokenizer), characters)

    def __call__(self, texts: Sequence[str], prompt: str) -> tuple[Tokens, npt.NDArray[np.bool_]]:
        """The tokens that count, and of each text whether its end was cut off."""
        whole = [prompt + text for text in texts]
        found, cut = self.tokenizer.read([text[: self.max_characters] for text in whole])
        if self.max_characters is not None:
            cut |= np.fromiter((len(text) > self.max_characters for text in whole), bool, len(whole))
        return found if self.unknown is None else found.keep(found.ids != self.unknown), cut


class StaticEncoder(Encoder):
    """The mean of a text's token embeddings, as model2vec makes it: its vectors to rounding, in float32.

    A text is cut at so many characters (`max_tokens` times the median length of a token), then at `max_tokens`; unknown
    tokens are dropped; a text of which nothing is left has a vector of zeros. model2vec rounds vectors of a float16
    model to float16; here they stay as they are.
    """

    exports_modules = True

    def __init__(self, model: Model, trust: Trust | None = None, modules: int | None = None) -> None:
        """`modules`: only so many of the folder's belong to the model; in a bundle, transforms come behind them."""
        super().__init__(model, trust)
        if (model.precision, model.runtime) != (PLAIN.precision, PLAIN.runtime):
            raise InputError(
                f"{model.name} runs in the precision that it is stored in, on numpy; leave out "
                f"@{model.precision}{'' if model.runtime == PLAIN.runtime else '/' + model.runtime}"
            )
        self.folder = StaticFolder(replace(locate(self.argument, self.trust), first=modules))

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        weights, tokenizer = self.folder.sha256
        return {
            "weights": weights,
            "tokenizer": tokenizer,
            "normalize": self.folder.normalize,
            "max_tokens": self.folder.max_tokens,
            "runtime": "static",
            "versions": versions("numpy", "tokenizers"),
            "numeric": [instruction_set()],
        }

    @property
    def dimensions(self) -> int:
        return self.folder.dimensions

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        return self.folder.stored_prompts

    @property
    def max_tokens(self) -> int | None:
        return self.folder.max_tokens

    @property
    def parameters(self) -> int | None:
        return self.folder.parameters

    @property
    def disk_bytes(self) -> int | None:
        return self.folder.disk_bytes

    def count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64] | None:
        """Without special tokens, which static models have none of. A text that is cut for its characters counts as
        over the limit, however few tokens they are."""
        counts = self._whole.lengths(texts, prompt)
        most = self._reader.max_characters
        if self.max_tokens is None or most is None:
            return counts
        cut = np.array([len(prompt) + len(text) > most for text in texts], dtype=bool)
        return np.where(cut, np.maximum(counts, self.max_tokens + 1), counts)

    @property
    def tokenizer_file(self) -> Path:
        return self.folder.tokenizer_file

    def load(self) -> None:
        assert self._weights is not None

    def unload(self) -> None:
        for name in ("_reader", "_whole", "_weights"):
            self.__dict__.pop(name, None)

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        found = np.empty((len(texts), self.dimensions), dtype=np.float32)
        start = 0
        for some in windows(texts):
            found[start : start + len(some)] = self.run(self.read(some, role, prompt))
            start += len(some)
        return found

    def read(self, texts: Sequence[str], role: Role, prompt: str) -> Reading:
        tokens, cut = self._reader(texts, prompt)
        return Reading(texts, role, prompt, tokens.lengths, cut, tokens)

    def run(self, reading: Reading) -> npt.NDArray[np.float32]:
        assert reading.tokens is not None
        vectors = means(reading.tokens, self._weights)
        return normalized(vectors) if self.folder.normalize else vectors

    def check_export(self) -> None:
        """Nothing stands against it."""

    def export(self, folder: Path, prompts: Mapping[Role, str]) -> Mapping[str, Any]:
        """model2vec's own format, which sentence-transformers loads through its StaticEmbedding module."""
        static_export.write(
            self.folder, folder, self._weights, self._reader.unknown, self._reader.max_characters, prompts
        )
        return {"modules": 1 + self.folder.normalize}

    @classmethod
    def restore(cls, folder: Path, model: Model, about: Mapping[str, Any], trust: Trust | None = None) -> Self:
        return cls(replace(model, name=f"static:{folder.resolve()}", prompts=()), trust, int(about["modules"]))

    @cached_property
    def _reader(self) -> Reader:
        return Reader.of(self.folder)

    @cached_property
    def _whole(self) -> TextTokenizer:
        return TextTokenizer(self.folder.tokenizer(), special=False)

    @cached_property
    def _weights(self) -> Weights:
        return self.folder.load(self._reader.tokens, self._reader.last)
