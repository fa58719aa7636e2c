"""What `@auto` found on this machine, in one file beside the graphs: read by whoever meets the same again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import portalocker

from sizewise.core.environment import processor
from sizewise.encode.numeric import installed, instruction_set
from sizewise.store.files import digest, make_private, write_json
from sizewise.store.prepared import FOLDER

FILE = "auto.json"
VERSION = 1
"""Part of every key. Raise it when what was found before is worth nothing any more."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an exported graph is run: tokens of a block, and threads of those that it may use."""

    tokens: int
    threads: int


def machine(threads: int, *packages: str) -> dict[str, Any]:
    """What speed depends on, as JSON: the processor, the threads that may be used, and versions of what is installed of
    `packages`."""
    return {
        "processor": processor(),
        "instructions": instruction_set(),
        "threads": threads,
        "versions": installed("sizewise", *packages),
    }


def recall(root: Path, about: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any] | None:
    """What was kept for `about` in the store at `root`; None for nothing. `say` is told of a damaged file, which counts
    as empty."""
    found: dict[str, Any] | None = _entries(root / FOLDER / FILE, say).get(_key(about), {}).get("found")
    return found


def keep(root: Path, about: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Keep `found`, JSON, for `about`, in the place of what was kept for it before."""
    path = root / FOLDER / FILE
    make_private(path.parent)
    with portalocker.Lock(path.with_suffix(".lock"), mode="a", flags=portalocker.LockFlags.EXCLUSIVE):
        entries = _entries(path, lambda _: None) | {_key(about): {"about": dict(about), "found": dict(found)}}
        write_json(path, {"schema": 1, "entries": entries})


def _key(about: Mapping[str, Any]) -> str:
    return digest([VERSION, dict(about)])


def _entries(path: Path, say: Callable[[str], None]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())["entries"]
        if all(isinstance(one["found"], dict) for one in found.values()):
            return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    say(f"{path} is damaged and counts as empty: what @auto found on this machine is to be measured again")
    return {}
