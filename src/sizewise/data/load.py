"""From a folder to a task: which kind is it, what is it called, and does its class agree?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sizewise.core.errors import InputError
from sizewise.core.registry import TASKS
from sizewise.data.settings import FILE, Settings, read_settings
from sizewise.data.task import Task

_GENERIC = frozenset({"", ".", "..", "/", "data", "datasets", "tasks"})
"""Parent folders that say nothing about a task."""


def load_task(path: str | Path, *, protocol: str | None = None, name: str | None = None) -> Task:
    """The task in the folder `path`: its kind from its files, and what its task.toml says instead.

    `protocol` and `name` come before those of task.toml; kinds without protocols ignore it.
    Raises InputError: no such folder, no kind or several recognise it, or its data are wrong (naming file and line).
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file; give the folder that holds it" if folder.exists() else "is no folder; check the path"
        raise InputError(f"{folder} {what}")
    if any("\ud800" <= character <= "\udfff" for character in str(folder)):
        raise InputError(f"{folder}: the name of the folder is not UTF-8, so results cannot name it; rename it")
    settings = read_settings(folder, task_name(folder))
    settings = replace(settings, name=name or settings.name, protocol=protocol or settings.protocol)
    task: Task = _kind(folder, settings).load(folder, settings)
    return task


def is_task(folder: Path) -> bool:
    """Whether `folder` says that it is a task, or has the files of one."""
    return (folder / FILE).is_file() or any(TASKS.get(kind).recognises(folder) for kind in TASKS.names())


def task_name(folder: Path) -> str:
    """The last two parts of the path (`stsb/en`), or the last alone where its parent says nothing (`data/pubmedqa`)."""
    parts = folder.parts if folder.name not in _GENERIC - {"data", "datasets", "tasks"} else folder.resolve().parts
    parent = parts[-2] if len(parts) > 1 else ""
    generic = parent in _GENERIC or Path(parent).anchor == parent
    return parts[-1] if generic else f"{parent}/{parts[-1]}"


def _kind(folder: Path, settings: Settings) -> Any:
    """The class that `settings` name, or the only one that recognises `folder`."""
    if settings.kind is not None:
        return TASKS.get(settings.kind)
    classes = {kind: TASKS.get(kind) for kind in TASKS.names()}
    recognising = [kind for kind, task in classes.items() if task.recognises(folder)]
    if len(recognising) == 1:
        return classes[recognising[0]]
    if recognising:
        raise InputError(f'{folder} fits {" and ".join(recognising)}; name one in {FILE}: kind = "{recognising[0]}"')
    needed = "; ".join(
        f"{kind}: {getattr(task, 'files', '') or 'see its documentation'}" for kind, task in classes.items()
    )
    raise InputError(f"{folder} holds no task that is recognised; the kinds and their files are {needed}")
