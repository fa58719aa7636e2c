"""What is made once of a model, and kept: graphs for runtimes, found by what they were made from."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import portalocker

from sizewise.store.files import digest, make_private, write_json

FOLDER = "engines"
ABOUT = "made.json"
"""Its time is when the folder was last used."""


def prepared(root: Path, about: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
    """The folder under `root` for `about`, filled by `make(folder)` if it is not there yet.

    It is there whole or not at all. Of several processes, one makes it and the others wait.
    """
    base = root / FOLDER
    folder = base / digest(dict(about))[:32]
    if folder.is_dir():
        with suppress(OSError):  # of a store that may only be read
            os.utime(folder / ABOUT)
        return folder
    make_private(base)
    with portalocker.Lock(base / f"{folder.name}.lock", mode="a", flags=portalocker.LockFlags.EXCLUSIVE):
        if not folder.is_dir():
            half = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=base))
            try:
                make(half)
                write_json(half / ABOUT, dict(about))
                half.rename(folder)
            finally:
                shutil.rmtree(half, ignore_errors=True)
    return folder
