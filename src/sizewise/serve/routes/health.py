"""Whether the server lives, whether it is ready, and what Prometheus reads."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from sizewise.serve import metrics
from sizewise.serve.refused import unready
from sizewise.serve.state import State

router = APIRouter(tags=["State"])


@router.get("/livez", summary="Whether the process answers")
async def live() -> Response:
    """While it does, restarting it gains nothing."""
    return Response(status_code=200)


@router.get("/readyz", summary="Whether it can work")
@router.get("/health", summary="The same (TEI)")
async def ready(request: Request) -> Response:
    """503 while it loads, and when it ends."""
    state: State = request.app.state.sizewise
    if why := state.unready():
        raise unready(why)
    return Response(status_code=200)


@router.get("/metrics", summary="For Prometheus")
async def exposed() -> Response:
    """In its text format, under TEI's names."""
    return Response(metrics.exposed(), media_type="text/plain; version=0.0.4; charset=utf-8")
