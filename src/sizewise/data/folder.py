"""Writing task folders: all of a folder or nothing of it, and never over files that are not a task's."""

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from sizewise.core.errors import InputError
from sizewise.data.formats import SUFFIXES
from sizewise.data.settings import FILE

_OWN = {FILE, "qrels"} | {
    f"{stem}{suffix}" for stem in ("corpus", "queries", "clusters", "train", "test") for suffix in SUFFIXES
}


@contextmanager
def new_folder(folder: Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends, and vanishes when it fails.

    Raises InputError when `folder` holds something, unless `overwrite` and it holds nothing but a task's files, or when
    it cannot be made.
    """
    folder = folder.resolve()
    _refuse_to_lose_files(folder, overwrite)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}; name another folder") from error
    try:
        new = temporary / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(temporary / "old")
        new.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line, UTF-8."""
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def write_qrels(path: Path, judgements: Iterable[tuple[str, str, int]]) -> None:
    """Query, document and grade a line, with BEIR's header, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("query-id", "corpus-id", "score"))
        writer.writerows(judgements)


def write_settings(folder: Path, **settings: str) -> None:
    """A task.toml with these texts."""
    # A JSON string is a TOML basic string.
    lines = (f"{key} = {orjson.dumps(value).decode()}\n" for key, value in settings.items())
    (folder / FILE).write_text("".join(lines), encoding="utf-8")


def _refuse_to_lose_files(folder: Path, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder")
    there = {path.name for path in folder.iterdir()}
    if there and not overwrite:
        raise InputError(f"{folder} is not empty; name a new folder, or let it be replaced (--overwrite)")
    if foreign := sorted(there - _OWN):
        raise InputError(f"{folder} holds {foreign[0]!r}, which is no part of a task; name a new folder")
