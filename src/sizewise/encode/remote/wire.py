"""One request over HTTP: where it goes, what goes with it, and what its failures mean.

Redirects are not followed, so the key reaches the configured host and no other. Whatever is quoted from an endpoint is
short and has the key taken out of it.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import orjson

from sizewise.core.errors import InputError, RunError
from sizewise.encode.remote.allowance import KEPT
from sizewise.encode.remote.endpoints import Endpoint, config_path

BYTES_A_NUMBER = 40
"""A number of an answer takes fewer, in whatever form."""
SPARE_BYTES = 100_000
MOST_WORDS = 200
"""Characters quoted of an answer that refuses."""
AGAIN = (408, 425, 429)
"""Statuses below 500 after which the same request may succeed."""


class Trouble(Exception):  # noqa: N818 - no error yet: it may pass
    """What may pass when the same request is sent again. `wait` is what the endpoint asks for, in seconds."""

    def __init__(self, reason: str, *, wait: float | None = None, perhaps_paid: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.perhaps_paid = perhaps_paid


@dataclass(frozen=True)
class Reply:
    """Status, headers and the whole body."""

    status: int
    headers: httpx2.Headers
    body: bytes


class Wire:
    """A connection to one endpoint, kept open between requests; use it in a `with` block, or close it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._key = endpoint.key()
        self._url = endpoint.url.rstrip("/") + "/embeddings"
        headers = {"content-type": "application/json", "user-agent": "sizewise"}
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key}"
        # A proxy of the environment sees nothing of https but the host; plain http, to this machine, goes to none.
        environment = urlsplit(endpoint.url).scheme == "https"
        try:
            self._client = httpx2.Client(
                headers=headers, timeout=endpoint.timeout_s, follow_redirects=False, trust_env=environment
            )
        except (ImportError, ValueError, httpx2.InvalidURL):  # not quoted: it may hold a password
            raise InputError(
                "the proxy that the environment names (HTTPS_PROXY, ALL_PROXY) cannot be used; name one of http"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def ask(self, texts: list[str]) -> bytes:
        """The body of the answer to one request for the vectors of `texts`.

        Raises Trouble where it may succeed later; InputError where URL, key or model are wrong; RunError for every
        other refusal.
        """
        asked: dict[str, Any] = {"model": self.endpoint.model, "input": texts, "encoding_format": "base64"}
        if self.endpoint.send_dimensions:
            asked["dimensions"] = self.endpoint.dimensions
        reply = self._reply(orjson.dumps(asked), SPARE_BYTES + len(texts) * self.endpoint.dimensions * BYTES_A_NUMBER)
        if reply.status == 200:
            return reply.body
        raise self._refusal(reply)

    def _reply(self, content: bytes, most: int) -> Reply:
        """The whole answer, within the time and the size that one may take."""
        until = time.monotonic() + self.endpoint.timeout_s
        try:
            with self._client.stream("POST", self._url, content=content) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > most:
                        raise RunError(
                            f"{self._who}: its answer has more than {most:,} bytes; correct the endpoint ({KEPT})"
                        )
                    if time.monotonic() > until:
                        raise Trouble(self._late, perhaps_paid=True)
                return Reply(response.status_code, response.headers, bytes(body))
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
            if "certificate" in str(error).lower():
                raise InputError(
                    f"{self._who}: its certificate is not trusted ({self._said(str(error))}), so nothing was sent; "
                    "correct the url, or name the certificates to trust in SSL_CERT_FILE"
                ) from None
            raise Trouble(f"no connection ({self._said(str(error))})") from None
        except httpx2.TimeoutException:
            raise Trouble(self._late, perhaps_paid=True) from None
        except httpx2.TransportError as error:
            raise Trouble(f"the connection was lost ({type(error).__name__})", perhaps_paid=True) from None
        except httpx2.HTTPError as error:
            raise RunError(f"{self._who}: its answer cannot be read ({type(error).__name__}) ({KEPT})") from None

    def _refusal(self, reply: Reply) -> Exception:
        status = reply.status
        if 300 <= status < 400:
            to = urlsplit(reply.headers.get("location", "")).netloc or "another place"
            return InputError(
                f"{self._who}: it sends on to {self._said(to)} (HTTP {status}), which is not followed: texts and key "
                f"are for {self.endpoint.host}; give the right url in {config_path()}"
            )
        if status in (401, 403):
            where = f"what {self.endpoint.key_env} holds" if self.endpoint.key_env else "a request without a key"
            return InputError(
                f"{self._who}: it refuses {where} (HTTP {status}); correct the key or its rights ({KEPT})"
            )
        code, message = self._error(reply.body)
        if code == "insufficient_quota":  # a 429 that no waiting mends
            return RunError(
                f"{self._who}: your account there is used up ({message}); fill it up and run again ({KEPT})"
            )
        if status in AGAIN or status >= 500:
            return Trouble(f"HTTP {status}{': ' if message else ''}{message}", wait=retry_after(reply.headers))
        if status == 404:
            return InputError(
                f"{self._who}: there is no {self._url}, or no model {self.endpoint.model!r} (HTTP 404: {message}); "
                f"correct {config_path()}"
            )
        return RunError(
            f"{self._who}: it refuses the request (HTTP {status}: {message}); nothing is sent again ({KEPT})"
        )

    def _error(self, body: bytes) -> tuple[str, str]:
        """Code and message of an answer that refuses, as far as it has them."""
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return "", self._said(body.decode("utf-8", "replace"))
        error = found.get("error", found) if isinstance(found, dict) else found
        if isinstance(error, dict):
            return str(error.get("code")), self._said(str(error.get("message") or error.get("detail") or ""))
        return "", self._said(str(error))

    def _said(self, words: str) -> str:
        """Words from outside: in one line, short, without the key."""
        if self._key:
            words = words.replace(self._key, "(the key)")
        words = " ".join(words.split())
        return words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]}..."

    @property
    def _who(self) -> str:
        return f"endpoint {self.endpoint.name} at {self.endpoint.host}"

    @property
    def _late(self) -> str:
        return f"no answer within {self.endpoint.timeout_s:g} s"


def retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds that the header `Retry-After` asks to wait, as a number or a date (RFC 9110, 10.2.3), or None."""
    written = headers.get("retry-after", "")
    try:
        return max(0.0, float(written)) if float(written) < float("inf") else None
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(written)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
