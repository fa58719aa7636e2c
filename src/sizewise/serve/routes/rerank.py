"""Rerank as Cohere, Jina and TEI have it: texts that the client brings, in the order of their scores for its query."""

import uuid
from typing import Any

import numpy as np

from sizewise.core.text import encodable
from sizewise.serve import answers, metrics, queued
from sizewise.serve.post import Answer, Call, Post, written
from sizewise.serve.ranker import Scores
from sizewise.serve.refused import Refused
from sizewise.serve.schemas import RerankRequest, TeiRerankRequest
from sizewise.serve.served import Served
from sizewise.serve.service import checked_texts


async def rerank(asked: RerankRequest, call: Call) -> Answer:
    """The best first, by the bundle's reranker, or by the cosine of its encoder."""
    served = call.service.named(asked.model)
    texts = [_text(one, at) for at, one in enumerate(asked.documents)]
    work = queued.Request(call.deadline)
    scores = await _scores(call, served, asked.query, texts, work, raw=bool(asked.raw_scores))
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
    return written(body, answers.cut_header(work.cut))


async def either(asked: TeiRerankRequest | RerankRequest, call: Call) -> Answer:
    """With `texts` as TEI has it, with `documents` as `/v1/rerank`."""
    if isinstance(asked, RerankRequest):
        return await rerank(asked, call)
    served = call.service.named(None)
    work = queued.Request(call.deadline)
    scores = await _scores(call, served, asked.query, asked.texts, work, raw=bool(asked.raw_scores))
    if work.cut and asked.truncate is False:
        raise Refused(413, f"Input validation error: `inputs` must have at most {served.max_tokens} tokens")
    results = [
        {"index": at, "score": float(scores[at])} | ({"text": encodable(asked.texts[at])} if asked.return_text else {})
        for at in _order(scores)
    ]
    return written(results, answers.cut_header(work.cut))


POSTS = (
    Post("/v1/rerank", RerankRequest, rerank, "Rerank", "Texts ranked for a query (Cohere, Jina)"),
    Post("/v2/rerank", RerankRequest, rerank, "Rerank", "The same", shown=False),
    Post("/rerank", TeiRerankRequest | RerankRequest, either, "TEI", "Texts ranked for a query (TEI)"),
)


async def _scores(
    call: Call, served: Served, query: str, texts: list[str], work: queued.Request, *, raw: bool
) -> Scores:
    checked_texts(texts, call.service.settings.limits.texts, param="documents")
    call.told |= {"model": served.name, "texts": len(texts)}
    scores = await call.service.rank(served, query, texts, work)
    metrics.RANKED.inc(len(texts))
    call.told |= {"tokens": work.tokens, "cut": work.cut}
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
