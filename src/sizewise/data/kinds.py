"""What the kinds of task use to recognise and find their files."""

from collections.abc import Set
from pathlib import Path
from typing import Any

from sizewise.core.errors import InputError
from sizewise.data.formats import column_names, find_table
from sizewise.data.settings import Settings


def has_columns(folder: Path, stem: str, columns: Set[str]) -> bool:
    """Whether the table `stem` of `folder` is there and its first row has all `columns`."""
    path = find_table(folder, stem)
    return path is not None and columns <= column_names(path)


def required_table(folder: Path, stem: str) -> Path:
    """The table `stem` of `folder`. Raises InputError when it is missing."""
    path = find_table(folder, stem)
    if path is None:
        raise InputError(f"{folder}: there is no {stem}.jsonl (or .jsonl.gz, .csv, .tsv, .parquet); add it")
    return path


def described(folder: Path, settings: Settings) -> dict[str, Any]:
    """The arguments of every task's constructor that come from its folder and settings alone."""
    return {"name": settings.name, "path": str(folder), "margin": settings.margin, "prompts": settings.prompts}


def recording(kind: str, metric: str, settings: Settings, **others: str) -> dict[str, Any]:
    """The settings that change records, for the fingerprint."""
    return {"kind": kind, "metric": metric, "prompts": dict(settings.prompts), **others}
