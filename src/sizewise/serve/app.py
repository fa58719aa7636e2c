"""The HTTP application: routes, and what clients are told when something is wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sizewise.core.errors import InputError
from sizewise.serve.batcher import Full, TooMuch
from sizewise.serve.gate import App, Gate
from sizewise.serve.refused import Refused, is_openai, refusal
from sizewise.serve.routes import health, openai, page, rerank, search, tei
from sizewise.serve.settings import Settings
from sizewise.serve.state import State

ABOUT = """Embeddings, rerank and search by pipelines that Sizewise measured.

Clients of OpenAI, of Cohere's and Jina's rerank, and of text-embeddings-inference work as they are."""


def make_app(settings: Settings, failed: Callable[[], None]) -> tuple[App, State]:
    """The application, and where it stands. `failed` is called when its bundles cannot be loaded.

    Alone, it answers that it lives while it loads them. One of several workers loads first: until then requests are for
    the others.
    """
    state = State(settings, failed)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(state.load())
        if settings.workers > 1:
            await loading
        yield
        await loading
        await state.close()

    app = FastAPI(
        title="Sizewise",
        version=version("sizewise"),
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.sizewise = state
    for one in (openai, rerank, tei, search, health, *([page] if settings.page else [])):
        app.include_router(one.router)
    for kind in (Refused, Full, TooMuch, InputError):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    return Gate(app, settings, state), state


async def _refused(request: Request, error: Exception) -> Response:
    found = refusal(error, request.url.path)
    assert found is not None
    return _json(request, found)


async def _invalid(request: Request, error: Exception) -> Response:
    """A body that is not as the route wants it: where, and what is wrong, without what was sent."""
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = dict(error.errors()[0])
    where = [str(part) for part in first["loc"][1:]] or [str(part) for part in first["loc"]]
    status = 400 if is_openai(request.url.path) or first["type"] == "json_invalid" else 422
    return _json(request, Refused(status, f"{'.'.join(where)}: {first['msg']}", param=where[0]))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json(request, Refused(error.status_code, str(error.detail), headers=dict(error.headers or {})))


def _json(request: Request, refused: Refused) -> Response:
    body = orjson.dumps(refused.body(request.url.path))
    return Response(body, refused.status, headers=refused.headers, media_type="application/json")
