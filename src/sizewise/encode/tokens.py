"""Texts to token ids: many at a time, outside Python's lock, long texts cut first where that changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from sizewise.core.errors import InputError
from sizewise.core.text import encodable
from sizewise.encode.cuts import Cuts

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]

CHARACTERS_A_TOKEN = 6
"""What is taken of a long text at first: more than the 4 to 5 of English prose."""
AT_ONCE = 4096
"""Texts whose tokens are held as Python objects at a time."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token ids of n texts, end to end."""

    ids: Ids
    """int32 [t]."""
    starts: Counts
    """int64 [n + 1]: those of text i are ids[starts[i]:starts[i + 1]]."""

    @classmethod
    def of(cls, ids: Sequence[Sequence[int]]) -> "Tokens":
        """From one sequence of ids a text."""
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return cls(np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=int(starts[-1])), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Counts:
        """int64 [n]."""
        return np.diff(self.starts)

    def take(self, rows: npt.NDArray[np.integer]) -> "Tokens":
        """Those of the texts at `rows`, in that order."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        where = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], lengths)
        return Tokens(self.ids[where], starts)

    def keep(self, wanted: npt.NDArray[np.bool_]) -> "Tokens":
        """Those ids for which `wanted` [t] is true."""
        before = np.concatenate([[0], np.cumsum(wanted)])
        return Tokens(self.ids[wanted], before[self.starts])

    def padded(self, pad: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Ids and mask (1: a token, 0: padding behind it), int64 [n, longest]."""
        lengths = self.lengths
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        ids = np.full(mask.shape, pad, dtype=np.int64)
        ids[mask] = self.ids
        return ids, mask.astype(np.int64)


def join(parts: Sequence[Tokens]) -> Tokens:
    """The texts of all `parts`, in order."""
    if len(parts) == 1:
        return parts[0]
    ids = np.concatenate([np.empty(0, dtype=np.int32), *(part.ids for part in parts)])
    lengths = np.concatenate([np.zeros(1, dtype=np.int64), *(part.lengths for part in parts)])
    return Tokens(ids, np.cumsum(lengths))


class TextTokenizer:
    """A `tokenizers.Tokenizer`, which is its own from now on, with one limit; for any number of threads.

    With `max_tokens`, the ids of a text are its first ones, special tokens among them: the same to the last id as
    without the cut of long texts that comes first. Halves of surrogate pairs become U+FFFD. With `vocabulary`, ids are
    folded into so many.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int | None = None,
        *,
        special: bool = True,
        vocabulary: int | None = None,
    ) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer, self._special, self.max_tokens = tokenizer, special, max_tokens
        self._vocabulary = vocabulary
        self._cuts: Cuts | None = None
        if max_tokens is not None:
            added = tokenizer.num_special_tokens_to_add(is_pair=False) if special else 0
            if max_tokens <= added:
                raise InputError(f"a limit of {max_tokens} tokens leaves no room beside {added} special ones; raise it")
            tokenizer.enable_truncation(max_tokens)
            self._cuts = Cuts.of(tokenizer)

    @classmethod
    def open(
        cls, path: Path, max_tokens: int | None = None, *, special: bool = True, vocabulary: int | None = None
    ) -> "TextTokenizer":
        """From a `tokenizer.json`. Raises InputError when that is none."""
        return cls(read_tokenizer(path), max_tokens, special=special, vocabulary=vocabulary)

    @property
    def cuts(self) -> bool:
        """Whether long texts are cut before they are tokenised."""
        return self._cuts is not None

    def __call__(self, texts: Sequence[str], prompt: str = "") -> Tokens:
        """Of each text with `prompt` before it."""
        found = join([Tokens.of([one.ids for one in some]) for some in self._encodings(texts, prompt)])
        return found if self._vocabulary is None else Tokens(found.ids % self._vocabulary, found.starts)

    def read(self, texts: Sequence[str], prompt: str = "") -> tuple[Tokens, npt.NDArray[np.bool_]]:
        """The same, and of each text whether its end was cut off, bool [n]."""
        tokens = self(texts, prompt)
        cut = np.zeros(len(tokens), dtype=bool)
        for at in np.flatnonzero(tokens.lengths == (self.max_tokens or -1)).tolist():
            cut[at] = self._goes_on(encodable(prompt + texts[at]))
        return tokens, cut

    def lengths(self, texts: Sequence[str], prompt: str = "") -> Counts:
        """Number of tokens of each text, int64 [n], where the limit cuts it off."""
        counts = [len(one) for some in self._encodings(texts, prompt) for one in some]
        return np.array(counts, dtype=np.int64)

    def _encodings(self, texts: Sequence[str], prompt: str) -> Iterator[list[Encoding]]:
        for start in range(0, len(texts), AT_ONCE):
            yield self._some([encodable(prompt + text) for text in texts[start : start + AT_ONCE]])

    def _some(self, texts: list[str]) -> list[Encoding]:
        if self._cuts is None or self.max_tokens is None:
            return self._encode(texts)
        bound = CHARACTERS_A_TOKEN * self.max_tokens
        pieces = [self._piece(text, bound) for text in texts]
        found = self._encode(pieces)
        while short := [
            at for at, one in enumerate(found) if len(one) < self.max_tokens and len(pieces[at]) < len(texts[at])
        ]:
            bound *= 2
            for at in short:
                pieces[at] = self._piece(texts[at], bound)
            for at, one in zip(short, self._encode([pieces[at] for at in short]), strict=True):
                found[at] = one
        return found

    def _goes_on(self, text: str) -> bool:
        """Whether there are tokens behind the limit of a text that reaches it. Looked for no further than needed."""
        bound = CHARACTERS_A_TOKEN * (self.max_tokens or 0)
        while True:
            piece = text if self._cuts is None else self._piece(text, bound)
            (found,) = self._encode([piece])
            if found.overflowing or len(piece) == len(text):
                return bool(found.overflowing)
            bound *= 2

    def _piece(self, text: str, bound: int) -> str:
        """The text up to a wall near `bound`; the whole text where there is none before twice as much."""
        while len(text) > bound:
            assert self._cuts is not None
            if (wall := self._cuts.last(text, bound)) is not None:
                return text[:wall]
            bound *= 2
        return text

    def _encode(self, texts: list[str]) -> list[Encoding]:
        found: list[Encoding] = self._tokenizer.encode_batch_fast(texts, add_special_tokens=self._special)
        return found


class TokenCounter:
    """Counts the tokens of whole texts, so that what a model's limit cuts off is reported and never silent."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = TextTokenizer(tokenizer)

    @classmethod
    def open(cls, folder: Path) -> "TokenCounter | None":
        """With the folder's `tokenizer.json`; None where it has none (slow tokenizers only)."""
        path = folder / "tokenizer.json"
        return cls(read_tokenizer(path)) if path.is_file() else None

    def count(self, texts: Sequence[str], prompt: str = "") -> Counts:
        """Tokens of each text with `prompt` before it, special tokens included, int64 [n]."""
        return self._tokenizer.lengths(texts, prompt)


def read_tokenizer(path: Path) -> Tokenizer:
    """A `tokenizer.json`. Raises InputError when there is none or it is damaged."""
    if not path.is_file():
        raise InputError(f"there is no {path}; give the folder that the model was saved to, with its tokenizer")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises a bare Exception
        raise InputError(f"{path} cannot be read as a tokenizer ({error}); save or download the model again") from None


@lru_cache(maxsize=8)
def _words(path: Path) -> Tokenizer:
    return read_tokenizer(path)


def text_of(path: Path, ids: Sequence[int]) -> str:
    """The text that token ids stand for by the tokenizer in `path`, special ones left out. Raises InputError for an id
    that it does not have."""
    words = _words(path)
    size = words.get_vocab_size()
    if wrong := next((one for one in ids if not 0 <= one < size), None):
        raise InputError(f"there is no token {wrong}: ids of this model are 0 to {size - 1}; send its own, or text")
    return str(words.decode(list(ids)))
