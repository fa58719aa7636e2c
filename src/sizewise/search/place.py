"""Where an index is or will be: a folder, or a URL; and which bundle it is for."""

from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from sizewise.bundle.layout import Layout
from sizewise.bundle.place import placed
from sizewise.core.errors import InputError
from sizewise.core.extras import require
from sizewise.core.progress import Progress
from sizewise.pipeline.live import Pipeline
from sizewise.pipeline.parts import dense
from sizewise.search.backing import Index
from sizewise.search.folder import ABOUT, USUAL, About, digest_of, is_index
from sizewise.search.local import Local, only_writer
from sizewise.search.remote import Remote, is_url

EMBEDDED = "an index on Qdrant Edge (--engine exact does without)"


@dataclass(frozen=True)
class Making:
    """What an index is for, and how it may come to be."""

    bundle: Path
    pipeline: Pipeline
    """Of the bundle."""
    engine: str | None = None
    force: bool = False
    """Whether it may replace an index of another bundle or version."""
    new: bool = True
    """Whether it may be made; if not, it must be there."""
    shards: int | None = None
    replicas: int | None = None
    """Of a collection on a server."""


def place(out: Path | str, making: Making, progress: Progress) -> Index:
    """The index at `out`, a folder or a URL, open to be written to.

    Raises InputError when there is something else, or an index of another bundle or version that must not be replaced,
    RunError when another process writes to it.
    """
    if is_url(out):
        return _remote(str(out), making)
    folder, pipeline = Path(out), making.pipeline
    digest, candidate = digest_of(making.bundle), str(Layout.read(making.bundle).candidate)
    dimensions = tuple(part.chain.incoming for part in dense(pipeline))
    about = About(str(making.bundle.resolve()), digest, candidate, dimensions, making.engine or USUAL)
    found = _continued(folder, about, making, progress)
    if found is not None:
        return found
    if not making.new:
        raise InputError(f"{folder} holds no index of this bundle; name a corpus to make one")
    with _unused(folder), placed(folder, force=making.force, kind="index", holds=(ABOUT,)) as new:
        about.write(new)
    return local(folder, about, pipeline, about.engine, progress, write=True)


def _unused(folder: Path) -> AbstractContextManager[object]:
    """Nobody else indexes there meanwhile. Raises RunError when somebody does."""
    return closing(only_writer(folder)) if is_index(folder) and not folder.is_symlink() else nullcontext()


def _remote(url: str, making: Making) -> Remote:
    if making.engine:
        raise InputError(f"{url} is searched by its server; leave --engine out")
    sizes = {"shards": making.shards, "replicas": making.replicas}
    return Remote.place(url, making.bundle, making.pipeline, force=making.force, new=making.new, **sizes)


def _continued(folder: Path, wanted: About, making: Making, progress: Progress) -> Local | None:
    """The index that is there, if it is one that can be gone on with."""
    if not is_index(folder) or folder.is_symlink():
        return None
    try:
        about = _same_bundle(folder, wanted)
        changed = replace(about, engine=making.engine or about.engine)
        index = local(folder, changed, making.pipeline, changed.engine, progress, write=True)
    except InputError:
        if not making.force:
            raise
        return None
    if changed != about:
        changed.write(folder)
    return index


def _same_bundle(folder: Path, wanted: About) -> About:
    about = About.read(folder)
    if about.digest != wanted.digest:
        raise InputError(f"{folder} is an index of another bundle; name a new folder, or replace it with --force")
    return about


def local(
    folder: Path, about: About, pipeline: Pipeline, engine: str, progress: Progress, *, write: bool = False
) -> Local:
    """The index in `folder` as `engine` searches it. Without vectors there is nothing for one."""
    if engine == "exact" or not about.dimensions:
        return Local(folder, about, pipeline, write=write)
    require("qdrant_edge", EMBEDDED)
    from sizewise.search.embedded import Embedded

    return Embedded(folder, about, pipeline, progress, write=write)
