"""Encode once: texts that have no vector yet are encoded in shards, each kept as soon as it is done."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.core.errors import RunError
from sizewise.core.progress import Progress
from sizewise.core.rows import Rows
from sizewise.encode.encoder import Encoder
from sizewise.store.store import Store
from sizewise.store.vectors import Key, Space, text_keys

SHARD_CHARACTERS = 100_000
"""Least work of a shard: a few seconds for a small model. What a kill can lose."""
MOST_SHARDS = 128
"""Larger sets get larger shards."""


def stored_vectors(
    store: Store, encoder: Encoder, texts: Sequence[str], role: Role, prompt: str, progress: Progress
) -> Rows:
    """The vectors of `texts`, from the store, those that are not there yet being encoded first.

    Raises RunError when the encoder's vectors depend on their batch neighbours: such vectors are never stored.
    """
    if encoder.depends_on_batch:
        raise RunError(f"{encoder.model.name}: its vectors depend on their batch neighbours and cannot be stored")
    space = _space(store, encoder, role, prompt)
    keys = text_keys(texts)
    if len(space.missing(keys)):
        _fill(space, encoder, texts, keys, role, prompt, progress)
    return space.rows(keys)


def missing_texts(store: Store, encoder: Encoder, texts: Sequence[str], role: Role, prompt: str) -> list[str]:
    """The texts, each once, that `stored_vectors` would have to encode."""
    space = _space(store, encoder, role, prompt)
    return [texts[at] for at in space.missing(text_keys(texts))]


def _space(store: Store, encoder: Encoder, role: Role, prompt: str) -> Space:
    about = {"name": encoder.model.name, **encoder.identity, "prompt": prompt}
    return store.space(encoder.key(prompt, role), about)


def _fill(
    space: Space,
    encoder: Encoder,
    texts: Sequence[str],
    keys: npt.NDArray[np.bytes_],
    role: Role,
    prompt: str,
    progress: Progress,
) -> None:
    work = _work(texts, encoder.max_tokens)
    with space.writing() as waited:
        missing = space.missing(keys)
        if waited:
            progress.say(f"{space.label}: another process was encoding; {len(missing)} texts are left to do")
        bar = progress.bar(f"encode {space.label}", float(work[missing].sum()))
        try:
            for shard in _shards(keys, missing, work):
                space.add(keys[shard], encoder.encode([texts[at] for at in shard], role, prompt))
                bar.advance(float(work[shard].sum()))
        finally:
            bar.close()
        space.refresh()


def _work(texts: Sequence[str], max_tokens: int | None) -> npt.NDArray[np.float64]:
    """About how long each text takes, in characters: what the limit cuts off costs nothing."""
    lengths = np.array([len(text) for text in texts], dtype=np.float64)
    return np.minimum(lengths, 5.0 * max_tokens) + 10.0 if max_tokens else lengths + 10.0


def _shards(
    keys: Key, missing: npt.NDArray[np.int64], work: npt.NDArray[np.float64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Positions to encode together, longest texts first.

    Texts of one shard have about one length, so little is padded. The bounds depend on the whole set and not on what
    is missing: a run that goes on after a kill makes the same batches, and so the same vectors to the last bit.
    """
    every = np.sort(np.unique(keys, return_index=True)[1])
    order = every[np.argsort(-work[every], kind="stable")]
    before = np.cumsum(work[order]) - work[order]
    number = before // max(SHARD_CHARACTERS, work[order].sum() / MOST_SHARDS)
    left = np.isin(order, missing)
    for shard in np.unique(number[left]):
        yield order[left & (number == shard)]
