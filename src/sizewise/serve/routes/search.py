"""`/search`: what a bundle's pipeline finds in its index."""

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from sizewise.core.text import encodable
from sizewise.serve import answers, metrics, queued
from sizewise.serve.refused import Refused
from sizewise.serve.routes.common import Deadline, service_of
from sizewise.serve.schemas import SearchRequest
from sizewise.serve.served import Served
from sizewise.serve.service import Service

router = APIRouter(tags=["Search"])


@router.post("/search", summary="Documents for a query")
async def search(asked: SearchRequest, request: Request, deadline: Deadline = None) -> Response:
    """The best first, as the bundle was measured."""
    service = service_of(request)
    served = _searched(service, asked.model)
    most = service.settings.limits.results
    if asked.top_k > most:
        raise Refused(422, f"top_k is {asked.top_k}, and a search gives {most:,} documents at most", param="top_k")
    if not asked.query.strip():
        raise Refused(422, "query is empty; write what to look for", param="query", code="empty")
    answers.told(request, model=served.name, texts=1)
    work = queued.Request(service.deadline(deadline))
    started = time.perf_counter()
    hits = await service.search(served, asked.query, asked.top_k, asked.filter, work)
    took = 1e3 * (time.perf_counter() - started)
    metrics.SEARCHED.inc()
    answers.told(request, tokens=work.tokens, cut=work.cut)
    results = [
        {
            "rank": hit.rank,
            "id": encodable(hit.id),
            "score": hit.score,
            "title": encodable(hit.title),
            "text": encodable(hit.text),
            "fields": getattr(hit, "fields", {}),
        }
        for hit in hits
    ]
    body = {"object": "list", "model": served.name, "results": results, "took_ms": round(took, 3)}
    headers = answers.cut_header(work.cut)
    return Response(answers.dumped(body), media_type="application/json", headers=headers)


def _searched(service: Service, name: str | None) -> Served:
    if name is not None:
        return service.named(name)
    return next((one for one in service.served.values() if one.searcher is not None), service.named(None))
