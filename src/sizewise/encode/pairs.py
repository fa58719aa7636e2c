"""A query and a document that are read together, as one text and as the ids of its tokens."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import orjson
from tokenizers import Tokenizer

from sizewise.core.errors import InputError
from sizewise.core.text import encodable
from sizewise.encode.tokens import Ids, TextTokenizer, Tokens, read_tokenizer

FIRST, SECOND = "a", "b"


def pair(query: str, document: str) -> str:
    """The two as one text."""
    return orjson.dumps([encodable(query), encodable(document)]).decode()


def unpaired(texts: Sequence[str], name: str) -> list[tuple[str, str]]:
    """What `pair` was given. Raises InputError for a text that it did not make; `name` is that of its reader."""
    try:
        found = [orjson.loads(text) for text in texts]
    except orjson.JSONDecodeError:
        found = [None]
    if not all(isinstance(two, list) and [type(one) for one in two] == [str, str] for two in found):
        raise InputError(f"{name} reads a query and a document together; use it as in rerank(bm25, {name}, 50)")
    return [(query, document) for query, document in found]


class PairTokenizer:
    """Texts of `pair` to token ids, at most so many of both, the longer one being cut first; for any number of threads.

    Ids of tokens of type 1, the second text's, are -1 - id: so they say what they are wherever they lie. A text that
    comes in many pairs is tokenised once, and long ones are cut before that (see `TextTokenizer`).
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, name: str) -> None:
        self._name = name
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._around, self._type = _around(tokenizer)
        self._room = max_tokens - sum(map(len, self._around))
        if self._room < 2:
            raise InputError(f"{name}: a limit of {max_tokens} tokens leaves no room for two texts; raise it")
        self._tokenizer = tokenizer
        self._first = TextTokenizer(tokenizer, self._room + 1, special=False)
        """Its one token more tells of a text that does not fit, even alone."""

    @classmethod
    def open(cls, path: Path, max_tokens: int, name: str) -> Self:
        """From a `tokenizer.json`. Raises InputError when that is none."""
        return cls(read_tokenizer(path), max_tokens, name)

    def __call__(self, texts: Sequence[str], prompt: str = "") -> Tokens:
        """Of each pair; nothing is put before it."""
        return self.read(texts, prompt)[0]

    def read(self, texts: Sequence[str], prompt: str = "") -> tuple[Tokens, npt.NDArray[np.bool_]]:
        """The same, and of each pair whether something of it was cut off, bool [n]."""
        both = unpaired(texts, self._name)
        places = {text: at for at, text in enumerate(dict.fromkeys(text for two in both for text in two))}
        known = self._first(list(places))
        where = np.array([[places[text] for text in two] for two in both], np.int64).reshape(-1, 2)
        kept = self._kept(known.lengths[where], both)
        before, between, behind = self._around
        parts = []
        for (first, second), (some, others) in zip(known.starts[where].tolist(), kept.tolist(), strict=True):
            query, document = known.ids[first : first + some], known.ids[second : second + others]
            parts += [before, query, between, _typed(document, self._type), behind]
        lengths = kept.sum(axis=1) + sum(map(len, self._around))
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        cut = known.lengths[where].sum(axis=1) > self._room
        return Tokens(np.concatenate([np.empty(0, np.int32), *parts]), starts), cut

    def _kept(self, lengths: npt.NDArray[np.int64], both: Sequence[tuple[str, str]]) -> npt.NDArray[np.int64]:
        """How many tokens of each text are kept, int64 [n, 2], of `lengths` [n, 2] that end at one more than there is
        room for: as `tokenizers` cuts "longest first"."""
        half, odd = divmod(self._room, 2)
        lengths = lengths.copy()
        for at in np.flatnonzero((lengths > self._room).all(axis=1)) if odd else ():
            lengths[at] = self._whole.lengths(both[int(at)])  # the odd token is the longer one's
        short = np.minimum(lengths.min(axis=1), half)
        rest = self._room - short
        swapped = lengths[:, 0] > lengths[:, 1]
        cut = np.where(swapped[:, None], np.stack([rest, short], axis=1), np.stack([short, rest], axis=1))
        return np.where(lengths.sum(axis=1, keepdims=True) > self._room, cut, lengths)

    @cached_property
    def _whole(self) -> TextTokenizer:
        """Without a limit: hardly ever needed, and a second copy of the vocabulary."""
        return TextTokenizer(Tokenizer.from_str(self._tokenizer.to_str()), special=False)


def _around(tokenizer: Tokenizer) -> tuple[tuple[Ids, Ids, Ids], int]:
    """The special tokens before the first text, between the two and behind the second, and the type of its tokens."""
    found = tokenizer.encode(FIRST, SECOND)
    of = [-1 if one is None else one for one in found.sequence_ids]
    first, second = of.index(0), of.index(1)
    last = len(of) - 1 - of[::-1].index(1)
    ids = _typed(np.array(found.ids, np.int32), np.array(found.type_ids))
    middle = [at for at in range(first, second) if of[at] == -1]
    return (ids[:first], ids[middle], ids[last + 1 :]), int(found.type_ids[second])


def _typed(ids: Ids, types: Any) -> Ids:
    return np.where(np.asarray(types) > 0, -1 - ids, ids).astype(np.int32)
