"""`/search`: what a bundle's pipeline finds in its index."""

import time

from sizewise.core.text import encodable
from sizewise.index.where import Where
from sizewise.serve import answers, metrics, queued
from sizewise.serve.post import Answer, Call, Post, written
from sizewise.serve.refused import Refused
from sizewise.serve.schemas import SearchRequest
from sizewise.serve.served import Served
from sizewise.serve.service import Service


async def search(asked: SearchRequest, call: Call) -> Answer:
    """The best first, as the bundle was measured."""
    served = _searched(call.service, asked.model)
    most = call.service.settings.limits.results
    if asked.top_k > most:
        raise Refused(422, f"top_k is {asked.top_k}, and a search gives {most:,} documents at most", param="top_k")
    if not asked.query.strip():
        raise Refused(422, "query is empty; write what to look for", param="query", code="empty")
    call.told |= {"model": served.name, "texts": 1}
    where = None if asked.filter is None else Where.from_json(asked.filter)
    work = queued.Request(call.deadline)
    started = time.perf_counter()
    hits = await call.service.search(served, asked.query, asked.top_k, where, work)
    took = 1e3 * (time.perf_counter() - started)
    metrics.SEARCHED.inc()
    call.told |= {"tokens": work.tokens, "cut": work.cut}
    results = [
        {
            "rank": hit.rank,
            "id": encodable(hit.id),
            "score": hit.score,
            "title": encodable(hit.title),
            "text": encodable(hit.text),
            "fields": hit.fields,
        }
        for hit in hits
    ]
    body = {"object": "list", "model": served.name, "results": results, "took_ms": round(took, 3)}
    return written(body, answers.cut_header(work.cut))


POSTS = (Post("/search", SearchRequest, search, "Search", "Documents for a query"),)


def _searched(service: Service, name: str | None) -> Served:
    if name is not None:
        return service.named(name)
    return next((one for one in service.served.values() if one.searcher is not None), service.named(None))
