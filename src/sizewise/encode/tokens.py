"""Counting tokens, so that what a model's limit cuts off is reported and never silent."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer


class TokenCounter:
    """Counts with a `tokenizer.json`; None from `open` where a model has none (slow tokenizers only)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer

    @classmethod
    def open(cls, folder: Path) -> "TokenCounter | None":
        path = folder / "tokenizer.json"
        return cls(Tokenizer.from_file(str(path))) if path.is_file() else None

    def count(self, texts: Sequence[str], at_once: int = 4096) -> npt.NDArray[np.int64]:
        """Tokens of each text, special tokens included, int64 [n]."""
        counts = np.empty(len(texts), dtype=np.int64)
        for start in range(0, len(texts), at_once):
            some = list(texts[start : start + at_once])
            encodings = self._tokenizer.encode_batch_fast(some)
            counts[start : start + len(some)] = [len(encoding) for encoding in encodings]
        return counts
