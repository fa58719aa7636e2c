"""What every request passes: an id, a key, a bound on its body, room in the queue; and at its end a line in the log.

What clients post goes from here to its route, everything else to FastAPI. A client that hangs up is dropped.
"""

import asyncio
import math
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from itertools import count
from re import compile as pattern
from secrets import token_hex
from typing import Any

import orjson

from sizewise.encode.encoder import CHARACTERS_A_TOKEN
from sizewise.serve import keys, metrics
from sizewise.serve.batcher import Full, Late
from sizewise.serve.logs import log
from sizewise.serve.post import Answer, Call, Post
from sizewise.serve.refused import Refused, busy, refusal, unready
from sizewise.serve.settings import Settings, is_loopback
from sizewise.serve.state import State

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Mapping[bytes, bytes]

ANYBODY = frozenset({"/", "/health", "/livez", "/readyz"})
"""Paths that need no key unless something is posted there: whether the server is there, and a page without data."""
PAGE = "/page/"
GIVEN_ID = pattern(r"[\w.:/+=-]{1,128}")
"""What is taken over as the id of a request."""
_HOST = pattern(r"\.?(:\d*)?$")
"""What may stand behind a host's name."""
WATCHED_AFTER_S = 0.02
"""Work that is done sooner is done, whether its client is still there or not."""
LONG_BODY = 2**18
"""Bytes that take long enough to read that others should not wait for it."""
BODIES = 8
GONE = 499
"""The status in the log when the client hung up, as nginx has it."""


@dataclass
class Gate:
    """An ASGI application around another one."""

    app: App
    settings: Settings
    state: State
    posts: Mapping[str, Post]
    held: int = 0
    """Bytes of bodies in memory."""
    _prefix: str = field(default_factory=lambda: token_hex(8))
    _numbers: "count[int]" = field(default_factory=count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = Visit(self, scope, receive, send)
        try:
            await visit.answered()
        except Exception as error:  # nobody foresaw it: the client is told so, the log has where it happened
            log("error", id=visit.id, error=type(error).__name__, at=_where(error))
            if not visit.status:
                await visit.refuse(Refused(500, f"something went wrong here; the log has it under {visit.id}"))
        finally:
            visit.over()

    def new_id(self) -> str:
        return f"{self._prefix}{next(self._numbers):08x}"


class Visit:
    """One request on its way through the gate."""

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self.gate, self.scope, self.path = gate, scope, str(scope["path"])
        self._receive, self._send = receive, send
        self.headers: Headers = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"").decode("latin-1")
        self.id = given if given and GIVEN_ID.fullmatch(given) else gate.new_id()
        self.post = gate.posts.get(self.path) if scope["method"] == "POST" else None
        self.told: dict[str, Any] = {}
        self.status = 0
        self.held = 0
        self.started = time.monotonic()
        self.deadline = math.inf
        """Of what is posted, from when it is let in."""

    async def answered(self) -> None:
        """Answer it, or refuse it with what a client can do."""
        try:
            self._let_in()
            if self.post is None:
                await self.gate.app(self.scope, self._receive, self._sent)
            elif (body := await self._body()) is not None:
                await self._unless_gone(self.post, body)
        except Exception as error:
            refused = refusal(error, self.path)
            if self.status or refused is None:
                raise
            await self.refuse(refused)

    def _let_in(self) -> None:
        """Raises Refused."""
        settings = self.gate.settings
        host = _HOST.sub("", self.headers.get(b"host", b"localhost").decode("latin-1").lower())
        if settings.is_local and not settings.keys and not is_loopback(host):
            # A page of another site can have its own name lead here, and a browser would then let it ask.
            raise Refused(403, "this server answers to localhost only: name it so, or give it keys")
        if self.post is None and (self.path in ANYBODY or self.path.startswith(PAGE)):
            return
        if settings.keys:
            _check_key(self.headers, settings.keys)
        if self.post is not None:
            if why := self.gate.state.unready():
                raise unready(why)
            if (full := self.gate.state.full(self._length() // CHARACTERS_A_TOKEN)) is not None:
                raise busy(full)
            if not self.headers.get(b"content-type", b"").lower().startswith(b"application/json"):
                raise Refused(415, "send JSON, with the header Content-Type: application/json")
            self.deadline = self.gate.state.loaded().deadline(_deadline(self.headers))

    def _length(self) -> int:
        """Bytes of the body, as the client says; 0 where it says nothing. Raises Refused for too many."""
        said, most = self.headers.get(b"content-length", b"0"), self.gate.settings.limits.body_bytes
        if not said.isdigit() or int(said) > most:
            raise _too_long(most)
        return int(said)

    async def _body(self) -> bytes | None:
        """The whole body; None when the client is gone. Raises Refused as soon as it is too long, or late."""
        most = self.gate.settings.limits.body_bytes
        parts, size = [], 0
        try:
            async with self._in_time():
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part = message.get("body", b"")
                    size += len(part)
                    if size > most:
                        raise _too_long(most)
                    parts.append(part)
                    self._holds(len(part))
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise Refused(408, "the body of this request did not arrive in time") from None

    def _in_time(self) -> asyncio.Timeout:
        """What is left until the deadline."""
        return asyncio.timeout(self.deadline - time.monotonic())

    def _holds(self, more: int) -> None:
        """Of all bodies there are at most BODIES times the longest in memory. Raises Full beyond that."""
        self.held += more
        self.gate.held += more
        if self.gate.held > BODIES * self.gate.settings.limits.body_bytes:
            raise Full(1.0)

    async def _unless_gone(self, post: Post, body: bytes) -> None:
        """Answer; stop when the client hangs up before that."""
        me = asyncio.current_task()
        assert me is not None
        gone, watching = False, None

        async def watch() -> None:
            nonlocal gone
            while (await self._receive())["type"] != "http.disconnect":
                pass
            gone = True
            me.cancel()

        def begin() -> None:
            nonlocal watching
            watching = asyncio.ensure_future(watch())

        beginning = asyncio.get_running_loop().call_later(WATCHED_AFTER_S, begin)
        try:
            with metrics.QUEUE.track_inprogress():
                answer = await self._answer(post, body)
        except asyncio.CancelledError:
            if not gone:
                raise
            me.uncancel()
            return
        finally:
            beginning.cancel()
            if watching is not None:
                watching.cancel()
        await self._written(200, answer.body, answer.headers)

    async def _answer(self, post: Post, body: bytes) -> Answer:
        service = self.gate.state.loaded()
        try:
            async with self._in_time():
                asked = post.read(body) if len(body) < LONG_BODY else await asyncio.to_thread(post.read, body)
                return await post.answer(asked, Call(service, self.deadline, self.told))
        except TimeoutError:
            raise Late(max(service.batcher.backlog_s, 0.1)) from None

    async def refuse(self, refused: Refused) -> None:
        """Say why."""
        # What is left of a body that was not read is not worth reading.
        closing = {"connection": "close"} if refused.status in (408, 413) else {}
        await self._written(refused.status, orjson.dumps(refused.body(self.path)), {**refused.headers, **closing})

    async def _written(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        raw += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self._sent({"type": "http.response.start", "status": status, "headers": raw})
        await self._send({"type": "http.response.body", "body": body})

    async def _sent(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = ((b"x-request-id", self.id.encode("latin-1")), (b"x-content-type-options", b"nosniff"))
            message["headers"] = [*message.get("headers", ()), *own]
        await self._send(message)

    def over(self) -> None:
        """For Prometheus and the log."""
        self.gate.held -= self.held
        took, status, route = time.monotonic() - self.started, self.status or GONE, self._route()
        metrics.ANSWERS.labels(route, str(status)).inc()
        if self.post is not None:
            metrics.request(self.told.get("texts", 1), status, took)
        if not self.gate.settings.quiet:
            about = {"method": self.scope["method"], "path": route, "status": status, "ms": round(1e3 * took, 2)}
            log("request", id=self.id, **about, **self.told)

    def _route(self) -> str:
        """The path as routes write it: what users put into paths is not told."""
        if self.post is not None:
            return self.path
        path = getattr(self.scope.get("route"), "path", None)
        return str(path) if path else "other"


def _check_key(headers: Headers, known: tuple[str, ...]) -> None:
    scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    wanted = {"www-authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not key.strip():
        raise Refused(401, "You didn't provide an API key: send Authorization: Bearer KEY", headers=wanted)
    if not keys.is_known(key.strip(), known):
        raise Refused(401, "Incorrect API key provided", code="invalid_api_key", headers=wanted)


def _deadline(headers: Headers) -> int | None:
    """Milliseconds that the client gives. Raises Refused for what is no such number."""
    given = headers.get(b"x-deadline-ms")
    if given is None:
        return None
    if not given.isdigit() or len(given) > 9 or int(given) < 1:
        raise Refused(400, "x-deadline-ms is a number of milliseconds, 1 or more", param="x-deadline-ms")
    return int(given)


def _too_long(most: int) -> Refused:
    return Refused(413, f"the body of this request is longer than {most:,} bytes; send fewer texts at a time")


def _where(error: BaseException) -> list[str]:
    """Files and lines, without the words of the error: they may quote a user's text."""
    return [f"{one.filename}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)[-6:]]
