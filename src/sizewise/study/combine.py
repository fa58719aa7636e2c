"""`[hybrids]`: a study's candidates put together in every way that is asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

from sizewise.core.candidate import Asym, Candidate, Cross, Embed, Fuse, Lexical, Rerank, Step, When, is_shape
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse, parse_part

DEPTHS = (5, 10, 20, 50, 100, 200)
HALF = 128
"""Dimensions of the first stage of a truncated funnel."""
OVERSAMPLING = 4
"""How many more the second stage of a funnel hands on than the third one looks at."""


@dataclass(frozen=True, slots=True)
class Hybrids:
    """Which hybrids to try."""

    retrievers: tuple[str, ...] = ()
    """What finds; none: every plain candidate and bm25."""
    rerankers: tuple[str, ...] = ()
    """Encoders and cross-encoders that rank again what others found; with `asym` the encoders encode documents too."""
    depths: tuple[int, ...] = DEPTHS
    margins: tuple[float, ...] = ()
    """Of scores: rank again only where the first two are nearer. They depend on the retriever's scale."""
    weights: tuple[float, ...] = ()
    """Of the first of two that are fused; fusion by ranks is tried anyway."""
    risks: tuple[float, ...] = ()
    """Points that may be lost: rank again only the queries that need it, by a threshold that is found for each."""
    tune: bool = False
    """Fuse with the weight that is best on queries kept for it, too."""
    fuse: bool = False
    asym: bool = False
    funnels: bool = False
    fresh: bool = False
    """Documents encoded when they are found, too."""


def combined(asked: Hybrids, plain: Sequence[Candidate], dimensions_of: Callable[[Embed], int]) -> list[Candidate]:
    """All that `asked` stands for, each once; `plain` are the study's own candidates.

    Raises InputError for rerankers that are none.
    """
    own = [one for one in plain if isinstance(one, Lexical) or (isinstance(one, Embed) and not one.steps)]
    own = [one for one in own if not is_shape(one)]
    retrievers = [parse(one) for one in asked.retrievers] or [*own, Lexical("bm25")]
    scorers = [reranker(one) for one in asked.rerankers]
    rerankers = [one for one in scorers if isinstance(one, Embed)]
    weights: list[float | Literal["tuned"]] = list(asked.weights)
    if asked.tune:
        weights.append("tuned")
    fused = list(fusions(retrievers, weights)) if asked.fuse else []
    found: list[Candidate] = [*fused, *again((*retrievers, *fused), scorers, asked)]
    encoders = [one for one in retrievers if isinstance(one, Embed)]
    if asked.asym:
        found += [
            Asym(small.plain, large) for small, large in product(encoders, rerankers) if small.plain != large.plain
        ]
    if asked.funnels:
        found += [
            one
            for model in dict.fromkeys(one.plain for one in encoders)
            for one in funnels(model, asked.depths, dimensions_of(model))
        ]
    return list(dict.fromkeys(found))


def reranker(text: str) -> Embed | Cross:
    """What ranks again: an encoder, or `cross:` and one. Raises InputError for anything else."""
    found = parse_part(text)
    if isinstance(found, Cross) or (isinstance(found, Embed) and not found.rescore):
        return found
    raise InputError(f"hybrids.rerankers: {text} does not rank again; name an encoder without rescore, or cross:NAME")


def fusions(retrievers: Sequence[Candidate], weights: Iterable[float | Literal["tuned"]]) -> Iterator[Fuse]:
    """Every two of them, by ranks and by scores."""
    for pair in combinations(dict.fromkeys(retrievers), 2):
        yield from (Fuse(pair, weight) for weight in (None, *weights))


def again(retrievers: Iterable[Candidate], rerankers: Sequence[Embed | Cross], asked: Hybrids) -> Iterator[Rerank]:
    """Every reranker behind everything that is not its own ranking, at every depth."""
    for first, second, depth in product(retrievers, rerankers, asked.depths):
        if first != second:
            for when in (None, *whens(first, asked)):
                yield Rerank(first, second, depth, when)
                if asked.fresh and isinstance(second, Embed):
                    yield Rerank(first, second, depth, when, fresh=True)


def whens(first: Candidate, asked: Hybrids) -> Iterator[When]:
    """The ways to rank only some queries again: by margin, and by agreement where there are two views to agree."""
    yield from (When("margin", below) for below in asked.margins)
    for risk in asked.risks:
        yield When("margin", None, risk)
        if isinstance(first, Fuse):
            yield When("agreement", None, risk)


def funnels(model: Embed, depths: Iterable[int], dimensions: int) -> Iterator[Rerank]:
    """Of one model: bits, then floats; bits, then bytes, then floats; the first HALF dimensions, then all."""
    bits, bytes_, half = (
        Embed(model.model, (step,)) for step in (Step("binary"), Step("int8"), Step("truncate", HALF))
    )
    for depth in depths:
        yield Rerank(bits, model, depth)
        yield Rerank(Rerank(bits, bytes_, OVERSAMPLING * depth), model, depth)
        if dimensions > HALF:
            yield Rerank(half, model, depth)
