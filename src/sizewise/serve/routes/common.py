"""What routes that are asked with GET share."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sizewise.serve.post import written
from sizewise.serve.service import Service
from sizewise.serve.state import State


def service_of(request: Request) -> Service:
    """Raises Refused while nothing is loaded yet."""
    state: State = request.app.state.sizewise
    return state.loaded()


def responded(value: Any) -> Response:
    """`value` as JSON."""
    return Response(written(value).body, media_type="application/json")
