"""Files that are either whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import orjson


def make_private(folder: Path) -> None:
    """Make `folder` and its parents; those that are new are the owner's alone."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write, which appears at `path`, whole and on disk, when the block ends without an error."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def to_json(value: Any) -> bytes:
    """`value` as indented JSON; numpy numbers and arrays are fine, NaN becomes null."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def write_json(path: Path, value: Any) -> None:
    """`value` as JSON at `path`, whole or not at all."""
    with atomic(path) as file:
        file.write(to_json(value))


def digest(value: Any) -> str:
    """sha256 of a JSON value in canonical form (sorted keys)."""
    return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
