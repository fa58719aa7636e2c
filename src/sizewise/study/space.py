"""The search space: candidates as written, crossed with dimensions and vector precisions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from sizewise.core.candidate import Candidate, Embed, Lexical, Step, encoders, is_hybrid
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.task import Task
from sizewise.study.ladder import LADDER

BASELINE = Lexical("bm25")


@dataclass(frozen=True, slots=True)
class Space:
    """What every plain embedding candidate is crossed with.

    `dimensions` truncates (the full number means no truncation), `pca` projects, `vectors` are steps behind that:
    `float32` for none, `int8`, `binary+rescore=100`.
    """

    dimensions: tuple[int, ...] = ()
    pca: tuple[int, ...] = ()
    vectors: tuple[str, ...] = ()


def expand(texts: Iterable[str], space: Space, dimensions_of: Callable[[Embed], int]) -> tuple[Candidate, ...]:
    """All candidates, each once, as written and then crossed; the baseline last.

    `ladder` stands for the public models of `ladder.LADDER`. Shapes and candidates with transforms are not crossed.
    Dimensions that a model does not have are left out.
    """
    written: list[Candidate] = []
    for text in texts:
        written += [parse(one) for one in (LADDER if text == "ladder" else (text,))]
    if not written:
        raise InputError("a study needs at least one candidate, such as all-MiniLM-L6-v2")
    found = list(written)
    for candidate in written:
        if isinstance(candidate, Embed) and not candidate.steps and not candidate.model.is_shape:
            found += crossed(candidate, space, dimensions_of(candidate))
    return with_parts([*found, BASELINE])


def with_parts(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Each once, and the encoders that hybrids are put together from: what a hybrid is worth is seen against them."""
    given = list(candidates)
    parts = [plain for one in given if is_hybrid(one) for plain in encoders(one)]
    return tuple(dict.fromkeys([*given, *parts]))


def crossed(candidate: Embed, space: Space, available: int) -> list[Embed]:
    """`candidate` with every combination of the space."""
    projections: list[tuple[Step, ...]] = [()]
    projections += [(Step("truncate", kept),) for kept in space.dimensions if kept < available]
    projections += [(Step("pca", kept),) for kept in space.pca if kept < available]
    endings = [ending(text) for text in dict.fromkeys(("float32", *space.vectors))]
    return [
        Embed(candidate.model, projection + steps, rescore)
        for projection, (steps, rescore) in product(projections, endings)
    ]


def ending(text: str) -> tuple[tuple[Step, ...], int]:
    """`binary+rescore=100` -> its steps and its rescoring depth; `float32` -> neither."""
    if text == "float32":
        return (), 0
    found = parse(f"x+{text}")
    assert isinstance(found, Embed)
    return found.steps, found.rescore


def reference_of(task: Task, candidates: Sequence[Candidate]) -> Candidate | None:
    """What a fidelity task compares with: the candidate that it names, else the first encoder's floats.

    None for a task of quality, and where there is neither.
    """
    if task.is_quality:
        return None
    named = getattr(task, "reference", None)
    return parse(named) if named else next(iter(distinct_models(candidates)), None)


def with_reference(task: Task, candidates: Sequence[Candidate]) -> list[Candidate]:
    """`candidates` and what a fidelity task compares them with: all whose records are needed."""
    reference = reference_of(task, candidates)
    return [*candidates, *([] if reference is None else [reference])]


def distinct_models(candidates: Sequence[Candidate]) -> list[Embed]:
    """One plain candidate for each model, in order."""
    return list(dict.fromkeys(plain for one in candidates for plain in encoders(one)))
