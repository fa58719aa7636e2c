"""What a task is: texts to encode, and how to turn arrays into raw records and records into scores.

A task scores vectors, pair scores or rankings. It never sees a model or a pipeline: it says what it `needs`, the
evaluation computes that for a candidate, and hands over arrays. What comes back is the raw record of every unit;
scores, intervals and comparisons are derived from records later, for all candidates at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Role
from sizewise.data.case import MOST_ANSWERED, Case, Passage, RankedCase, ScoredCase
from sizewise.data.fares import level
from sizewise.data.settings import Settings
from sizewise.stats.statistics import Statistic

Raw = dict[str, npt.NDArray[Any]]
"""What one candidate did on one task, raw: named arrays whose first axis is the unit. Kept as .npz, never pickled."""

Need = Literal["rankings", "pairs", "vectors"]
"""rankings: documents ranked for queries; pairs: a score for each pair of texts; vectors: unit vectors of texts."""

DEPTH = 100
"""Documents kept of each ranking."""


@dataclass(frozen=True)
class TextSet:
    """Texts that play one role, in order. `name` tells a task's sets apart (`train`, `test`)."""

    name: str
    role: Role
    texts: Sequence[str]


@dataclass(frozen=True, eq=False)
class Units:
    """What is counted and resampled: queries, pairs, labelled texts.

    `groups` are codes of units that belong together (questions of one paragraph) and are resampled together.
    """

    ids: Sequence[str]
    groups: npt.NDArray[np.int64] | None = None
    slices: Sequence[str] | None = None
    group_names: Sequence[str] | None = None
    """What the data call each group, by code."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def group_count(self) -> int:
        """How many independent things were seen: groups, or units where there are none."""
        return len(self) if self.groups is None else len(np.unique(self.groups))


@dataclass(frozen=True, eq=False)
class Task(ABC):
    """A data set plus how to score it. Subclasses add their data; all of it is immutable.

    Tasks compare by identity; equal data have equal fingerprints.
    """

    kind: ClassVar[str]
    needs: ClassVar[Need]
    is_quality: ClassVar[bool] = True
    """False where the score is agreement with a reference candidate, not quality."""
    files: ClassVar[str] = ""
    """What a folder of this kind holds, for messages: 'test.csv: sentence1,sentence2,score'."""
    fares_by: ClassVar[str] = ""
    """What `fares` counts, in words, where it is not the metric of each unit."""

    name: str
    path: str
    metric: str
    units: Units = field(repr=False)
    fingerprint: str
    """sha256 over the data and over every setting that changes records."""
    margin: float | None = None
    """How much may be lost (x100 points) before a candidate is worse; None: the study's margin."""
    prompts: Mapping[Role, str] = field(default_factory=dict)
    """Prompts that the task sets for every encoder; a candidate's own prompts come before them."""
    notes: Sequence[str] = ()
    """What a reader of the results must know: 'qrels name 3 unknown documents', 'known-item search'."""
    tune: "Task | None" = field(default=None, repr=False)
    """The same task with other units, to choose weights, thresholds and candidates by; None where there are none."""
    is_tune: bool = False
    """It is the `tune` of another."""

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """Whether the files of `folder` are those of this kind."""
        return False

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        """The task in `folder`. Raises InputError naming file and line."""
        raise NotImplementedError(f"{cls.kind} tasks are not read from folders")

    @abstractmethod
    def text_sets(self) -> Sequence[TextSet]:
        """Everything to encode. rankings: `queries`, `documents`; pairs: `first`, `second` (equal length, and
        optionally `train_first`, `train_second`); vectors: any sets."""

    @property
    def tie_rank(self) -> npt.NDArray[np.int64] | None:
        """Where equal scores go in a ranking: int64 [documents], the smaller first; None: in order of position."""
        return None

    @property
    def looks_at(self) -> int:
        """Documents of a ranking that the metric looks at, at most."""
        return DEPTH

    @abstractmethod
    def fit_texts(self) -> Sequence[TextSet]:
        """Texts that transforms may be fitted on: corpus or training texts, never units that are tested by what was
        fitted to their labels or partners. May be empty."""

    @abstractmethod
    def records(self, results: Mapping[str, npt.NDArray[Any]]) -> Raw:
        """Raw records from what the task needs.

        rankings: `ids` int32 [queries, DEPTH] positions in `documents` (-1: fewer found) and `scores` float32, same
        shape; pairs: `scores` float64 [pairs] (and `train_scores`); vectors: one float32 [texts, d] per text set.
        """

    @abstractmethod
    def statistic(self, raws: Sequence[Raw], reference: Raw | None = None) -> Statistic:
        """The main metric of all candidates at once, ready for joint resampling.

        `reference` is the record of the candidate that a fidelity task compares with; other tasks ignore it.
        """

    @abstractmethod
    def unit_values(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64] | None:
        """The main metric (in [0, 1]) of each unit, where the metric is a mean over units; else None."""

    def fares(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64] | None:
        """How well each unit fares, float64 [units] in [0, 1], to find what breaks; it decides nothing.

        `unit_values` where there are any (runs keep those); a kind whose metric is no mean over units says what comes
        near it, or None.
        """
        return self.unit_values(raw, reference)

    def case(self, at: int, raw: Raw, reference: Raw | None = None) -> Case:
        """The unit at position `at` as a reader looks at it, with what the candidate of `raw` answered.

        By default what is known of every task that needs the same: texts and scores, or ranked documents, without what
        was expected. `raw` holds as much as `raw_of` finds in a run.
        """
        texts = {part.name: part.texts for part in self.text_sets()}
        names = {"pairs": ("first", "second"), "rankings": ("queries",), "vectors": ()}[self.needs]
        own = tuple(texts[name][at] for name in names)
        if self.needs == "pairs" and "scores" in raw:
            return ScoredCase(own, None, level(raw["scores"], at))
        if self.needs == "rankings" and "ids" in raw:
            first = enumerate(ranked(raw, at)[:MOST_ANSWERED], 1)
            documents = texts["documents"]
            found = (Passage(str(to), documents[to], rank, score, None, None) for rank, (to, score) in first)
            return RankedCase(own, (), 0, tuple(found))
        return Case(own)

    def also(self, raw: Raw) -> Mapping[str, float]:
        """Further scores worth telling, in [0, 1], by name; none of them decides anything."""
        return {}

    @abstractmethod
    def columns(self, raw: Raw) -> Mapping[str, Any]:
        """`raw` as Arrow arrays for records.parquet: document ids instead of positions, label names for codes.

        Any of `ids` list<string>, `scores` list<float>, `score` double, `labels` list<string>, `clusters` list<int32>.
        """

    def raw_of(self, columns: Mapping[str, Any]) -> Raw:
        """The inverse of `columns`: a raw record from Arrow arrays (those that are not null), as far as they hold it.

        By default what `score` and `clusters` hold: `scores` float64 [units], `clusters` int32 [units, seeds].
        """
        raw: Raw = {}
        if "score" in columns:
            raw["scores"] = np.asarray(columns["score"], np.float64)
        if "clusters" in columns:
            raw["clusters"] = rectangle(columns["clusters"], np.asarray)
        return raw


def hashed(task: Task) -> npt.NDArray[np.uint64]:
    """uint64 [units]: of each unit's name, or of its group's first unit's, so that groups stay together and units that
    are added later move none of the others. (The codes of groups would move: they are counted anew.)"""
    names = np.array(task.units.ids, dtype=object)
    if task.units.groups is not None:
        first, of_unit = np.unique(task.units.groups, return_index=True, return_inverse=True)[1:]
        names = names[first][of_unit]
    found = [int.from_bytes(sha256(f"{task.name}\0{name}".encode()).digest()[:8]) for name in names]
    return np.array(found, np.uint64)


def ranked(raw: Raw, at: int) -> list[tuple[int, float]]:
    """Positions and scores of the documents ranked for the query at `at`, the best first."""
    found = raw["ids"][at] >= 0
    return list(zip(raw["ids"][at][found].tolist(), raw["scores"][at][found].tolist(), strict=True))


def rectangle(lists: Any, of_values: Callable[[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Arrow lists [n] of one length as an array [n, length], `of_values` making an array of the values in them."""
    values = of_values(lists.flatten())
    return values.reshape(len(lists), -1) if len(values) else values.reshape(len(lists), 0)
