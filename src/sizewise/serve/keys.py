"""Keys that clients bring: the server knows only their hashes.

Keys are long and random, so one round of sha256 is enough: there is no dictionary to try.
"""

import secrets
from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from sizewise.core.errors import InputError

PREFIX = "sha256:"
SHORTEST = 16
"""Characters of a key given by the user."""


def new_key() -> str:
    """A key of 256 random bits."""
    return f"sw-{secrets.token_urlsafe(32)}"


def hashed(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def line_of(key: str) -> str:
    """What a file of keys has for `key`."""
    return PREFIX + hashed(key)


def read_keys(path: Path) -> tuple[str, ...]:
    """The hashes in a file: a `sha256:...` a line, behind which anything may stand that says whose it is; lines that
    begin with # are notes. Raises InputError, without quoting the line, for one that is not so."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); make it with sizewise serve --new-key") from None
    found = []
    for number, line in enumerate(lines, 1):
        word = line.split(maxsplit=1)[:1]
        if not word or word[0].startswith("#"):
            continue
        digits = word[0].removeprefix(PREFIX)
        if word[0] == digits or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
            raise InputError(
                f"{path}, line {number}: this is no hash of a key (sha256: and 64 digits); make one with "
                "sizewise serve --new-key"
            )
        found.append(digits)
    if not found:
        raise InputError(f"{path} holds no key; make one with sizewise serve --new-key")
    return tuple(found)


def given_key(key: str) -> str:
    """The hash of a key that the user set. Raises InputError when it can be guessed."""
    if len(key) < SHORTEST or not key.isascii():
        raise InputError(
            f"a key has {SHORTEST} characters or more, all of them ASCII; make one with sizewise serve --new-key"
        )
    return hashed(key)


def is_known(presented: str, keys: Iterable[str]) -> bool:
    """Whether `presented` is one of the keys with the hashes `keys`; takes as long whichever it is."""
    mine = hashed(presented)
    found = [compare_digest(mine, key) for key in keys]  # all of them: `any` alone would end at the first
    return any(found)
