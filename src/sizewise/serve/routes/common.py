"""What routes share: the service, and the deadline that a client may set."""

from typing import Annotated

from fastapi import Header
from starlette.requests import Request

from sizewise.serve.refused import unready
from sizewise.serve.service import Service
from sizewise.serve.state import State

Deadline = Annotated[
    int | None,
    Header(alias="x-deadline-ms", ge=1, le=10**9, description="Milliseconds after which the answer is of no use."),
]


def service_of(request: Request) -> Service:
    """Raises Refused while nothing is loaded yet."""
    state: State = request.app.state.sizewise
    if state.service is None:
        raise unready(state.unready() or "the server is starting")
    return state.service
