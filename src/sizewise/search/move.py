"""An index put into another one, a server's or a folder's: nothing is encoded again."""

from pathlib import Path
from typing import TYPE_CHECKING

from sizewise.core.errors import InputError
from sizewise.core.progress import Progress
from sizewise.pipeline.live import Pipeline
from sizewise.search.backing import Index
from sizewise.search.folder import About, digest_of
from sizewise.search.local import BLOCK, Local

if TYPE_CHECKING:
    from sizewise.search.make import Indexed


def moved(source: Path, bundle: Path, pipeline: Pipeline, index: Index, done: "Indexed", progress: Progress) -> bool:
    """Put the documents of the index in the folder `source` into `index`, unless they are there unchanged; whether
    `source` has all of its corpus.

    Raises InputError when `source` is no index of this bundle.
    """
    about = About.read(source)
    if about.digest != digest_of(bundle):
        raise InputError(f"{source} is an index of another bundle than {bundle}; its vectors are others")
    local = Local(source, about, pipeline)
    bar = progress.bar("move documents", local.state.positions)
    try:
        for start in range(0, local.state.positions, BLOCK):
            stop = min(start + BLOCK, local.state.positions)
            _block(local, start, stop, index, done)
            bar.advance(stop - start)
    finally:
        bar.close()
        local.close()
    return local.whole


def _block(local: Local, start: int, stop: int, index: Index, done: "Indexed") -> None:
    every = sorted(local.found(range(start, stop)).items())
    known = index.known([one.id for _, one in every])
    new = [(at, one) for at, one in every if known.get(one.id) != one.digest]
    if new:
        rows = [at - start for at, _ in new]
        index.put([one for _, one in new], [local.rows(at).block(start, stop)[rows] for at in range(len(local.parts))])
    done.added += len(new)
    done.unchanged += len(every) - len(new)
