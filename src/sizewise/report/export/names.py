"""File names from the names of candidates and tasks: they hold slashes, brackets, quotes, and what users make up."""

import re
from collections.abc import Sequence
from hashlib import sha256

LONGEST = 100
"""Characters; file systems allow 255 bytes, and a suffix and a folder's prefix come on top."""
DIGEST = 10
"""Characters of a sha256 that tell names apart."""
UNSAFE = re.compile(r"[^A-Za-z0-9._+=@]+")
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
"""Windows keeps these for devices, whatever comes behind a dot."""


def file_names(texts: Sequence[str]) -> dict[str, str]:
    """A file name for each distinct text: ASCII, no separators, not hidden, no option, of at most LONGEST characters.

    No two are the same, on file systems that take A for a too: where two would be, all carry a digest of their text.
    """
    names = {text: _shortened(text) for text in dict.fromkeys(texts)}
    if len({name.lower() for name in names.values()}) < len(names):
        return {text: f"{_plain(text)[: LONGEST - DIGEST - 1]}-{_digest(text)}" for text in names}
    return names


def _shortened(text: str) -> str:
    name = _plain(text)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - DIGEST - 1]}-{_digest(text)}"


def _plain(text: str) -> str:
    name = UNSAFE.sub("-", text).strip(".-")
    return f"x-{name}".rstrip("-") if not name or name.partition(".")[0].lower() in RESERVED else name


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]
