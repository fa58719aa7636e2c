"""What an encoder is: text -> vectors. One file a runtime implements it; third parties register theirs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.encode.batches import windows
from sizewise.encode.reading import Reading
from sizewise.encode.remote.allowance import Allowance
from sizewise.encode.tokens import text_of
from sizewise.store.files import digest
from sizewise.store.store import Store

Similarity = Literal["cosine", "dot"]

CHARACTERS_A_TOKEN = 4
"""Of English prose, about: where an encoder cannot count."""

_SCHEME = re.compile(r"([a-z][a-z0-9-]+):(.+)", re.DOTALL)


def scheme(name: str) -> tuple[str, str] | None:
    """`shape:bert-large` -> (`shape`, `bert-large`); None for a plain name or folder."""
    match = _SCHEME.fullmatch(name)
    return (match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True)
class Trust:
    """What the user allowed that is otherwise refused: of models by name, and that texts leave this machine."""

    remote_code: frozenset[str] = frozenset()
    pickled: frozenset[str] = field(default_factory=frozenset)
    remote: Allowance | None = field(default=None, compare=False)
    """Texts may be sent to the user's endpoints, which it keeps account of. None: they may not."""


class Encoder(ABC):
    """A model at one precision on one runtime. Making one is cheap; weights load at the first `encode` or at `load`.

    A third party's class goes in the entry point group `sizewise.encoders` under the scheme that candidates name it
    by: for `hash:64` the entry point is `hash`, and `self.argument` is `64`.
    """

    similarity: Similarity = "cosine"
    """How its vectors are compared. With cosine they are scaled to length one before anything else."""
    has_quality: bool = True
    """False for random weights: their scores mean nothing and are refused."""
    depends_on_batch: bool = False
    """True when a text's vector depends on the texts encoded beside it; such vectors are never stored."""

    in_requests: bool = False
    """True when it makes parts of its own of what it is given (see `encode_parts`): then it is given everything."""

    precisions: tuple[str, ...] | None = None
    """What a candidate may name behind the @; None: whatever the class makes of it."""

    exports_modules: bool = False
    """True when `export` writes a model of sentence-transformers, which may be given further modules."""

    depends_on_role: bool = False
    """True when queries and documents go through different weights, whatever their prompts."""

    together: bool = True
    """Whether several texts take less time in one `run` than one after the other."""

    say: Callable[[str], None] = staticmethod(lambda _: None)
    """Is told what a user should know of while texts are encoded, such as smaller batches for want of memory."""

    def __init__(self, model: Model, trust: Trust | None = None) -> None:
        found = scheme(model.name)
        self.model = model
        self.trust = trust or Trust()
        self.argument = found[1] if found else model.name

    @property
    def pace(self) -> float:
        """How many times the usual shard it works on at a time: what a kill can lose is a few seconds anywhere."""
        return 1.0

    @property
    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """Everything that the vectors depend on apart from prompt and text, as JSON. Must not load weights.

        Not the model's name or folder: the same weights under another name have the same vectors.
        """

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Length of the vectors. May load the model when nothing cheaper tells."""

    @abstractmethod
    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        """float32 [n, dimensions], in the order of `texts`, `prompt` put before each."""

    def stream(self, texts: Iterable[str], role: Role, prompt: str) -> Iterator[npt.NDArray[np.float32]]:
        """The same for any number of texts, an endless iterator among them: blocks [some thousand, dimensions] in
        order, in memory that does not grow."""
        for some in windows(texts):
            yield self.encode(some, role, prompt)

    def encode_parts(
        self, texts: Sequence[str], role: Role, prompt: str
    ) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """The same part by part, in order: how many texts, and their vectors. What has come is kept at once.

        One part, unless the encoder knows better ones, such as requests that are paid for.
        """
        yield len(texts), self.encode(texts, role, prompt)

    def read(self, texts: Sequence[str], role: Role, prompt: str) -> Reading:
        """The texts made ready for `run`, which takes what several callers read; for any number of threads."""
        counts = self.count_tokens(texts, prompt)
        if counts is None:
            counts = np.array([1 + len(prompt + text) // CHARACTERS_A_TOKEN for text in texts], dtype=np.int64)
        most = self.max_tokens or np.iinfo(np.int64).max
        return Reading(texts, role, prompt, np.minimum(counts, most), counts > most)

    @property
    def streams(self) -> int:
        """From how many threads `run` is best called at a time; each then has its share of the processors."""
        return 1

    def run(self, reading: Reading) -> npt.NDArray[np.float32]:
        """float32 [n, dimensions]: as `encode` of the texts that were read, on one of `streams`."""
        return self.encode(reading.texts, reading.role, reading.prompt)

    @property
    def tokenizer_file(self) -> Path | None:
        """The `tokenizer.json` that texts are read with; None where there is none."""
        return None

    def text_of(self, ids: Sequence[int]) -> str:
        """The text that these token ids stand for, without special ones. Raises InputError for ids that there are not,
        and where there is no tokenizer to ask."""
        if (path := self.tokenizer_file) is None:
            raise InputError(f"{self.model.name} has no tokenizer here that turns ids into text; send text")
        return text_of(path, ids)

    def attach(self, store: Store) -> None:  # noqa: B027 - most need not know
        """Look at the store whose vectors will be used, before `identity` is asked for."""

    def calibrate(self, texts: Sequence[str]) -> None:  # noqa: B027 - most have nothing to choose
        """Be shown text like that which will be encoded, none of it tested, before `identity` is asked for: for
        runtimes that choose their number ranges by it."""

    def load(self) -> None:  # noqa: B027 - there may be nothing to load
        """Load weights now."""

    def unload(self) -> None:  # noqa: B027 - there may be nothing to let go
        """Let go of weights and of the device memory that they and their work took; `encode` loads them again."""

    @property
    def stored_prompts(self) -> Mapping[Role, str]:
        """Prompts that the model itself carries."""
        return {}

    @property
    def max_tokens(self) -> int | None:
        """Texts are cut off here; None: never, or not known."""
        return None

    def count_tokens(self, texts: Sequence[str], prompt: str) -> npt.NDArray[np.int64] | None:
        """Tokens of each whole text with prompt and special tokens, before it is cut; None where it cannot be told."""
        return None

    @property
    def parameters(self) -> int | None:
        """Number of weights, where that is known without loading them."""
        return None

    @property
    def disk_bytes(self) -> int | None:
        """Bytes of the weights on disk."""
        return None

    @property
    def price_per_million_tokens(self) -> float | None:
        """Of encoders that are paid by the token; None where there is no such price."""
        return None

    def prompt(self, role: Role, task_prompts: Mapping[Role, str] | None = None) -> str:
        """The prompt for `role`: the candidate's own, else the task's, else the model's, else none."""
        for prompts in (dict(self.model.prompts), task_prompts or {}, self.stored_prompts):
            if role in prompts:
                return prompts[role]
        return ""

    def key(self, prompt: str, role: Role = "text") -> str:
        """What the store files vectors under: sha256 over the identity, the prompt, and the role where it matters."""
        about = {"encoder": dict(self.identity), "prompt": prompt}
        return digest(about | {"role": role} if self.depends_on_role else about)

    def check_export(self) -> None:
        """Raises InputError when `export` cannot be done. Must not load weights."""
        raise InputError(
            f"{self.model.name} cannot be put into a bundle: {type(self).__name__} has no way to be written to a "
            "folder; build a candidate whose model is a folder or a name, or give that class check_export, export and "
            "restore"
        )

    def export(self, folder: Path, prompts: Mapping[Role, str]) -> Mapping[str, Any]:
        """Write to `folder` (empty) what `restore` needs to give the same vectors to the last bit, and no pickle.

        `prompts` are those that it is served with, for other libraries that read the folder. Returns what `restore`
        must be told, as JSON.
        """
        raise NotImplementedError

    @classmethod
    def restore(cls, folder: Path, model: Model, about: Mapping[str, Any], trust: Trust | None = None) -> Self:
        """The encoder that `export` wrote to `folder`. `model` is the one that it was made for, `about` what `export`
        returned."""
        raise NotImplementedError
