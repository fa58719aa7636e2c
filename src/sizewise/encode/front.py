"""The front end that runtimes share: texts to tokens, tokens to batches within a budget, vectors back in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from sizewise.encode.batches import windows
from sizewise.encode.budget import Budget, Vectors
from sizewise.encode.tokens import TextTokenizer, Tokens

Item = TypeVar("Item")
Made = TypeVar("Made")


def encode_texts(
    texts: Sequence[str],
    prompt: str,
    tokenizer: TextTokenizer,
    run: Callable[[Tokens], Vectors],
    dimensions: int,
    budget: Budget,
    *,
    overlap: bool = False,
) -> Vectors:
    """float32 [n, dimensions] in the order of `texts`, `prompt` before each; `run` makes the vectors of one batch.

    Within a window of some thousand texts, batches are of texts of about one length. With `overlap` the next window is
    tokenised while this one runs: for accelerators; on a CPU both want the same cores.
    """
    found = np.empty((len(texts), dimensions), dtype=np.float32)
    start = 0
    for tokens in ahead(windows(texts), lambda some: tokenizer(some, prompt), threads=int(overlap)):
        rows = found[start : start + len(tokens)]
        budget.fill(rows, tokens.lengths, lambda batch, tokens=tokens: run(tokens.take(batch)))  # type: ignore[misc]
        start += len(tokens)
    return found


def ahead(
    items: Iterable[Item], make: Callable[[Item], Made], *, threads: int = 1, early: int | None = None
) -> Iterator[Made]:
    """`make` of each item in order, the next ones being made while the caller works on this one.

    At most `early` are made or being made before they are asked for: by default one for each thread. With 0 threads
    nothing is made before it is asked for. What `make` raises is raised where its result would be.
    """
    if not threads:
        yield from map(make, items)
        return
    most = threads if early is None else early
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
