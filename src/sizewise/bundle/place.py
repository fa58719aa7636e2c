"""A bundle or an index appears whole, or not at all, and takes the place of nothing but one of its kind."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sizewise.bundle.layout import is_bundle
from sizewise.core.errors import InputError


def check_place(out: Path, *, force: bool, kind: str = "bundle", holds: Sequence[str] = ()) -> None:
    """Raises InputError when `out` is taken, unless by one of the `kind` (known by the files that it `holds`, or as
    bundles are) that `force` lets be replaced, or cannot be made."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out} is a {'link' if out.is_symlink() else 'file'}; name a new folder for the {kind}")
    if out.is_dir() and any(out.iterdir()):
        if not (all((out / name).is_file() for name in holds) if holds else is_bundle(out)):
            raise InputError(f"{out} is not empty and no {kind}, so it is left alone; name a new folder")
        if not force:
            one = f"{'an' if kind == 'index' else 'a'} {kind}"
            raise InputError(f"{out} is {one} already; name a new folder, or replace it with --force")
    if not out.parent.is_dir():
        raise InputError(f"{out} cannot be made: {out.parent} is no folder; make it first, or name another")


@contextmanager
def placed(out: Path, *, force: bool, kind: str = "bundle", holds: Sequence[str] = ()) -> Iterator[Path]:
    """An empty folder that becomes `out` when the block ends, and vanishes when it fails or is interrupted.

    Raises InputError as `check_place`.
    """
    out = out.absolute()
    check_place(out, force=force, kind=kind, holds=holds)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out} cannot be made ({error.strerror}); name a folder where you may write") from None
    try:
        new = temporary / "new"
        new.mkdir()
        yield new
        _readable(new)
        check_place(out, force=force, kind=kind, holds=holds)  # again: something may have come there meanwhile
        _take(out, new, temporary / "old")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take(out: Path, new: Path, old: Path) -> None:
    """Put `new` where `out` is; if that fails, what was there is put back."""
    if not out.exists():
        new.rename(out)
        return
    out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        old.rename(out)
        raise


def _readable(folder: Path) -> None:
    """Files written under a temporary name are the owner's alone; whoever may enter the folder may read them."""
    mode = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)
