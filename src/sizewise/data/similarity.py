"""Pairs of texts with a graded similarity: do a candidate's cosines order them as people do?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.case import ScoredCase
from sizewise.data.fares import in_place, level
from sizewise.data.fields import number, text
from sizewise.data.fingerprint import fingerprint
from sizewise.data.formats import find_table, rows
from sizewise.data.kinds import described, has_columns, recording, required_table
from sizewise.data.settings import Settings
from sizewise.data.task import Need, Raw, Task, TextSet
from sizewise.data.units import OPTIONAL_FIELDS, UnitReader, numbered
from sizewise.stats.statistics import Spearman, Statistic

_FIELDS = frozenset({"sentence1", "sentence2", "score"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Similarity(Task):
    """Pairs with gold scores float64 [pairs], scored by Spearman's correlation."""

    kind: ClassVar[str] = "similarity"
    needs: ClassVar[Need] = "pairs"
    files: ClassVar[str] = "test.csv (sentence1, sentence2, score)"
    fares_by: ClassVar[str] = "nearness of the pair's rank by cosine to its rank by gold score"

    first: Sequence[str] = field(repr=False)
    second: Sequence[str] = field(repr=False)
    gold: npt.NDArray[np.float64] = field(repr=False)
    training: Sequence[str] = field(repr=False, default=())
    """Sentences of train (or dev), for transforms to be fitted on."""

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return has_columns(folder, "test", _FIELDS)

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> "Similarity":
        settings.only_fields(_FIELDS | OPTIONAL_FIELDS, cls.kind)
        metric = settings.one_metric("spearman", cls.kind)
        path = required_table(folder, settings.split)
        first, second = _sentences(path, settings)
        gold, reader = [], UnitReader(path, settings)
        for line, row in rows(path):
            gold.append(number(path, line, row, settings.column("score")))
            reader.add(line, row)
        if min(gold) == max(gold):
            raise InputError(f"{path}: all scores are {gold[0]:g}, so there is no order to compare with; add others")
        units, scores, training = reader.units(numbered(len(gold))), np.array(gold), _training(folder, settings)
        return cls(
            **described(folder, settings),
            metric=metric,
            units=units,
            fingerprint=fingerprint(
                recording(cls.kind, metric, settings),
                [first, second, training, units.slices or ()],
                [scores, units.groups],
            ),
            notes=tuple(settings.notes()),
            first=first,
            second=second,
            gold=scores,
            training=training,
        )

    def text_sets(self) -> Sequence[TextSet]:
        return (TextSet("first", "text", self.first), TextSet("second", "text", self.second))

    def fit_texts(self) -> Sequence[TextSet]:
        return (TextSet("train", "text", self.training),) if self.training else ()

    def records(self, results: Mapping[str, npt.NDArray[Any]]) -> Raw:
        """`scores` float64 [pairs]. Raises ValueError on another number of scores."""
        scores = np.asarray(results["scores"], np.float64)
        if scores.shape != self.gold.shape:
            raise ValueError(f"{self.name}: scores {scores.shape} for {len(self.gold)} pairs")
        return {"scores": scores}

    def statistic(self, raws: Sequence[Raw], reference: Raw | None = None) -> Statistic:
        return Spearman(np.stack([raw["scores"] for raw in raws]), self.gold)

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> None:
        """None: a correlation is no mean over pairs."""
        return

    def fares(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64]:
        """1 less the distance from the rank of a pair's cosine to that of its gold score (see `in_place`)."""
        return in_place(raw["scores"], self.gold)

    def case(self, at: int, raw: Raw, reference: Raw | None = None) -> ScoredCase:
        """Both sentences, the gold score and the cosine."""
        return ScoredCase((self.first[at], self.second[at]), level(self.gold, at), level(raw["scores"], at))

    def columns(self, raw: Raw) -> Mapping[str, Any]:
        import pyarrow as pa

        return {"score": pa.array(raw["scores"], pa.float64())}


def _sentences(path: Path, settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    columns = settings.column("sentence1"), settings.column("sentence2")
    pairs = [tuple(text(path, line, row, column) for column in columns) for line, row in rows(path)]
    first, second = zip(*pairs, strict=True)
    return first, second


def _training(folder: Path, settings: Settings) -> tuple[str, ...]:
    """Distinct sentences of train, or else of dev, that are not what is tested."""
    for split in ("train", "dev"):
        path = find_table(folder, split)
        if path is not None and split != settings.split:
            first, second = _sentences(path, settings)
            return tuple(dict.fromkeys((*first, *second)))
    return ()
