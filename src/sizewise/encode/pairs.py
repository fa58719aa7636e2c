"""A query and a document that are read together, as one text and as the ids of its tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import orjson
from tokenizers import Tokenizer

from sizewise.core.errors import InputError
from sizewise.core.text import encodable
from sizewise.encode.tokens import AT_ONCE, Tokens, join, read_tokenizer


def pair(query: str, document: str) -> str:
    """The two as one text."""
    return orjson.dumps([encodable(query), encodable(document)]).decode()


def unpaired(texts: Sequence[str], name: str) -> list[tuple[str, str]]:
    """What `pair` was given. Raises InputError for a text that it did not make; `name` is that of its reader."""
    try:
        return [(query, document) for query, document in map(orjson.loads, texts)]
    except (orjson.JSONDecodeError, TypeError, ValueError):
        raise InputError(
            f"{name} reads a query and a document together; use it as in rerank(bm25, {name}, 50)"
        ) from None


class PairTokenizer:
    """Texts of `pair` to token ids, at most so many of both, the longer one being cut first; for any number of threads.

    Ids of the second text's tokens are -1 - id: so they say of which text they are wherever they lie.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, name: str) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens, strategy="longest_first")
        self._tokenizer, self._name = tokenizer, name

    @classmethod
    def open(cls, path: Path, max_tokens: int, name: str) -> Self:
        """From a `tokenizer.json`. Raises InputError when that is none."""
        return cls(read_tokenizer(path), max_tokens, name)

    def __call__(self, texts: Sequence[str], prompt: str = "") -> Tokens:
        """Of each pair; nothing is put before it."""
        return join([self._some(texts[start : start + AT_ONCE]) for start in range(0, len(texts), AT_ONCE)])

    def _some(self, texts: Sequence[str]) -> Tokens:
        found = self._tokenizer.encode_batch_fast(unpaired(texts, self._name))
        first, second = Tokens.of([one.ids for one in found]), Tokens.of([one.type_ids for one in found]).ids
        return Tokens(np.where(second > 0, -1 - first.ids, first.ids), first.starts)
