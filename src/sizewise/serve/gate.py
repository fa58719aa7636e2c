"""What every request passes before a route sees it: an id, a key, a bound on its body, room in the queue.

After it comes a line in the log. A client that hangs up is dropped.
"""

import asyncio
import re
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from sizewise.serve import keys, metrics
from sizewise.serve.batcher import Full
from sizewise.serve.logs import log
from sizewise.serve.refused import Refused, busy, unready
from sizewise.serve.settings import Settings, is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ANYBODY = frozenset({"/health", "/livez", "/readyz"})
"""Paths that need no key: they tell whether the server is there, and nothing else."""
OPEN_PREFIXES = ("/page/",)
ID = re.compile(r"[\w.:/+=-]{1,128}")
"""What is taken over as the id of a request."""
TOLD = "sizewise.told"
"""In a scope: what routes add to the line of the log, numbers and names of models."""


class Work(Protocol):
    """The server, as far as this looks at it."""

    def unready(self) -> str:
        """Why it cannot work now; empty where it can."""
        ...

    def full(self) -> Full | None:
        """See `Batcher.full`."""
        ...


@dataclass
class Gate:
    """An ASGI application around another one."""

    app: App
    settings: Settings
    work: Work
    _hosts: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._hosts = frozenset({"localhost", self.settings.host})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if ID.fullmatch(given) else uuid.uuid4().hex
        told: dict[str, Any] = {}
        scope[TOLD] = told
        status = 0

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode("latin-1")),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._let_in(scope, headers, receive, answered)
        except Exception as error:  # nobody foresaw it: the client is told so, the log has where it happened
            if not status:
                await _answer(scope, answered, Refused(500, f"something went wrong here; its id is {request_id}"))
            log("error", id=request_id, error=type(error).__name__, at=_where(error))
        finally:
            took = time.monotonic() - started
            self._heard(scope, status, took, told)
            if not self.settings.quiet:
                about = {"method": scope["method"], "path": _route(scope), "status": status or 499}
                log("request", id=request_id, **about, ms=round(1e3 * took, 2), **told)

    async def _let_in(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        try:
            self._check(scope, headers)
            limits = self.settings.limits
            async with asyncio.timeout(limits.deadline_s):
                body = await _body(headers, receive, limits.body_bytes)
        except TimeoutError:
            await _answer(scope, send, Refused(408, "the body of this request did not arrive in time"))
            return
        except Refused as refused:
            await _answer(scope, send, refused)
            return
        if body is not None:
            await _unless_gone(self.app, scope, body, receive, send)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Raises Refused."""
        path = scope["path"]
        if self.settings.is_local and not self.settings.keys:
            # A page of another site can have its name lead here, and a browser would then let it ask.
            host = headers.get(b"host", b"").decode("latin-1").rpartition(":")[0] or headers.get(b"host", b"").decode()
            if not (is_loopback(host) or host in self._hosts):
                raise Refused(403, "this server answers to localhost only; name it so, or give it keys")
        if path in ANYBODY or path == "/" or path.startswith(OPEN_PREFIXES):
            return
        self._check_key(headers)
        if scope["method"] == "POST":
            if why := self.work.unready():
                raise unready(why)
            if (full := self.work.full()) is not None:
                raise busy(full)

    def _check_key(self, headers: dict[bytes, bytes]) -> None:
        if not self.settings.keys:
            return
        scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        wanted = {"www-authenticate": "Bearer"}
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(401, "You didn't provide an API key: send Authorization: Bearer KEY", headers=wanted)
        if not keys.is_known(key.strip(), self.settings.keys):
            raise Refused(401, "Incorrect API key provided", code="invalid_api_key", headers=wanted)

    def _heard(self, scope: Scope, status: int, took: float, told: dict[str, Any]) -> None:
        metrics.ANSWERS.labels(_route(scope), str(status or 499)).inc()
        if scope["method"] != "POST" or scope["path"] in ANYBODY:
            return
        metrics.REQUESTS.labels("batch" if told.get("texts", 1) > 1 else "single").inc()
        if 200 <= status < 300:
            metrics.SUCCESSES.labels("batch" if told.get("texts", 1) > 1 else "single").inc()
            metrics.DURATION.observe(took)
        else:
            metrics.FAILURES.labels(_FAILURES.get(status, "validation")).inc()


_FAILURES = {0: "dropped", 429: "overloaded", 500: "inference", 503: "unhealthy"}


def _route(scope: Scope) -> str:
    """The path as routes write it: what users put into paths is not told."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    return str(path) if path else ("/page" if scope["path"].startswith(OPEN_PREFIXES) else "other")


async def _body(headers: dict[bytes, bytes], receive: Receive, most: int) -> bytes | None:
    """The whole body; None when the client is gone. Raises Refused as soon as it is longer than `most` bytes."""
    too_long = Refused(413, f"the body of this request is longer than {most:,} bytes; send fewer texts at a time")
    said = headers.get(b"content-length", b"0")
    if not said.isdigit() or int(said) > most:
        raise too_long
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_long
        if not message.get("more_body"):
            return b"".join(parts)


async def _unless_gone(app: App, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
    """Run `app` on the body that was read; stop it when the client hangs up."""
    handed = False

    async def again() -> Message:
        nonlocal handed
        if not handed:
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # nothing more comes

    work = asyncio.ensure_future(app(scope, again, send))
    gone = asyncio.ensure_future(receive())
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
        await work
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
    finally:
        gone.cancel()


async def _answer(scope: Scope, send: Send, refused: Refused) -> None:
    body = orjson.dumps(refused.body(scope["path"]))
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
    # What is left of a body that was not read is not worth reading.
    headers |= {"connection": "close"} if refused.status == 413 else {}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _where(error: BaseException) -> list[str]:
    """Files and lines, without the words of the error: they may quote a user's text."""
    return [f"{one.filename}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)[-6:]]
