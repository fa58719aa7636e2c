"""One unit of a task as a reader looks at it: its texts, what was expected, and what a candidate answered.

Plain data (texts, numbers, truth values), ready for JSON. Texts are as they were encoded, of any length and with any
character: whoever shows them cuts and cleans them (see `told`).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar

MOST_EXPECTED = 3
"""Relevant documents, or the reference's first results, that a case holds."""
MOST_ANSWERED = 5
"""Documents of a candidate's ranking, or labels, that a case holds."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A document: one that was expected, or one of a candidate's first."""

    id: str
    text: str
    """As encoded: title, a space, text."""
    rank: int | None
    """In the candidate's ranking, from 1; None where it is not among the documents that are kept of it."""
    score: float | None
    """What the candidate gave it, on its own scale: of int8 or binary codes no cosine. None where it has no rank."""
    grade: float | None
    """How relevant it was judged; None where nobody judged, or the task has no judgements."""
    relevant: bool | None
    """Judged relevant or, where agreement with a reference is measured, among the reference's first; None: not known.
    """


@dataclass(frozen=True, slots=True)
class Level:
    """A number among those of all units."""

    value: float
    rank: float
    """Its percentile rank among those of the task's units, in [0, 1]; equal numbers share the middle of theirs."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label that a candidate gave to a text."""

    name: str
    share: float
    """Of the draws that predicted it; of the seeds in whose cluster of the text it is the commonest. In (0, 1]."""
    right: bool


@dataclass(frozen=True)
class Case:
    """What cases of every kind have. `shape` says which of the classes below it is."""

    shape: ClassVar[str] = "texts"

    texts: tuple[str, ...]
    """The unit's own: the query; both sentences; the text."""

    def to_json(self) -> dict[str, Any]:
        """`{"shape": ..., "texts": [...], ...}`: the fields by name."""
        return {"shape": self.shape, **asdict(self)}


@dataclass(frozen=True)
class RankedCase(Case):
    """Documents ranked for a query (retrieval, fidelity)."""

    shape: ClassVar[str] = "ranked"

    expected: tuple[Passage, ...]
    """The most relevant documents, or the reference's first results, MOST_EXPECTED at most; may be empty."""
    more: int
    """How many more were expected than are in `expected`."""
    answered: tuple[Passage, ...]
    """The candidate's first results, MOST_ANSWERED at most; may be empty."""


@dataclass(frozen=True)
class ScoredCase(Case):
    """A pair of texts with a similarity (similarity, word sense)."""

    shape: ClassVar[str] = "scored"

    expected: Level | None
    """The gold score; 1 and 0 where pairs are alike or not; None where the task does not say."""
    answered: Level
    """The candidate's, on its own scale: a cosine unless its vectors are codes; ranks compare where values do not."""
    word: str = ""
    """The word in question, where there is one."""


@dataclass(frozen=True)
class LabelledCase(Case):
    """A text with a label (classification, clustering)."""

    shape: ClassVar[str] = "labelled"

    expected: str
    answered: tuple[Label, ...]
    """What the candidate says, MOST_ANSWERED at most, those with the largest share first."""


def told(part: Any, change: Callable[[str], str]) -> Any:
    """`part` (a case, or a part of one) with `change` applied to every text in it: ids and labels too."""
    if isinstance(part, str):
        return change(part)
    if isinstance(part, tuple):
        return tuple(told(one, change) for one in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{field.name: told(getattr(part, field.name), change) for field in fields(part)})
    return part
