"""Texts with topics, found again by k-means on a candidate's vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.case import MOST_ANSWERED, Label, LabelledCase
from sizewise.data.fares import among_their_own, label_counts
from sizewise.data.fingerprint import fingerprint
from sizewise.data.kinds import described, has_columns, recording, required_table
from sizewise.data.labelled import LABELLED_FIELDS, read_labelled
from sizewise.data.settings import Settings
from sizewise.data.task import Need, Raw, Task, TextSet
from sizewise.data.threads import single_threaded
from sizewise.data.units import OPTIONAL_FIELDS, codes
from sizewise.stats.statistics import Statistic, VMeasure

SEEDS = (0, 1, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Clustering(Task):
    """Texts and the codes int64 [texts] of their labels, scored by the V-measure of as many clusters as labels."""

    kind: ClassVar[str] = "clustering"
    needs: ClassVar[Need] = "vectors"
    files: ClassVar[str] = "clusters.jsonl (text, label)"
    fares_by: ClassVar[str] = "share of seeds in which the text's label is the commonest in its cluster"

    texts: Sequence[str] = field(repr=False)
    label_codes: npt.NDArray[np.int64] = field(repr=False)
    labels: Sequence[str] = field(repr=False)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return has_columns(folder, "clusters", LABELLED_FIELDS)

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> "Clustering":
        settings.only_fields(LABELLED_FIELDS | OPTIONAL_FIELDS, cls.kind)
        metric = settings.one_metric("v_measure", cls.kind)
        path = required_table(folder, "clusters")
        data = read_labelled(path, settings)
        label_codes, labels = codes(data.labels)
        if len(labels) < 2:
            raise InputError(f"{path}: all texts have the label {labels[0]!r}; two labels are needed")
        return cls(
            **described(folder, settings),
            metric=metric,
            units=data.units,
            fingerprint=fingerprint(
                recording(cls.kind, metric, settings),
                [data.texts, labels, data.units.slices or ()],
                [label_codes, data.units.groups],
            ),
            notes=tuple(settings.notes()),
            texts=data.texts,
            label_codes=label_codes,
            labels=labels,
        )

    def text_sets(self) -> Sequence[TextSet]:
        return (TextSet("texts", "text", self.texts),)

    def fit_texts(self) -> Sequence[TextSet]:
        """The texts themselves, without their labels: they are the corpus, on which k-means is fitted as well."""
        return self.text_sets()

    def records(self, results: Mapping[str, npt.NDArray[Any]]) -> Raw:
        """`clusters` int32 [texts, seeds]."""
        from sklearn.cluster import MiniBatchKMeans

        vectors = np.ascontiguousarray(results["texts"], np.float32)
        clusters = np.empty((len(vectors), len(SEEDS)), np.int32)
        for at, seed in enumerate(SEEDS):
            model = MiniBatchKMeans(len(self.labels), n_init=3, batch_size=1024, random_state=seed)
            with single_threaded():
                clusters[:, at] = model.fit_predict(vectors)
        return {"clusters": clusters}

    def statistic(self, raws: Sequence[Raw], reference: Raw | None = None) -> Statistic:
        return VMeasure(np.stack([raw["clusters"].T for raw in raws]), self.label_codes)

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> None:
        """None: the V-measure is no mean over texts."""
        return

    def fares(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64]:
        """Share of the seeds in which a text's label is the commonest in its cluster, float64 [texts]."""
        return among_their_own(raw["clusters"], self.label_codes)

    def case(self, at: int, raw: Raw, reference: Raw | None = None) -> LabelledCase:
        """The text, its label, and the commonest labels of the clusters that it fell into."""
        seeds = raw["clusters"].shape[1]
        times = np.zeros(len(self.labels))
        for seed in range(seeds):
            counts = label_counts(raw["clusters"][:, seed], self.label_codes)[raw["clusters"][at, seed]]
            times += counts == counts.max()
        answered = [
            Label(self.labels[code], float(times[code] / seeds), bool(code == self.label_codes[at]))
            for code in np.argsort(-times, kind="stable")[:MOST_ANSWERED]
            if times[code]
        ]
        return LabelledCase((self.texts[at],), self.labels[self.label_codes[at]], tuple(answered))

    def columns(self, raw: Raw) -> Mapping[str, Any]:
        import pyarrow as pa

        clusters = raw["clusters"]
        ends = np.arange(len(clusters) + 1, dtype=np.int32) * clusters.shape[1]
        return {"clusters": pa.ListArray.from_arrays(ends, pa.array(clusters.ravel(), pa.int32()))}
