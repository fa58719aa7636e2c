"""Encode once: texts that have no vector yet are encoded in shards, each kept as soon as it is done.

Of encoders that work in requests, every answer is kept as soon as it is there.
"""

import math
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
BYTES_A_TOKEN = 4.0
EACH = 10.0
"""What a text takes beside its bytes: special tokens, a row of the result."""
LEAST_HIDDEN = 256


def stored_vectors(
    store: Store, encoder: Encoder, texts: Sequence[str], role: Role, prompt: str, progress: Progress
) -> Rows:
    """The vectors of `texts`, from the store, those that are not there yet being encoded first.

    Raises RunError when the encoder's vectors depend on their batch neighbours: such vectors are never stored.
    """
    if encoder.depends_on_batch:
        raise RunError(
            f"{encoder.model.name}: its vectors depend on their batch neighbours and cannot be stored; give the "
            "model at another precision or on another runtime"
        )
    space = _space(store, encoder, role, prompt)
    keys = text_keys(texts)
    if len(space.missing(keys)):
        _fill(space, encoder, texts, keys, role, prompt, progress)
    return space.rows(keys)


def missing_texts(store: Store, encoder: Encoder, texts: Sequence[str], role: Role, prompt: str) -> list[str]:
    """The texts, each once, that `stored_vectors` would have to encode."""
    keys = text_keys(texts)
    if not store.knows(encoder.key(prompt, role)):  # and asking leaves no trace
        return [texts[at] for at in np.sort(np.unique(keys, return_index=True)[1])]
    return [texts[at] for at in _space(store, encoder, role, prompt).missing(keys)]


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
    work = _work(texts, encoder.max_tokens, encoder.dimensions)
    with space.writing() as waited:
        missing = space.missing(keys)
        if waited:
            progress.say(f"{space.label}: another process was encoding; {len(missing)} texts are left to do")
        bar = progress.bar(f"encode {space.label}", float(work[missing].sum()))
        try:
            if len(missing):
                encoder.say = progress.say
                encoder.load()
                bar.advance(0.0)
            least = math.inf if encoder.in_requests else SHARD_CHARACTERS * encoder.pace
            for shard in _shards(keys, missing, work, least):
                done = 0
                for count, vectors in encoder.encode_parts([texts[at] for at in shard], role, prompt):
                    part = shard[done : done + count]
                    space.add(keys[part], vectors)
                    bar.advance(float(work[part].sum()))
                    done += count
                if done != len(shard):
                    raise RunError(
                        f"{space.label} made vectors for {done} of {len(shard)} texts; an encoder must do all"
                    )
        finally:
            bar.close()
        space.refresh()


def _work(texts: Sequence[str], max_tokens: int | None, dimensions: int) -> npt.NDArray[np.float64]:
    """About how long each text takes, in bytes of a short one, float64 [n].

    Bytes stand for tokens, in any script: of Chinese, a character has three and is a token. What the limit cuts off
    costs nothing. In a text of n tokens, attention adds n / (6 hidden) to the work of each (4 n hidden operations to
    24 hidden^2 a layer; see `Shape.flops_per_token`). Models without a limit are taken to be without attention.
    """
    sizes = np.array([len(text.encode("utf-8", "surrogatepass")) for text in texts], dtype=np.float64)
    if max_tokens is None:
        return sizes + EACH
    sizes = np.minimum(sizes, BYTES_A_TOKEN * max_tokens) + EACH
    # Vectors are as wide as the model, unless they were made narrower.
    work: npt.NDArray[np.float64] = sizes * (1 + sizes / (BYTES_A_TOKEN * 6 * max(dimensions, LEAST_HIDDEN)))
    return work


def _shards(
    keys: Key, missing: npt.NDArray[np.int64], work: npt.NDArray[np.float64], least: float
) -> Iterator[npt.NDArray[np.int64]]:
    """Positions to encode together, longest texts first; `least` is the least work of a shard.

    Texts of one shard have about one length, so little is padded. The bounds depend on the whole set and not on what
    is missing: a run that goes on after a kill makes the same batches, and so the same vectors to the last bit.
    """
    every = np.sort(np.unique(keys, return_index=True)[1])
    order = every[np.argsort(-work[every], kind="stable")]
    before = np.cumsum(work[order]) - work[order]
    number = before // max(least, work[order].sum() / MOST_SHARDS)
    left = np.isin(order, missing)
    for shard in np.unique(number[left]):
        yield order[left & (number == shard)]
