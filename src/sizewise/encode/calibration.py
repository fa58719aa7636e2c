"""The texts that a runtime chooses its number ranges by: some hundred, of all lengths, never those that are tested."""

from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

import numpy as np
import orjson

TEXTS = 300
"""Of which at most half are the user's own: the rest are packaged everyday sentences, alone and in paragraphs. Without
short ones among them, short ones suffer most."""
PARAGRAPHS = 60
LONGEST = 20_000
"""Characters of a text; models cut off far earlier."""


def calibration_texts(own: Sequence[str] = ()) -> list[str]:
    """`TEXTS` texts or fewer: a fixed sample of `own`, and packaged everyday sentences."""
    everyday = _everyday()
    kept = _sample([text[:LONGEST] for text in own if text.strip()], TEXTS // 2)
    return kept + _sample(everyday, TEXTS - len(kept))


def calibration_digest(texts: Sequence[str]) -> str:
    """sha256 over the texts in their order: part of an encoder's identity."""
    return sha256(orjson.dumps([text.encode("utf-8", "surrogatepass").hex() for text in texts])).hexdigest()


def _sample(texts: Sequence[str], count: int) -> list[str]:
    chosen = np.random.default_rng(0).permutation(len(texts))[:count]
    return [texts[at] for at in np.sort(chosen)]


def _everyday() -> list[str]:
    """The training sentences of the packaged word senses, which no task tests, and paragraphs of 2 to 20 of them."""
    lines = files("sizewise").joinpath("data/senses/train.jsonl").read_bytes().splitlines()
    alone = list(dict.fromkeys(orjson.loads(line)[field] for line in lines for field in ("sentence1", "sentence2")))
    chance = np.random.default_rng(0)
    together = [" ".join(chance.permutation(alone)[: chance.integers(2, 21)]) for _ in range(PARAGRAPHS)]
    return alone + together
