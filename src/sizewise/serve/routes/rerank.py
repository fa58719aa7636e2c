"""Rerank as Cohere, Jina and TEI have it: texts that the client brings, in the order of their scores for its query."""

import uuid
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from sizewise.core.text import encodable
from sizewise.serve import answers, metrics, queued
from sizewise.serve.ranker import Scores
from sizewise.serve.refused import Refused
from sizewise.serve.routes.common import Deadline, service_of
from sizewise.serve.schemas import RerankRequest, TeiRerankRequest
from sizewise.serve.served import Served
from sizewise.serve.service import Service, checked_texts

router = APIRouter(tags=["Rerank"])


@router.post("/v1/rerank", summary="Texts ranked for a query (Cohere, Jina)")
@router.post("/v2/rerank", include_in_schema=False)
async def rerank(asked: RerankRequest, request: Request, deadline: Deadline = None) -> Response:
    """The best first, by the bundle's reranker, or by the cosine of its encoder."""
    service = service_of(request)
    served = service.named(asked.model)
    texts = [_text(one, at) for at, one in enumerate(asked.documents)]
    work = queued.Request(service.deadline(deadline))
    scores = await _scores(service, served, request, asked.query, texts, work, raw=asked.raw_scores)
    results: list[dict[str, Any]] = [
        {"index": at, "relevance_score": float(scores[at])}
        | ({"document": {"text": encodable(texts[at])}} if asked.return_documents else {})
        for at in _order(scores)[: asked.top_n]
    ]
    body = {
        "id": uuid.uuid4().hex,
        "object": "list",
        "model": served.name,
        "results": results,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}, "truncated_texts": work.cut},
        "usage": {"prompt_tokens": work.tokens, "total_tokens": work.tokens},
    }
    return Response(answers.dumped(body), media_type="application/json", headers=answers.cut_header(work.cut))


@router.post("/rerank", summary="The same (TEI)")
async def tei_rerank(asked: TeiRerankRequest | RerankRequest, request: Request, deadline: Deadline = None) -> Response:
    """With `texts` as TEI, with `documents` as `/v1/rerank`."""
    if isinstance(asked, RerankRequest):
        return await rerank(asked, request, deadline)
    service = service_of(request)
    work = queued.Request(service.deadline(deadline))
    served = service.named(None)
    scores = await _scores(service, served, request, asked.query, asked.texts, work, raw=asked.raw_scores)
    if work.cut and asked.truncate is False:
        raise Refused(413, f"Input validation error: `inputs` must have at most {served.max_tokens} tokens")
    results = [
        {"index": at, "score": float(scores[at])} | ({"text": encodable(asked.texts[at])} if asked.return_text else {})
        for at in _order(scores)
    ]
    return Response(answers.dumped(results), media_type="application/json", headers=answers.cut_header(work.cut))


async def _scores(
    service: Service,
    served: Served,
    request: Request,
    query: str,
    texts: list[str],
    work: queued.Request,
    *,
    raw: bool,
) -> Scores:
    checked_texts(texts, service.settings.limits.texts, param="documents")
    answers.told(request, model=served.name, texts=len(texts))
    scores = await service.rank(served, query, texts, work)
    metrics.RANKED.inc(len(texts))
    answers.told(request, tokens=work.tokens, cut=work.cut)
    return scores if raw or served.ranker is None else served.ranker.relevance(scores)


def _order(scores: Scores) -> list[int]:
    """Of those that are as good the first one first."""
    found: list[int] = np.argsort(-scores, kind="stable").tolist()
    return found


def _text(document: str | dict[str, Any], at: int) -> str:
    if isinstance(document, str):
        return document
    text = document.get("text")
    if not isinstance(text, str):
        raise Refused(422, f"documents[{at}] has no text: send a text, or an object with one", param="documents")
    return text
