"""A word in two sentences: is a pair with the same sense scored higher than one with two senses?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.case import ScoredCase
from sizewise.data.fares import in_place, level
from sizewise.data.fields import boolean, name, text
from sizewise.data.fingerprint import fingerprint
from sizewise.data.formats import find_table, rows
from sizewise.data.kinds import described, has_columns, recording, required_table
from sizewise.data.settings import Settings
from sizewise.data.task import Need, Raw, Task, TextSet
from sizewise.data.units import OPTIONAL_FIELDS, UnitReader, numbered
from sizewise.stats.metrics import best_threshold
from sizewise.stats.statistics import AveragePrecision, Statistic

_FIELDS = frozenset({"word", "sentence1", "sentence2", "label"})
_SPANS = frozenset({"start1", "end1", "start2", "end2"})


@dataclass(frozen=True, eq=False)
class SensePairs:
    """Two sentences with one word each, and whether it has the same sense in both, bool [pairs]."""

    words: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    same: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class WordSense(Task):
    """Pairs scored by average precision; pairs of one word are a group unless the data name others."""

    kind: ClassVar[str] = "wordsense"
    needs: ClassVar[Need] = "pairs"
    files: ClassVar[str] = "test.jsonl and perhaps train.jsonl (word, sentence1, sentence2, label)"
    fares_by: ClassVar[str] = "nearness of the pair's rank by cosine to the ranks of pairs of its label"

    pairs: SensePairs = field(repr=False)
    training: SensePairs | None = field(default=None, repr=False)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return has_columns(folder, "test", _FIELDS)

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> "WordSense":
        settings.only_fields(_FIELDS | _SPANS | OPTIONAL_FIELDS, cls.kind)
        metric = settings.one_metric("average_precision", cls.kind)
        path = required_table(folder, settings.split)
        reader = UnitReader(path, settings)
        pairs = _read(path, settings, reader)
        if pairs.same.all() or not pairs.same.any():
            raise InputError(f"{path}: all labels are {bool(pairs.same[0])}; pairs of both kinds are needed")
        train_path = find_table(folder, "train")
        training = _read(train_path, settings) if train_path and settings.split != "train" else None
        units = reader.units(numbered(len(pairs.first)), groups=pairs.words)
        learnt = (training.first, training.second) if training else ()
        return cls(
            **described(folder, settings),
            metric=metric,
            units=units,
            fingerprint=fingerprint(
                recording(cls.kind, metric, settings),
                [pairs.first, pairs.second, *learnt, units.slices or ()],
                [pairs.same, training.same if training else None, units.groups],
            ),
            notes=tuple(settings.notes()),
            pairs=pairs,
            training=training,
        )

    def text_sets(self) -> Sequence[TextSet]:
        sets = [TextSet("first", "text", self.pairs.first), TextSet("second", "text", self.pairs.second)]
        if self.training:
            sets.append(TextSet("train_first", "text", self.training.first))
            sets.append(TextSet("train_second", "text", self.training.second))
        return tuple(sets)

    def fit_texts(self) -> Sequence[TextSet]:
        if self.training is None:
            return ()
        return (TextSet("train", "text", tuple(dict.fromkeys((*self.training.first, *self.training.second)))),)

    def records(self, results: Mapping[str, npt.NDArray[Any]]) -> Raw:
        """`scores` float64 [pairs], and `train_scores` float64 [training pairs] where there are such.

        Raises ValueError on another number of scores.
        """
        wanted = {"scores": self.pairs} | ({"train_scores": self.training} if self.training else {})
        raw = {key: np.asarray(results[key], np.float64) for key in wanted}
        for key, pairs in wanted.items():
            if raw[key].shape != pairs.same.shape:
                raise ValueError(f"{self.name}: {key} {raw[key].shape} for {len(pairs.same)} pairs")
        return raw

    def statistic(self, raws: Sequence[Raw], reference: Raw | None = None) -> Statistic:
        return AveragePrecision(np.stack([raw["scores"] for raw in raws]), self.pairs.same)

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> None:
        """None: average precision is no mean over pairs."""
        return

    def accuracy(self, raw: Raw) -> float | None:
        """Share of pairs told right at the threshold that is best on the training pairs; None without such."""
        if self.training is None:
            return None
        threshold = best_threshold(raw["train_scores"], self.training.same)
        return float(np.mean((raw["scores"] >= threshold) == self.pairs.same))

    def also(self, raw: Raw) -> Mapping[str, float]:
        found = self.accuracy(raw)
        return {} if found is None else {"accuracy at the trained threshold": found}

    def fares(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64]:
        """1 for a pair on the right side of all pairs, less by how far its cosine's rank is on the wrong one."""
        return in_place(raw["scores"], self.pairs.same.astype(np.float64))

    def case(self, at: int, raw: Raw, reference: Raw | None = None) -> ScoredCase:
        """Both sentences, the word, whether it has one sense (1) or two (0), and the cosine."""
        texts = self.pairs.first[at], self.pairs.second[at]
        expected = level(self.pairs.same.astype(np.float64), at)
        return ScoredCase(texts, expected, level(raw["scores"], at), self.pairs.words[at])

    def columns(self, raw: Raw) -> Mapping[str, Any]:
        import pyarrow as pa

        return {"score": pa.array(raw["scores"], pa.float64())}


def _read(path: Path, settings: Settings, reader: UnitReader | None = None) -> SensePairs:
    word, sentence1, sentence2, label = map(settings.column, ("word", "sentence1", "sentence2", "label"))
    words, first, second, same = [], [], [], []
    for line, row in rows(path):
        words.append(name(path, line, row, word))
        first.append(text(path, line, row, sentence1))
        second.append(text(path, line, row, sentence2))
        same.append(boolean(path, line, row, label))
        if reader is not None:
            reader.add(line, row)
    return SensePairs(tuple(words), tuple(first), tuple(second), np.array(same, np.bool_))
