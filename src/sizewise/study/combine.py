"""`[hybrids]`: a study's candidates put together in every way that is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from sizewise.core.candidate import Asym, Candidate, Embed, Fuse, Lexical, Rerank, Step, is_shape
from sizewise.core.grammar import parse

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
    """Encoders that rank again what others found, and that documents of `asym` are encoded by."""
    depths: tuple[int, ...] = DEPTHS
    margins: tuple[float, ...] = ()
    """Of scores: rank again only where the first two are nearer. They depend on the retriever's scale."""
    weights: tuple[float, ...] = ()
    """Of the first of two that are fused; fusion by ranks is tried anyway."""
    fuse: bool = False
    asym: bool = False
    funnels: bool = False
    fresh: bool = False
    """Documents encoded when they are found, too."""


def combined(asked: Hybrids, plain: Sequence[Candidate]) -> list[Candidate]:
    """All that `asked` stands for, each once; `plain` are the study's own candidates."""
    own = [one for one in plain if isinstance(one, Lexical) or (isinstance(one, Embed) and not one.steps)]
    own = [one for one in own if not is_shape(one)]
    retrievers = [parse(one) for one in asked.retrievers] or [*own, Lexical("bm25")]
    rerankers = [one for one in map(parse, asked.rerankers) if isinstance(one, Embed)]
    fused = list(fusions(retrievers, asked.weights)) if asked.fuse else []
    found: list[Candidate] = [*fused, *reranks((*retrievers, *fused), rerankers, asked)]
    encoders = [one for one in retrievers if isinstance(one, Embed)]
    if asked.asym:
        found += [
            Asym(small.plain, large) for small, large in product(encoders, rerankers) if small.plain != large.plain
        ]
    if asked.funnels:
        found += [one for model in dict.fromkeys(one.plain for one in encoders) for one in funnels(model, asked.depths)]
    return list(dict.fromkeys(found))


def fusions(retrievers: Sequence[Candidate], weights: Iterable[float]) -> Iterator[Fuse]:
    """Every two of them, by ranks and by scores."""
    for pair in combinations(dict.fromkeys(retrievers), 2):
        yield from (Fuse(pair, weight) for weight in (None, *weights))


def reranks(retrievers: Iterable[Candidate], rerankers: Sequence[Embed], asked: Hybrids) -> Iterator[Rerank]:
    """Every reranker behind everything that is not its own ranking, at every depth."""
    for first, second, depth in product(retrievers, rerankers, asked.depths):
        if first != second:
            for margin in (None, *asked.margins):
                yield Rerank(first, second, depth, margin)
                if asked.fresh:
                    yield Rerank(first, second, depth, margin, fresh=True)


def funnels(model: Embed, depths: Iterable[int]) -> Iterator[Rerank]:
    """Of one model: bits, then floats; bits, then bytes, then floats; the first HALF dimensions, then all."""
    bits, bytes_, half = (
        Embed(model.model, (step,)) for step in (Step("binary"), Step("int8"), Step("truncate", HALF))
    )
    for depth in depths:
        yield Rerank(bits, model, depth)
        yield Rerank(Rerank(bits, bytes_, OVERSAMPLING * depth), model, depth)
        yield Rerank(half, model, depth)
