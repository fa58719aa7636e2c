"""Requests that are refused, in the words of whichever server the client was written for."""

from dataclasses import dataclass, field
from typing import Any

from sizewise.core.errors import InputError
from sizewise.serve.batcher import Full, Late, TooMuch


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818 - the request is
    """A status, and one sentence that says what is wrong and what to do."""

    status: int
    message: str
    param: str | None = None
    """The field that is wrong."""
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, path: str) -> dict[str, Any]:
        """As JSON: OpenAI's form below /v1, TEI's elsewhere."""
        if is_openai(path):
            about = {"message": self.message, "type": _TYPES.get(self.status, "invalid_request_error")}
            return {"error": {**about, "param": self.param, "code": self.code}}
        kind = _KINDS.get(self.status, "Validation")
        return {"error": self.message, "error_type": "Empty" if self.code == "empty" else kind}


def is_openai(path: str) -> bool:
    return path.startswith(("/v1", "/v2", "/embeddings"))


_TYPES = {401: "invalid_request_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}
_KINDS = {424: "Backend", 429: "Overloaded", 500: "Backend", 503: "Unhealthy"}


def busy(error: Full) -> Refused:
    """Too much is asked at a time."""
    message = "the server is at its limit"
    if isinstance(error, Late):
        message = "the server is at its limit, and this request would not be answered by its deadline"
    wait = max(error.retry_after, 0.1)
    headers = {"retry-after": str(max(1, round(wait))), "retry-after-ms": str(int(1000 * wait))}
    return Refused(429, f"{message}; try again in {wait:.1f} s", code="rate_limit_exceeded", headers=headers)


def refusal(error: BaseException, path: str) -> Refused | None:
    """What a client is told of `error`; None for what nobody foresaw."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Full):
        return busy(error)
    if isinstance(error, TooMuch):
        return Refused(413, str(error), code="request_too_large")
    if isinstance(error, InputError):
        return Refused(400 if is_openai(path) else 422, str(error))
    return None


def unready(message: str) -> Refused:
    return Refused(503, message, code="not_ready", headers={"retry-after": "1"})
