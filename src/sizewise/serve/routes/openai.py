"""OpenAI's `/v1/embeddings` and `/v1/models`."""

import asyncio
from typing import Any, cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from sizewise.core.candidate import leaves
from sizewise.core.errors import InputError
from sizewise.serve import answers, metrics
from sizewise.serve.job import Made
from sizewise.serve.post import Answer, Call, Post
from sizewise.serve.refused import Refused
from sizewise.serve.routes.common import responded, service_of
from sizewise.serve.schemas import ROLE_OF, EmbeddingsRequest
from sizewise.serve.served import Served
from sizewise.serve.service import checked_texts, texts_of_ids
from sizewise.serve.space import Space, written

router = APIRouter(tags=["OpenAI"])

TOLD_COSTS = ("p50_ms", "p95_ms", "texts_per_s", "memory_mb", "bytes_per_vector")
"""Figures of the certificate that are told of a bundle."""


async def embeddings(asked: EmbeddingsRequest, call: Call) -> Answer:
    """The vectors of texts, as the bundle was measured. Texts beyond the model's limit are cut, and `truncated` names
    them."""
    service = call.service
    served = service.named(asked.model)
    space = space_of(served)
    kind, most = asked.output_dtype or "float", service.settings.limits.texts
    try:
        space.check(kind, asked.dimensions)
    except InputError as error:
        raise Refused(400, str(error), param="dimensions" if kind in space.kinds else "output_dtype") from None
    texts = checked_texts(await _texts(served, asked, most), most, param="input")
    role = ROLE_OF[asked.input_type]
    call.told |= {"model": served.name, "texts": len(texts)}
    made = await service.embed(space, texts, role, call.deadline)
    if made.cut.any() and asked.truncation is False:
        raise Refused(400, _too_long(made, served), param="input", code="context_length_exceeded")
    rows = written(space.given(made.vectors, role, kind, asked.dimensions), asked.encoding_format or "float")
    metrics.EMBEDDED.inc(len(texts))
    tokens = int(made.lengths.sum())
    call.told |= {"tokens": tokens, "cut": int(made.cut.sum())}
    about: dict[str, Any] = {
        "model": served.name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    if made.cut.any():
        about["truncated"] = made.cut.nonzero()[0].tolist()
    return await answers.embeddings(rows, about, answers.timed(made))


POSTS = (
    Post("/v1/embeddings", EmbeddingsRequest, embeddings, "OpenAI", "Texts to vectors"),
    Post("/embeddings", EmbeddingsRequest, embeddings, "OpenAI", "The same", shown=False),
)


def space_of(served: Served) -> Space:
    """Raises Refused for bundles of several encoders, or none."""
    if served.space is None:
        count = len(set(leaves(served.candidate)))
        raise Refused(
            400,
            f"{served.name} ({served.candidate}) is a pipeline of {count} parts: it searches and ranks, and embeddings "
            "are of bundles of one encoder",
            param="model",
        )
    return served.space


async def _texts(served: Served, asked: EmbeddingsRequest, most: int) -> list[str]:
    given = asked.input
    if isinstance(given, str):
        return [given]
    if not given or isinstance(given[0], str):
        return cast("list[str]", given)
    ids = [given] if isinstance(given[0], int) else given
    return await asyncio.to_thread(texts_of_ids, served, ids, most, param="input")


def _too_long(made: Made, served: Served) -> str:
    at = int(made.cut.nonzero()[0][0])
    return (
        f"This model's maximum context length is {served.max_tokens} tokens, and input[{at}] is longer. Please reduce "
        "it, or allow truncation."
    )


@router.get("/v1/models", summary="Names that requests can use")
async def models(request: Request) -> Response:
    """The bundles, with what was measured of each under `sizewise`."""
    found = [about(served) for served in service_of(request).served.values()]
    return responded({"object": "list", "data": found})


@router.get("/v1/models/{model:path}", summary="One of them")
async def model(model: str, request: Request) -> Response:
    """What is known of one bundle."""
    return responded(about(service_of(request).named(model)))


def about(served: Served) -> dict[str, Any]:
    """As OpenAI describes a model, and what the certificate says of the bundle."""
    space, certified = served.space, served.certified
    figures = ((certified.get("cost") or {}).get("end_to_end") or (certified.get("cost") or {}).get("figures")) or {}
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "sizewise",
        "sizewise": {
            "candidate": str(served.candidate),
            "digest": certified["digest"],
            "max_tokens": served.max_tokens,
            "dimensions": list(space.widths) if space else [],
            "output_dtypes": list(space.kinds) if space else [],
            "ranks_by": served.ranker.kind if served.ranker else None,
            "documents": served.searcher.documents if served.searcher else None,
            "measured": certified["measured"],
            "run": certified.get("run"),
            "cost": {name: figures.get(name) for name in TOLD_COSTS},
            "latency_ms": served.latency_ms,
        },
    }
