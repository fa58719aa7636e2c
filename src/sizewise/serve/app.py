"""The HTTP application: routes, and what clients are told when something is wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from signal import SIG_DFL, SIGTERM, signal
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Header
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sizewise.serve.gate import App, Gate
from sizewise.serve.post import Post
from sizewise.serve.refused import Refused
from sizewise.serve.routes import health, openai, page, rerank, search, tei
from sizewise.serve.settings import Settings
from sizewise.serve.state import State

ABOUT = """Embeddings, rerank and search by pipelines that Sizewise measured.

Clients of OpenAI, of Cohere's and Jina's rerank, and of text-embeddings-inference work as they are."""

Deadline = Annotated[
    int | None,
    Header(alias="x-deadline-ms", ge=1, le=10**9, description="Milliseconds after which the answer is of no use."),
]


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
            with _ended_at_once():
                await loading
        yield
        loading.cancel()  # nobody waits for what is not loaded by now
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
    posts = {one.path: one for route in (openai, rerank, tei, search) for one in route.POSTS}
    for one in posts.values():
        _describe(app, one)
    for routes in (openai, tei, health, *([page] if settings.page else [])):
        app.include_router(routes.router)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    return Gate(app, settings, state, posts), state


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Within the block SIGTERM ends this process: uvicorn would wait until the application is up."""
    before = signal(SIGTERM, SIG_DFL)
    try:
        yield
    finally:
        signal(SIGTERM, before)


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": words}
    for status, words in {
        400: "What was asked is wrong.",
        401: "There is no key, or it is not known.",
        404: "There is no such model.",
        413: "It is too long for one request.",
        422: "Something in it is not as it should be, or too many.",
        429: "There is as much to do as may wait: Retry-After says when to come again.",
        503: "The server is loading, or ending.",
    }.items()
}
"""In OpenAI's form below /v1, in TEI's elsewhere."""


def _describe(app: FastAPI, post: Post) -> None:
    """For /openapi.json, and for whoever comes with another method: what is posted, the gate takes to its route."""

    async def posted(asked: Any, deadline: Deadline = None) -> None:
        raise AssertionError(f"{post.path} is answered by the gate")

    posted.__annotations__ |= {"asked": post.asked}
    posted.__doc__ = post.answer.__doc__
    app.add_api_route(
        post.path,
        posted,
        methods=["POST"],
        summary=post.summary,
        tags=[post.tag],
        include_in_schema=post.shown,
        responses=REFUSALS,
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _json(request, error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json(request, Refused(error.status_code, str(error.detail), headers=dict(error.headers or {})))


def _json(request: Request, refused: Refused) -> Response:
    body = orjson.dumps(refused.body(request.url.path))
    return Response(body, refused.status, headers=refused.headers, media_type="application/json")
