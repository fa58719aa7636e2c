"""A route to which clients post JSON: what they send, and what makes the answer.

FastAPI describes these routes; they run without it: its way through a request takes longer than a short text does.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from sizewise.serve.refused import Refused, is_openai
from sizewise.serve.service import Service


@dataclass(slots=True)
class Answer:
    """What goes back."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One request, beside its body."""

    service: Service
    deadline: float
    """On the clock of `time.monotonic`."""
    told: dict[str, Any]
    """For the line of the log: numbers, and names of models."""


@dataclass(frozen=True)
class Post:
    """A path, what is sent there, and who answers."""

    path: str
    asked: Any
    """A pydantic model, or a union of some."""
    answer: Callable[[Any, Call], Awaitable[Answer]]
    tag: str
    summary: str
    shown: bool = True
    """In the description."""

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.asked)

    def read(self, body: bytes) -> Any:
        """What was asked. Raises Refused, without quoting the body, where it is not as it should be."""
        try:
            return self._adapter.validate_json(body)
        except ValidationError as error:
            first = _first(error)
        if first["type"] == "json_invalid":  # halves of surrogate pairs are none to the quick reader
            try:
                return self._adapter.validate_python(json.loads(body))
            except ValidationError as error:
                first = _first(error)
            except (ValueError, RecursionError):
                pass
        where = ".".join(map(str, first["loc"])) or "body"
        status = 400 if is_openai(self.path) or first["type"] == "json_invalid" else 422
        raise Refused(status, f"{where}: {first['msg']}", param=where.partition(".")[0])


def _first(error: ValidationError) -> Any:
    """What is wrong first, without what was sent."""
    return error.errors(include_url=False, include_context=False, include_input=False)[0]


def written(value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """`value` as JSON; numpy's arrays and numbers too."""
    return Answer(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), headers or {})
