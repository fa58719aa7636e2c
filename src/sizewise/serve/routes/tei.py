"""TEI's `/embed`, `/` and `/info`, for clients of text-embeddings-inference."""

import asyncio
from importlib.metadata import version
from typing import Any, cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from sizewise.core.candidate import Embed
from sizewise.core.errors import InputError
from sizewise.serve import answers, metrics
from sizewise.serve.post import Answer, Call, Post
from sizewise.serve.refused import Refused
from sizewise.serve.routes.common import responded, service_of
from sizewise.serve.routes.openai import space_of
from sizewise.serve.routes.rerank import either
from sizewise.serve.schemas import ROLE_OF, TeiEmbedRequest, TeiRerankRequest
from sizewise.serve.served import Served
from sizewise.serve.service import checked_texts, texts_of_ids

router = APIRouter(tags=["TEI"])


async def embed(asked: TeiEmbedRequest, call: Call) -> Answer:
    """A list of vectors, of the server's first bundle."""
    service = call.service
    served = service.named(None)
    space = space_of(served)
    if asked.normalize is False and space.chain.cosine:
        raise Refused(
            413, "Input validation error: this model's vectors were measured with length one; leave normalize"
        )
    try:
        space.check("float", asked.dimensions)
    except InputError as error:
        raise Refused(413, f"Input validation error: {error}") from None
    most = service.settings.limits.texts
    texts = checked_texts(await _texts(served, asked, most), most, param="inputs")
    role = ROLE_OF[asked.prompt_name]
    call.told |= {"model": served.name, "texts": len(texts)}
    made = await service.embed(space, texts, role, call.deadline)
    if made.cut.any() and asked.truncate is False:
        raise Refused(
            413,
            f"Input validation error: `inputs` must have at most {served.max_tokens} tokens, and "
            f"{int(made.cut.sum())} of them have more",
        )
    metrics.EMBEDDED.inc(len(texts))
    call.told |= {"tokens": int(made.lengths.sum()), "cut": int(made.cut.sum())}
    vectors = space.given(made.vectors, role, width=asked.dimensions)
    return await answers.vectors(vectors, answers.timed(made))


async def root(asked: TeiEmbedRequest | TeiRerankRequest, call: Call) -> Answer:
    """`/embed` or `/rerank`, by what is sent: where clients post that know nothing but the server's address."""
    return await (embed(asked, call) if isinstance(asked, TeiEmbedRequest) else either(asked, call))


POSTS = (
    Post("/embed", TeiEmbedRequest, embed, "TEI", "Texts to vectors (TEI)"),
    Post("/", TeiEmbedRequest | TeiRerankRequest, root, "TEI", "The same, or a rerank", shown=False),
)


async def _texts(served: Served, asked: TeiEmbedRequest, most: int) -> list[str]:
    given = asked.inputs
    if isinstance(given, str):
        return [given]
    items = cast("list[str | list[int]]", [given] if given and isinstance(given[0], int) else given)
    ids = [one for one in items if not isinstance(one, str)]
    read = iter(await asyncio.to_thread(texts_of_ids, served, ids, most, param="inputs") if ids else [])
    return [one if isinstance(one, str) else next(read) for one in items]


@router.get("/info", summary="What is served (TEI)")
async def info(request: Request) -> Response:
    """Of the server's first bundle, in TEI's words."""
    service = service_of(request)
    served = service.named(None)
    limits = service.settings.limits
    paces = service.batcher.paces()
    candidate = served.candidate
    ranks = served.space is None and served.ranker is not None
    kind: dict[str, Any] = (
        {"reranker": {"id2label": {}, "label2id": {}}} if ranks else {"embedding": {"pooling": "model"}}
    )
    about = {
        "model_id": served.name,
        "model_sha": served.certified["digest"],
        "model_dtype": candidate.model.precision if isinstance(candidate, Embed) else "mixed",
        "served_model_name": served.name,
        "model_type": kind,
        "max_concurrent_requests": limits.requests,
        "max_input_length": served.max_tokens or 2**31 - 1,
        "max_batch_tokens": max((paces[id(one)].tokens for one in served.encoders), default=0),
        "max_batch_requests": None,
        "max_client_batch_size": limits.texts,
        "auto_truncate": True,
        "tokenization_workers": 2,
        "version": version("sizewise"),
        "sha": None,
        "docker_label": None,
    }
    return responded(about)
