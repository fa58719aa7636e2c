"""Where a model is being made: beside where it will be, found again when the same is made again after a stop."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import portalocker

from sizewise.core.errors import InputError
from sizewise.core.progress import Progress
from sizewise.store.files import digest, write_json

RECIPE = "recipe.json"
MODEL = "model"


def check_out(out: Path) -> None:
    """Raises InputError when a new model folder cannot be made at `out`."""
    if out.is_symlink() or out.exists():
        raise InputError(f"{out} is there already; name a new folder for the model with --out, or remove it")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out} cannot be made: {out.absolute().parent} is no folder; make it first, or name another")


@contextmanager
def workplace(out: Path, recipe: Mapping[str, Any], progress: Progress) -> Iterator[Path]:
    """A folder beside `out` to work in. What the block leaves in its `model` becomes `out`; nothing else stays.

    A block that fails or is stopped leaves the folder, and the same `recipe` gets it again; another one starts anew.
    Raises InputError when `out` is there already, cannot be made, or is being made by another process.
    """
    check_out(out)
    out = out.absolute()
    folder = out.parent / f".{out.name}.training"
    try:
        folder.mkdir(exist_ok=True)
        lock = portalocker.Lock(folder / ".lock", mode="a", timeout=0.5)
        lock.acquire()
    except OSError as error:
        raise InputError(f"{out} cannot be made ({error.strerror}); name a folder where you may write") from None
    except portalocker.exceptions.LockException:
        raise InputError(f"another process is making {out}; wait for it, or choose another --out") from None
    try:
        _prepare(folder, recipe, progress)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        (folder / MODEL).mkdir()
        yield folder
        check_out(out)  # again: something may have come there meanwhile
        (folder / MODEL).rename(out)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()


def _prepare(folder: Path, recipe: Mapping[str, Any], progress: Progress) -> None:
    """Empty the folder unless it was begun with this recipe."""
    path, wanted = folder / RECIPE, digest(recipe)
    try:
        begun = digest(orjson.loads(path.read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError):
        begun = None
    if begun == wanted:
        progress.say(f"going on with what {folder} holds")
        return
    if begun is not None:
        progress.say(f"{folder} holds an unfinished model of another recipe, which is discarded")
    for entry in folder.iterdir():
        if entry.name != ".lock":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    write_json(path, dict(recipe))
