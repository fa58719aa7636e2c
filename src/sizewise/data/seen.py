"""Which texts a model was trained on: hashes of normalised texts, which travel with the model; the texts do not."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
import numpy.typing as npt

from sizewise.core.text import encodable
from sizewise.data.words import words

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Seen:
    """A set of texts, by 64-bit hashes: with a million texts in it, about one other text in 18 trillion seems to be in it."""

    digests: Digests
    """Sorted, each once."""
    near: Digests
    """The same of what is left of texts without punctuation, numbers and the order of words."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """The set of `texts`."""
        found = [(_digest(normalised(text)), _digest(bare(text))) for text in texts]
        exact, near = np.array(found, dtype=np.uint64).reshape(-1, 2).T
        return cls(np.unique(exact), np.unique(near))

    def __len__(self) -> int:
        return len(self.digests)

    def __contains__(self, text: str) -> bool:
        return bool(self.holds([text])[0])

    def holds(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of `texts` are in the set, but for case, white space and the form of letters; bool [n]."""
        return np.isin(np.fromiter((_digest(normalised(text)) for text in texts), dtype=np.uint64), self.digests)

    def nearly_holds(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of `texts` are in the set but for punctuation, numbers and the order of words; bool [n]. A text
        without any other words is not."""
        bares = [bare(text) for text in texts]
        hashed = np.fromiter((_digest(one) for one in bares), dtype=np.uint64)
        return np.isin(hashed, self.near) & np.array([bool(one) for one in bares], dtype=bool)


def normalised(text: str) -> str:
    """`text` without what does not make it another one: case, white space, and composed or compatible letters."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.casefold().split())


def bare(text: str) -> str:
    """The words of `text`, without numbers, each once, in alphabetical order: what near-duplicates share."""
    return " ".join(sorted({word for word in words(unicodedata.normalize("NFKC", text)) if not word.isdecimal()}))


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(encodable(text).encode(), digest_size=8).digest(), "little")
