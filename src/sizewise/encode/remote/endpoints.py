"""Endpoints: the user's own configuration of where texts may be sent, read and checked.

A TOML file, `$SIZEWISE_CONFIG` or `endpoints.toml` in the user's folder for settings. No study, task or run can name a
URL: they name an endpoint of this file at most. It holds the names of environment variables and never a key.
`docs/remote.md` is the page of this module.
"""

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sizewise.core.errors import InputError

BYTES_A_TOKEN = 4
"""What a token is taken to have in UTF-8, until an answer says how many there were. English has about 4.5, program code
3, Chinese 3 to 5 by tokenizer."""
CUT_BYTES_A_TOKEN = 3
"""Of a text, `max_tokens` times so many bytes are sent: few scripts have shorter tokens, so endpoints that refuse texts
above their limit see none."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYS = ("key", "api_key", "apikey", "token", "secret")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One OpenAI-compatible `/embeddings` endpoint and the terms on which it is used."""

    name: str
    url: str
    """Up to `/embeddings`, as in https://api.example.com/v1."""
    model: str
    dimensions: int
    """Of its vectors: demanded of every answer."""
    key_env: str | None = None
    """Name of the environment variable that holds the key; None: no key is sent."""
    send_dimensions: bool = True
    """Whether to ask for them. False for models that have one length and refuse to be asked."""
    max_tokens: int | None = None
    """Longer texts are cut off, at CUT_BYTES_A_TOKEN bytes for each; None: all are sent whole."""
    batch_texts: int = 128
    """Texts in one request, at most."""
    batch_tokens: int = 50_000
    """Estimated tokens in one request, at most (a text of more goes alone)."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    price_per_million_tokens: float | None = None
    max_spend: float | None = None
    """What one command may spend, in the currency of the price."""
    timeout_s: float = 60.0
    """Seconds from sending a request to the last byte of its answer."""
    since: str = ""
    """A date, as in 2026-11-22: vectors that were bought earlier are not used."""

    @property
    def host(self) -> str:
        """Where texts and key go: the host and, where one is given, the port."""
        return urlsplit(self.url).netloc

    @property
    def cut_bytes(self) -> int | None:
        """Bytes of a text with its prompt that are sent, at most."""
        return None if self.max_tokens is None else CUT_BYTES_A_TOKEN * self.max_tokens

    def cost(self, tokens: float) -> float | None:
        """What `tokens` cost; None without a price."""
        return None if self.price_per_million_tokens is None else tokens * self.price_per_million_tokens / 1e6

    def key(self) -> str | None:
        """The key, from the environment. Raises InputError, which does not quote it, when it is not there or no key."""
        if self.key_env is None:
            return None
        found = os.environ.get(self.key_env, "").strip()
        if not found:
            raise InputError(
                f"endpoint {self.name}: its key for {self.host} is read from the environment variable {self.key_env}, "
                "which is not set; set it"
            )
        if not (found.isascii() and found.isprintable() and " " not in found):
            raise InputError(
                f"endpoint {self.name}: what the environment variable {self.key_env} holds is no key (white space or "
                "characters beyond ASCII in it); set it again"
            )
        return found


def config_path() -> Path:
    """`$SIZEWISE_CONFIG`, or `sizewise/endpoints.toml` in the user's folder for settings."""
    if chosen := os.environ.get("SIZEWISE_CONFIG"):
        return Path(chosen)
    variable, fallback = ("APPDATA", "AppData/Roaming") if sys.platform == "win32" else ("XDG_CONFIG_HOME", ".config")
    return Path(os.environ.get(variable) or Path.home() / fallback) / "sizewise" / "endpoints.toml"


def endpoint(name: str) -> Endpoint:
    """The endpoint called `name`. Raises InputError when the configuration has none, or something in it is wrong."""
    path = config_path()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"remote:{name} is an endpoint of yours, and there is no {path} that says where it is; write it, as "
            "docs/remote.md shows, or name it in SIZEWISE_CONFIG"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({type(error).__name__}); it must be a TOML file in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: {error}; correct it") from None
    for key in found:
        if key != "endpoints":
            raise InputError(f"{path}: {key} is not known; endpoints are tables such as [endpoints.large]")
    every = found.get("endpoints", {})
    if not isinstance(every, dict) or name not in every:
        there = ", ".join(every) if isinstance(every, dict) else ""
        raise InputError(f"there is no endpoint {name!r} in {path}; there are: {there or 'none'}")
    return _Reader(path, name).endpoint(every[name])


@dataclass(frozen=True)
class _Reader:
    path: Path
    name: str

    def endpoint(self, table: Any) -> Endpoint:
        if not _NAME.fullmatch(self.name):
            raise InputError(f"{self.path}: endpoint {self.name!r}: a name has letters, digits and ._- only")
        if not isinstance(table, dict):
            raise InputError(f"{self.path}: endpoints.{self.name} must be a table of its own")
        kinds = {one.name: one.type for one in fields(Endpoint) if one.name != "name"}
        self.known(table, kinds)
        missing = [one.name for one in fields(Endpoint) if one.default is MISSING and one.name not in table]
        if missing := [name for name in missing if name != "name"]:
            raise self.error(missing[0], "is missing; give it")
        values = {key: self.value(key, value, str(kinds[key])) for key, value in table.items()}
        self.url(values["url"])
        if (variable := values.get("key_env")) is not None and not _VARIABLE.fullmatch(variable):
            raise self.error("key_env", "is the name of an environment variable; the key itself belongs there")
        if "max_spend" in values and "price_per_million_tokens" not in values:
            raise self.error("max_spend", "needs price_per_million_tokens, to know what is spent; give that too")
        return Endpoint(self.name, **values)

    def known(self, table: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
        for key in table:
            if key.lower() in _KEYS:
                raise self.error(
                    key, "does not belong here: put the key into an environment variable and name that as key_env"
                )
            if key not in kinds:
                close = get_close_matches(key, kinds, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(kinds)}"
                raise self.error(key, f"is not known; {hint}")

    def value(self, key: str, value: Any, kind: str) -> Any:
        if key == "since":
            return self.date(value)
        if "bool" in kind:
            right, what = isinstance(value, bool), "true or false"
        elif "str" in kind:
            right, what = isinstance(value, str) and bool(value), "a text"
        elif "float" in kind:
            least = 0 if key in ("price_per_million_tokens", "max_spend") else sys.float_info.min
            right = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
            right, what = right and value >= least, f"a number{'' if least else ', zero or'} above zero"
        else:
            right, what = isinstance(value, int) and not isinstance(value, bool) and value > 0, "a whole number above 0"
        if not right:
            raise self.error(key, f"must be {what}")  # and is not quoted: it may be a key in the wrong place
        return value

    def date(self, value: Any) -> str:
        """TOML has dates of its own; a text does too. A day ahead may be today elsewhere, more would be a mistake."""
        try:
            found = date.fromisoformat(str(value))
        except ValueError:
            raise self.error("since", "must be a date, as in 2026-11-22") from None
        if found > datetime.now(UTC).date() + timedelta(days=1):
            raise self.error("since", f"is {found}, which is yet to come; give today or an earlier day")
        return found.isoformat()

    def url(self, url: str) -> None:
        """Keys and texts go over https; over http only to this machine itself."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https"):
            raise self.error("url", "must be like https://api.example.com/v1")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise self.error("url", "must have no name, password, query or fragment: what is secret belongs in key_env")
        if parts.scheme == "http" and not is_loopback(host):
            raise self.error("url", f"is http, which anybody between here and {host} can read; give https")

    def error(self, key: str, problem: str) -> InputError:
        return InputError(f"{self.path}: endpoints.{self.name}.{key} {problem}")


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: localhost, 127.0.0.0/8 or ::1."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
