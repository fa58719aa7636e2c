"""The certificate of an engine: how far a model's vectors are from those of the same model on the reference engine."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from sizewise.certify.bounds import BOUNDS, Bounds
from sizewise.decide.frontier import Change


@dataclass(frozen=True)
class Neighbours:
    """Whether a text's vector depends on what is encoded beside it."""

    texts: int
    worst: float
    """Worst cosine of a text's vector alone with its vectors in batches."""
    copies: float
    """Worst cosine of the vectors of two copies of a text, encoded in one call."""
    declared: bool
    """The engine itself says that its vectors depend on their neighbours."""
    least: float
    seconds: float

    @property
    def reasons(self) -> list[str]:
        """What is wrong, in clauses; empty when the vectors may be stored."""
        found = []
        if self.declared:
            found.append("its runtime says that a text's vector depends on the texts encoded beside it")
        if self.worst < self.least:
            found.append(
                "a text's vector depends on the texts encoded beside it: alone and in a batch it has a cosine of "
                f"{self.worst:.5f} at worst (least: {self.least:g})"
            )
        if self.copies < self.least:
            found.append(f"two copies of one text have a cosine of {self.copies:.5f} at worst (least: {self.least:g})")
        return found


@dataclass(frozen=True)
class Shown:
    """A text whose vector is far from the reference's."""

    cosine: float
    task: str | None
    """None: one of ours."""
    part: str
    """Name of the text set."""
    at: int
    """Position in it."""
    text: str | None
    """None where the certificate does not carry the user's texts."""

    @property
    def source(self) -> str:
        """Where the text is from, in words."""
        return self.part if self.task is None else f"{self.task}, {self.part}"


@dataclass(frozen=True)
class OnTask:
    """The engine against the reference on one task."""

    change: Change
    """What the engine gains, x100 points."""
    metric: str
    top10: float | None
    """Mean share of the reference's first ten documents among the engine's; None where nothing is ranked."""


@dataclass(frozen=True)
class Certificate:
    """Cosines are of the engine's vector of a text with the reference's."""

    engine: str
    """A candidate without transforms."""
    reference: str
    precision: str
    runtime: str
    similarity: str
    texts: int
    worst: float
    p1: float
    p5: float
    mean: float
    lengths: float
    """Largest relative difference of a vector's length from the reference's."""
    neighbours: Neighbours
    shown: tuple[Shown, ...]
    """The texts with the least cosines, the least first."""
    seconds: float
    """What making it took, all in all, when it was measured."""
    tasks: tuple[OnTask, ...] = ()

    @property
    def bounds(self) -> Bounds:
        return BOUNDS[self.precision]

    @property
    def offered(self) -> bool:
        return not self.reason

    @property
    def reason(self) -> str:
        """Why the engine is not offered, in clauses; empty where it is."""
        return "; ".join((*self.neighbours.reasons, *self._far()))

    def _far(self) -> Iterator[str]:
        for name, words in FIGURES.items():
            value, least = getattr(self, name), getattr(self.bounds, name)
            if least is not None and value < least:
                yield f"{words} cosine with {self.reference} is {value:.5f} (least: {least:g})"
        if self.similarity == "dot" and self.lengths > self.bounds.lengths:
            yield (
                f"vectors are up to {100 * self.lengths:.3g}% longer or shorter than the reference's, which counts in "
                f"dot products (most: {100 * self.bounds.lengths:g}%)"
            )

    @property
    def sentence(self) -> str:
        """The verdict and what it rests on."""
        if not self.offered:
            return f"{self.engine} is not offered: {self.reason}"
        return (
            f"{self.engine} gives the vectors of {self.reference} in float32 on torch to a cosine of {self.mean:.5f} "
            f"on average and {self.worst:.5f} at worst over {self.texts:,} texts, and the same vector alone and in any "
            f"batch to {self.neighbours.worst:.5f} at worst"
        )

    def rows(self) -> Iterator[tuple[str, float, float | None]]:
        """Each cosine in words, and the least that is asked (None: nothing)."""
        bounds = self.bounds
        yield "mean", self.mean, bounds.mean
        yield "5th percentile", self.p5, bounds.p5
        yield "1st percentile", self.p1, bounds.p1
        yield f"worst of {self.texts:,} texts", self.worst, bounds.worst
        yield f"alone and in batches, worst of {self.neighbours.texts:,}", self.neighbours.worst, bounds.neighbours
        yield "two copies of a text, worst", self.neighbours.copies, bounds.neighbours

    def without_text(self) -> Self:
        """The same without the users' texts, as run folders and bundles hold it."""
        return replace(self, shown=tuple(one if one.task is None else replace(one, text=None) for one in self.shown))

    def to_json(self) -> dict[str, Any]:
        told = {"offered": self.offered, "reason": self.reason, "sentence": self.sentence}
        return asdict(self) | {"bounds": asdict(self.bounds)} | told

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What `to_json` gave; the verdict is worked out again."""
        known = {name: found[name] for name in cls.__dataclass_fields__}
        known["neighbours"] = Neighbours(**found["neighbours"])
        known["shown"] = tuple(Shown(**one) for one in found["shown"])
        known["tasks"] = tuple(OnTask(**(one | {"change": Change(**one["change"])})) for one in found["tasks"])
        return cls(**known)


FIGURES = {
    "mean": "the mean",
    "p5": "the 5th percentile of the",
    "p1": "the 1st percentile of the",
    "worst": "the worst text's",
}
"""That have a bound, in words."""
