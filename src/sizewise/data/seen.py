"""Which texts a model was trained on: hashes of normalised texts, which travel with the model; the texts do not."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
import numpy.typing as npt

from sizewise.core.text import encodable

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Seen:
    """A set of texts, by 64-bit hashes: of a million texts, one in 18 million others is taken for one of them."""

    digests: Digests
    """Sorted, each once."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """The set of `texts`."""
        return cls(np.unique(digests(texts)))

    def __len__(self) -> int:
        return len(self.digests)

    def __contains__(self, text: str) -> bool:
        return bool(self.holds([text])[0])

    def holds(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of `texts` are in the set, but for case, white space and the form of letters; bool [n]."""
        return np.isin(digests(texts), self.digests)


def digests(texts: Iterable[str]) -> Digests:
    """uint64 [n]: of each text, normalised."""
    return np.fromiter((_digest(text) for text in texts), dtype=np.uint64)


def normalised(text: str) -> str:
    """`text` without what does not make it another one: case, white space, and composed or compatible letters."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.casefold().split())


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(encodable(normalised(text)).encode(), digest_size=8).digest(), "little")
