"""Which texts are run together: batches of about one length that fit a budget of tokens, not a number of texts."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

WINDOW_TEXTS = 8192
"""Texts that are read and sorted at a time: enough for batches of one length, few enough to hold in memory."""
WINDOW_CHARACTERS = 16_000_000
"""Characters of a window, at most, unless it is a single text."""


def plan(lengths: npt.ArrayLike, budget: int, *, padded: bool = True) -> list[Rows]:
    """Batches of the texts whose tokens number `lengths` int [n]: positions int64, every text once, longest first.

    Padded, a batch costs its number of texts times its longest text; packed, the sum of its lengths. Every batch costs
    at most `budget` tokens, but for a text that is longer: it goes alone. The first batch is the most expensive one, so
    that what does not fit into memory shows at once.
    """
    if budget < 1:
        raise ValueError(f"a budget is at least 1 token, not {budget}")
    sizes = np.maximum(np.asarray(lengths, dtype=np.int64), 1)  # an empty text still takes a row
    order = np.argsort(-sizes, kind="stable")
    before = np.concatenate([[0], np.cumsum(sizes[order])])
    found, start = [], 0
    while start < len(order):
        if padded:
            end = start + budget // int(sizes[order[start]])
        else:
            end = int(np.searchsorted(before, before[start] + budget, side="right")) - 1
        end = min(max(end, start + 1), len(order))
        found.append(order[start:end])
        start = end
    return found


def windows(
    texts: Iterable[str],
    most_texts: int = WINDOW_TEXTS,
    most_characters: int = WINDOW_CHARACTERS,
    *,
    first_texts: int | None = None,
) -> Iterator[list[str]]:
    """`texts` in order, in lists that a machine can hold; reads no further than the list that is asked for.

    The text that would go over a bound begins the next list: one is held beyond those that were handed out. With
    `first_texts` the first list has so many, and each one twice as many as the one before it, up to `most_texts`.
    """
    bound = most_texts if first_texts is None else min(first_texts, most_texts)
    some: list[str] = []
    characters = 0
    for text in texts:
        if some and (len(some) >= bound or characters + len(text) > most_characters):
            yield some
            some, characters, bound = [], 0, min(2 * bound, most_texts)
        some.append(text)
        characters += len(text)
    if some:
        yield some
