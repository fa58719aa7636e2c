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
    """A set of texts, by 64-bit hashes: of a million, one in 18 trillion other texts is taken for one."""

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

    def __or__(self, other: "Seen") -> "Seen":
        """What is in either."""
        return Seen(np.union1d(self.digests, other.digests), np.union1d(self.near, other.near))

    def __len__(self) -> int:
        return len(self.digests)

    def __contains__(self, text: str) -> bool:
        return bool(self.holds([text])[0])

    def holds(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of `texts` are in the set, but for case, white space and the form of letters; bool [n]."""
        return _among(self.digests, [normalised(text) for text in texts])

    def nearly_holds(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of `texts` are in the set but for punctuation, numbers and the order of words; bool [n]. A text
        without any other words is not."""
        bares = [bare(text) for text in texts]
        found: npt.NDArray[np.bool_] = _among(self.near, bares) & np.array([bool(one) for one in bares], dtype=bool)
        return found


def normalised(text: str) -> str:
    """`text` without what does not make it another one: case, white space, and composed or compatible letters."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.casefold().split())


def bare(text: str) -> str:
    """The words of `text`, without numbers, each once, in alphabetical order: what near-duplicates share."""
    return " ".join(sorted({word for word in words(unicodedata.normalize("NFKC", text)) if not word.isdecimal()}))


def _among(digests: Digests, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which of `texts` have one of the sorted `digests`; bool [n]. Quick for a single text too."""
    if not len(digests):
        return np.zeros(len(texts), dtype=bool)
    wanted = np.fromiter(map(_digest, texts), dtype=np.uint64)
    at = np.minimum(np.searchsorted(digests, wanted), len(digests) - 1)
    found: npt.NDArray[np.bool_] = digests[at] == wanted
    return found


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(encodable(text).encode(), digest_size=8).digest(), "little")
