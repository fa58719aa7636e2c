"""How a server runs, as data: it goes from the command to the processes that serve."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import orjson

from sizewise.core.errors import InputError

LATENCY_MS = 100.0
"""What a study without a limit on latency is taken to have asked for."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and how much may wait."""

    texts: int = 2048
    """In one request, as OpenAI has it."""
    body_bytes: int = 8_000_000
    """Enough for 2,048 texts of 512 tokens, about 5 MB; all else waits while a body is parsed, which is one call that
    keeps Python's lock."""
    requests: int = 512
    """On their way at a time."""
    waiting_s: float = 2.0
    """Seconds of work that may wait."""
    deadline_s: float = 30.0
    """The longest that a request may take."""
    latency_ms: float | None = None
    """Of a text that waits behind one batch; None: what the bundle's study asked for."""
    results: int = 1000
    """Documents that one search may ask for."""


@dataclass(frozen=True)
class Settings:
    """`sizewise serve`, in data."""

    bundles: Mapping[str, str]
    """Folders by the name that clients use; the first one is the default."""
    indexes: Mapping[str, str] = field(default_factory=dict)
    """By the same names; a bundle without one is searched in the index beside it, if there is one."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of the bundles' certificates when the server was started, for workers that start later."""
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    threads: int | None = None
    """Of each worker; None: all processors that it may use."""
    keys: tuple[str, ...] = ()
    """Their sha256, in hexadecimals."""
    limits: Limits = field(default_factory=Limits)
    page: bool = True
    quiet: bool = False
    """No line a request."""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        found: dict[str, Any] = orjson.loads(text)
        return cls(**found | {"limits": Limits(**found["limits"]), "keys": tuple(found["keys"])})

    @cached_property
    def is_local(self) -> bool:
        """Whether nobody from another machine can reach it."""
        return is_loopback(self.host)


@lru_cache(64)
def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def named(bundles: list[str]) -> dict[str, str]:
    """`NAME=FOLDER` or `FOLDER`, whose own name is taken. Raises InputError for a name that comes twice."""
    found: dict[str, str] = {}
    for one in bundles:
        name, equals, folder = one.partition("=")
        if not equals or Path(one).is_dir():
            name, folder = Path(one).resolve().name, one
        if not name or not name.isprintable() or name in found:
            raise InputError(
                f"{one}: {'two bundles are called' if name in found else 'no model can be called'} {name!r}; "
                "say how each is to be called, as in small=./bundle"
            )
        found[name] = folder
    return found
