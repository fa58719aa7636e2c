"""Texts that were read and wait to be run: how long each is, whether its end was cut off, and its tokens.

What is read can be put together with what others asked for: servers batch so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.encode.pairs import PairTokenizer
from sizewise.encode.tokens import Counts, TextTokenizer, Tokens, join


@dataclass(frozen=True, slots=True)
class Reading:
    """n texts in one role, behind one prompt."""

    texts: Sequence[str]
    role: Role
    prompt: str
    lengths: Counts
    """int64 [n]: tokens that will be run, or an estimate where the encoder cannot tell."""
    cut: npt.NDArray[np.bool_]
    """[n]: whether the end of the text is beyond the model's limit."""
    tokens: Tokens | None = None
    """None where the encoder takes nothing but texts."""

    @classmethod
    def of(cls, tokenizer: TextTokenizer | PairTokenizer, texts: Sequence[str], role: Role, prompt: str) -> Self:
        """As `tokenizer` reads them."""
        tokens, cut = tokenizer.read(texts, prompt)
        return cls(texts, role, prompt, tokens.lengths, cut, tokens)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def way(self) -> tuple[Role, str] | None:
        """What must be the same of readings that are run together: nothing where there are tokens."""
        return None if self.tokens is not None else (self.role, self.prompt)

    def take(self, rows: npt.NDArray[np.int64]) -> "Reading":
        """Those at `rows`, in that order."""
        texts = [self.texts[at] for at in rows.tolist()]
        tokens = None if self.tokens is None else self.tokens.take(rows)
        return Reading(texts, self.role, self.prompt, self.lengths[rows], self.cut[rows], tokens)


def together(parts: Sequence[Reading]) -> Reading:
    """The texts of all `parts`, in order; they go the same way."""
    if len(parts) == 1:
        return parts[0]
    tokens = [part.tokens for part in parts if part.tokens is not None]
    return Reading(
        [text for part in parts for text in part.texts],
        parts[0].role,
        parts[0].prompt,
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.cut for part in parts]),
        join(tokens) if tokens else None,
    )
