"""Sending again: at the pace that the endpoint allows, waiting longer each time, and not for ever.

Waits double, up to a minute, each shortened by a random part, so that many clients do not come back at once (Brooker,
"Exponential backoff and jitter", AWS Architecture Blog, 2015). A wait that the endpoint asks for is kept.
"""

import random
import threading
import time
from dataclasses import dataclass, field

from sizewise.core.errors import RunError
from sizewise.encode.remote.allowance import KEPT, Allowance
from sizewise.encode.remote.answer import Answer, read_answer
from sizewise.encode.remote.endpoints import Endpoint
from sizewise.encode.remote.wire import Trouble, Wire

ATTEMPTS = 7
"""Of one request. With the waits between them a disturbance of about a minute is outlasted."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
LONGEST_ASKED = 300.0
"""Seconds: an endpoint that asks to wait longer is asked again by the user."""


@dataclass
class Sender:
    """Requests to one endpoint, one after the other, whatever thread they come from."""

    endpoint: Endpoint
    allowance: Allowance
    wire: Wire
    _next: float = field(default=0.0, init=False)
    """When the next request may go, on the monotonic clock."""
    _one: threading.Lock = field(default_factory=threading.Lock, init=False)

    def send(self, texts: list[str], estimated_tokens: float) -> Answer:
        """The vectors of `texts`, in one request that is sent until it is answered.

        Raises RunError when it was not after ATTEMPTS, and before a request that would go beyond `max_spend`.
        """
        with self._one:
            return self._send(texts, estimated_tokens)

    def _send(self, texts: list[str], estimated_tokens: float) -> Answer:
        last = ""
        for attempt in range(1, ATTEMPTS + 1):
            self.allowance.check(self.endpoint, estimated_tokens)
            self._keep_pace(estimated_tokens)
            try:
                body = self.wire.ask(texts)
            except Trouble as trouble:
                last = trouble.reason
                if trouble.perhaps_paid:
                    self.allowance.lost(self.endpoint, estimated_tokens)
                if attempt == ATTEMPTS:
                    break
                self._wait(trouble, attempt)
            except BaseException as stopped:
                if not isinstance(stopped, Exception):  # Ctrl-C: the answer may be on its way
                    self.allowance.lost(self.endpoint, estimated_tokens)
                raise
            else:
                return self._read(body, len(texts), estimated_tokens)
        raise RunError(
            f"endpoint {self.endpoint.name} at {self.endpoint.host}: no answer after {ATTEMPTS} attempts (the last: "
            f"{last}); run again when it is back ({KEPT})"
        )

    def _read(self, body: bytes, count: int, estimated_tokens: float) -> Answer:
        try:
            answer = read_answer(self.endpoint, body, count)
        except RunError:
            self.allowance.lost(self.endpoint, estimated_tokens)
            raise
        self.allowance.answered(self.endpoint, count, estimated_tokens, answer.tokens)
        return answer

    def _wait(self, trouble: Trouble, attempt: int) -> None:
        if trouble.wait is not None and trouble.wait > LONGEST_ASKED:
            raise RunError(
                f"endpoint {self.endpoint.name} at {self.endpoint.host}: {trouble.reason}; it asks to wait "
                f"{trouble.wait:,.0f} s, so run again then ({KEPT})"
            )
        most = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1))
        time.sleep(most * random.uniform(0.5, 1.0) if trouble.wait is None else trouble.wait)

    def _keep_pace(self, tokens: float) -> None:
        """Wait until the limits of requests and tokens a minute allow a request of so many tokens."""
        now = time.monotonic()
        if now < self._next:
            time.sleep(self._next - now)
        pace = [60.0 / limit for limit in [self.endpoint.requests_per_minute] if limit]
        pace += [60.0 * tokens / limit for limit in [self.endpoint.tokens_per_minute] if limit]
        self._next = max(now, self._next) + max(pace, default=0.0)
