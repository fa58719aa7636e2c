"""The page at `/`: two pipelines side by side. It is made of files that come with Sizewise, and asks no other host."""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

from sizewise.serve.refused import Refused
from sizewise.serve.routes.common import responded, service_of
from sizewise.serve.study import study_of

router = APIRouter(tags=["Page"])

INDEX = "index.html"
STYLE = "style.css"
SCRIPTS = (
    *("numbers", "text", "dom", "api", "place", "agree", "times", "key", "trouble"),
    *("marks", "results", "merged", "answers", "facts", "scale", "frontier", "main"),
)
"""Modules, in the order in which they build on each other."""
KINDS = {STYLE: "text/css; charset=utf-8"} | {f"{name}.js": "text/javascript; charset=utf-8" for name in SCRIPTS}
"""All that is served below /page/: a name that is not here is no file."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # after an upgrade no old script meets a new page
}


@router.get("/", include_in_schema=False)
async def index() -> Response:
    """The page itself."""
    return Response(_file(INDEX), media_type="text/html; charset=utf-8", headers=HEADERS)


@router.get("/page/{name}", include_in_schema=False)
async def part(name: str) -> Response:
    """Its styles and scripts."""
    if name not in KINDS:
        raise Refused(404, "the page has no such file")
    return Response(_file(name), media_type=KINDS[name], headers=HEADERS)


@router.get("/study", summary="The study that the bundles come from")
async def study(request: Request) -> Response:
    """Its candidates with cost and mean quality, and the names under which they are served; 404 where no bundle was
    built from a run."""
    found = study_of(service_of(request).served.values())
    if found is None:
        raise Refused(404, "no bundle here was built from a run; see sizewise build")
    return responded(found)


@cache
def _file(name: str) -> bytes:
    return (files("sizewise.serve") / "page" / name).read_bytes()
