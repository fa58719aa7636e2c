"""`task.toml`: what a folder's files cannot say about its task. Every key is optional, and an unknown one is an error.

::

    kind = "retrieval"                      where the files leave it open
    name = "support search"
    metric = "ndcg@20"                      rankings only; every kind has a default
    margin = 0.5                            points (x100) that may be lost
    split = "dev"                           the file that is tested instead of `test`
    tune = "train"                          retrieval only: the judgements to choose weights and thresholds by
    protocol = "full"                       classification only
    reference = "all-MiniLM-L6-v2"          fidelity only: the candidate that others are compared with
    origin = "known-item"                   how the task was made, where that limits what it shows
    group = "contract"                      the field whose equal values are resampled together
    slice = "length"                        the field that names parts to report apart
    prompts = { query = "query: ", document = "passage: " }
    fields = { text = "body" }              the task's name of a field = the file's name of it
"""

import math
import re
import tomllib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sizewise.core.candidate import ROLES, Role
from sizewise.core.errors import InputError

FILE = "task.toml"

_TEXTS = ("kind", "name", "metric", "split", "tune", "protocol", "reference", "origin", "group", "slice")
_TABLES = ("prompts", "fields")
MOST_NAME = 200
"""Characters of a task's name, which stands in tables and sentences."""
KEYS = (*_TEXTS, "margin", *_TABLES)

ORIGINS = {
    "known-item": "known-item search: each query was made from the text that it must find, so the scores show how well "
    "a candidate finds a text again from its title or first sentence; they do not show how it answers real users' "
    "questions, and other texts that would answer as well count as wrong",
    "standard-library": "made from the documentation of the installed Python standard library: it shows how candidates "
    "differ on short technical texts, not how they do on your data",
}
"""What a reader must know about a task of each origin."""


@dataclass(frozen=True)
class Settings:
    """What `task.toml` and the caller say about a task; the defaults are those of a folder without one."""

    name: str = ""
    kind: str | None = None
    metric: str | None = None
    margin: float | None = None
    prompts: Mapping[Role, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    """The task's name of a field to the file's; `group` and `slice` are in here too."""
    protocol: str | None = None
    split: str = "test"
    tune: str | None = None
    reference: str | None = None
    origin: str | None = None

    def column(self, name: str) -> str:
        """What the files call the field that tasks call `name`."""
        return self.fields.get(name, name)

    def notes(self) -> list[str]:
        """What the task's origin says about its scores."""
        return [ORIGINS.get(self.origin, f"origin: {self.origin}")] if self.origin else []

    def only_fields(self, known: Set[str], kind: str) -> None:
        """Raises InputError when `fields` maps a field that a task of this kind does not have."""
        unknown = sorted(set(self.fields) - known)
        if unknown:
            raise InputError(
                f"{FILE} of {self.name}: a {kind} task has no field {unknown[0]!r}; it has {', '.join(sorted(known))}"
            )

    def one_metric(self, metric: str, kind: str) -> str:
        """`metric`, the only one of this kind. Raises InputError when another was asked for."""
        if self.metric not in (None, metric):
            raise InputError(
                f"{FILE} of {self.name}: a {kind} task is scored by {metric!r}, not {self.metric!r}; leave `metric` out"
            )
        return metric


def read_settings(folder: Path, default_name: str) -> Settings:
    """The settings of `folder`: those of its task.toml, or the defaults. Raises InputError naming file and line."""
    path = folder / FILE
    if not path.is_file():
        return Settings(name=default_name)
    try:
        content = path.read_bytes().decode("utf-8-sig")
        table = tomllib.loads(content)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: invalid TOML: {error}; correct it, or remove the file") from error
    return _checked(_Toml(path, content), table, default_name)


@dataclass(frozen=True)
class _Toml:
    path: Path
    content: str

    def error(self, key: str, problem: str) -> InputError:
        """The error about `key`, with the first line that mentions it as a key."""
        mentioned = re.search(rf"^.*?\b{re.escape(key)}[\"']?\s*[=\]]", self.content, re.MULTILINE)
        line = self.content.count("\n", 0, mentioned.start()) + 1 if mentioned else 1
        return InputError(f"{self.path}:{line}: {problem}")


def _checked(toml: _Toml, table: Mapping[str, Any], default_name: str) -> Settings:
    for key, value in table.items():
        if key not in KEYS:
            raise toml.error(key, f"unknown key {key!r}; known are {', '.join(KEYS)}")
        if key in _TEXTS and (not isinstance(value, str) or not value.strip()):
            raise toml.error(key, f"{key!r} must be a text in quotes, not {value!r}")
        if key in _TABLES and not _maps_texts(value):
            raise toml.error(key, f'{key!r} must map names to texts, such as {{ text = "body" }}, not {value!r}')
    for role in table.get("prompts", {}):
        if role not in ROLES:
            raise toml.error(role, f"unknown role {role!r} in prompts; known are {', '.join(ROLES)}")
    if len(table.get("name", "")) > MOST_NAME:
        raise toml.error("name", f"'name' is {len(table['name']):,} characters long; give at most {MOST_NAME}")
    given = {key: table[key] for key in _TEXTS if key in table and key not in ("group", "slice")}
    return Settings(
        **{"name": default_name, **given},
        margin=_margin(toml, table.get("margin")),
        prompts=table.get("prompts", {}),
        fields=table.get("fields", {}) | {key: table[key] for key in ("group", "slice") if key in table},
    )


def _margin(toml: _Toml, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise toml.error("margin", f"'margin' must be a number of points above 0, such as 2.0, not {value!r}")
    return float(value)


def _maps_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
