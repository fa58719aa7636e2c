"""Texts with labels, told apart by logistic regression on a candidate's vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.core.text import printable
from sizewise.data.case import MOST_ANSWERED, Label, LabelledCase
from sizewise.data.fingerprint import fingerprint
from sizewise.data.formats import find_table
from sizewise.data.kinds import described, has_columns, recording, required_table
from sizewise.data.labelled import LABELLED_FIELDS, Labelled, read_labelled
from sizewise.data.probe import PROTOCOLS
from sizewise.data.settings import MOST_NAME, Settings
from sizewise.data.task import Need, Raw, Task, TextSet, rectangle
from sizewise.data.units import OPTIONAL_FIELDS
from sizewise.stats.statistics import Mean, Statistic


@dataclass(frozen=True, kw_only=True, eq=False)
class Classification(Task):
    """Training and test texts; codes int64 into `labels` (all labels of both, sorted). Scored by accuracy."""

    kind: ClassVar[str] = "classification"
    needs: ClassVar[Need] = "vectors"
    files: ClassVar[str] = "train.jsonl and test.jsonl (text, label)"

    train: Sequence[str] = field(repr=False)
    test: Sequence[str] = field(repr=False)
    train_codes: npt.NDArray[np.int64] = field(repr=False)
    test_codes: npt.NDArray[np.int64] = field(repr=False)
    labels: Sequence[str] = field(repr=False)
    protocol: str = "tuned"
    """How the regression is trained: see `probe`."""

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return find_table(folder, "train") is not None and has_columns(folder, "test", LABELLED_FIELDS)

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> "Classification":
        settings.only_fields(LABELLED_FIELDS | OPTIONAL_FIELDS, cls.kind)
        metric = settings.one_metric("accuracy", cls.kind)
        protocol = settings.protocol or "tuned"
        if protocol not in PROTOCOLS:
            raise InputError(f"{settings.name}: unknown protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
        train_path = required_table(folder, "train")
        train, test = (read_labelled(path, settings) for path in (train_path, required_table(folder, settings.split)))
        if len(set(train.labels)) < 2:
            raise InputError(f"{train_path}: all texts have the label {train.labels[0]!r}; two labels are needed")
        labels = tuple(sorted({*train.labels, *test.labels}))
        code = {label: at for at, label in enumerate(labels)}
        train_codes, test_codes = (np.array([code[label] for label in s.labels], np.int64) for s in (train, test))
        return cls(
            **described(folder, settings),
            metric=metric,
            units=test.units,
            fingerprint=fingerprint(
                recording(cls.kind, metric, settings, protocol=protocol),
                [train.texts, test.texts, labels, test.units.slices or ()],
                [train_codes, test_codes, test.units.groups],
            ),
            notes=(*settings.notes(), *_notes(train, test)),
            train=train.texts,
            test=test.texts,
            train_codes=train_codes,
            test_codes=test_codes,
            labels=labels,
            protocol=protocol,
        )

    def text_sets(self) -> Sequence[TextSet]:
        return (TextSet("train", "text", self.train), TextSet("test", "text", self.test))

    def fit_texts(self) -> Sequence[TextSet]:
        return (TextSet("train", "text", self.train),)

    def records(self, results: Mapping[str, npt.NDArray[Any]]) -> Raw:
        """`predictions` int32 [test texts, draws], codes into `labels`."""
        return {"predictions": PROTOCOLS[self.protocol](results["train"], self.train_codes, results["test"])}

    def statistic(self, raws: Sequence[Raw], reference: Raw | None = None) -> Statistic:
        return Mean(np.stack([self._right(raw).T for raw in raws]))

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64]:
        """Share of the draws that label each text rightly, float64 [test texts]."""
        values: npt.NDArray[np.float64] = self._right(raw).mean(axis=1, dtype=np.float64)
        return values

    def _right(self, raw: Raw) -> npt.NDArray[np.float32]:
        right: npt.NDArray[np.float32] = (raw["predictions"] == self.test_codes[:, None]).astype(np.float32)
        return right

    def case(self, at: int, raw: Raw, reference: Raw | None = None) -> LabelledCase:
        """The text, its label, and the labels predicted for it."""
        right = self.test_codes[at]
        codes, times = np.unique(raw["predictions"][at], return_counts=True)
        answered = [
            Label(self.labels[codes[i]], float(times[i] / times.sum()), bool(codes[i] == right))
            for i in np.argsort(-times, kind="stable")[:MOST_ANSWERED]
        ]
        return LabelledCase((self.test[at],), self.labels[right], tuple(answered))

    def columns(self, raw: Raw) -> Mapping[str, Any]:
        import pyarrow as pa

        codes = raw["predictions"]
        ends = np.arange(len(codes) + 1, dtype=np.int32) * codes.shape[1]
        names = pa.array(self.labels, pa.string()).take(pa.array(codes.ravel()))
        return {"labels": pa.ListArray.from_arrays(ends, names)}

    def raw_of(self, columns: Mapping[str, Any]) -> Raw:
        """`predictions` as `records` makes them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = pa.array(self.labels, pa.string())
        return {"predictions": rectangle(columns["labels"], lambda found: np.asarray(pc.index_in(found, names)))}


def _notes(train: Labelled, test: Labelled) -> list[str]:
    notes = []
    seen = set(train.texts)
    if shared := sum(text in seen for text in test.texts):
        notes.append(f"{shared} of {len(test.texts)} test texts are also training texts")
    known = set(train.labels)
    if lost := [label for label in test.labels if label not in known]:
        names = ", ".join(printable(label, MOST_NAME) for label in sorted(set(lost))[:5])
        notes.append(f"{len(lost)} test texts have a label without training texts and count as wrong: {names}")
    return notes
