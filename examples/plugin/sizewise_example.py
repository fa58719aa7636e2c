"""What a third party can add to Sizewise: an encoder, a transform and a task kind, each one class.

pyproject.toml names them as entry points; nothing in Sizewise knows this module. See CONTRIBUTING.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import HashingVectorizer

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.data.fields import boolean, text
from sizewise.data.fingerprint import fingerprint
from sizewise.data.formats import find_table, rows
from sizewise.data.kinds import described, has_columns, recording, required_table
from sizewise.data.settings import Settings
from sizewise.data.task import Need, Raw, Task, TextSet
from sizewise.data.units import OPTIONAL_FIELDS, UnitReader, numbered
from sizewise.encode.encoder import Encoder, Trust
from sizewise.stats.statistics import AveragePrecision, Statistic
from sizewise.transform.transform import Transform, Vectors


class HashEncoder(Encoder):
    """`hash:256`: counts of the 3- and 4-letter pieces of each word, hashed to a given number of dimensions.

    Feature hashing (Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009): no model, no
    training, no weights. It finds shared spellings, not meanings.
    """

    def __init__(self, model: Model, trust: Trust | None = None) -> None:
        super().__init__(model, trust)
        if not self.argument.isdecimal() or not 1 <= int(self.argument) <= 65_536:
            raise InputError(f"{model.name}: give the number of dimensions, 1 to 65536, as in hash:256")

    @property
    def identity(self) -> Mapping[str, Any]:
        """Change this when the vectors change: stored ones are found again by it."""
        return {"method": "char_wb 3-4 hashed", "version": 1, "dimensions": self.dimensions}

    @property
    def dimensions(self) -> int:
        return int(self.argument)

    @property
    def parameters(self) -> int:
        return 0

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        """A text's vector is the sum of its words' vectors, so each distinct word is taken apart once."""
        vocabulary: dict[str, int] = {}
        words: list[int] = []
        ends = [0]
        for one in texts:
            words += [vocabulary.setdefault(word, len(vocabulary)) for word in (prompt + one).lower().split()]
            ends.append(len(words))
        if not vocabulary:
            return np.zeros((len(texts), self.dimensions), np.float32)
        shape = (len(texts), len(vocabulary))
        counts = csr_array((np.ones(len(words), np.float32), np.array(words), np.array(ends)), shape=shape)
        vectors: npt.NDArray[np.float32] = (counts @ self._pieces.transform(vocabulary)).toarray()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
        return unit

    @cached_property
    def _pieces(self) -> HashingVectorizer:
        """A word's 3- and 4-letter pieces, its ends marked, each adding or subtracting 1 in one dimension."""
        return HashingVectorizer(
            analyzer="char_wb", ngram_range=(3, 4), n_features=self.dimensions, norm=None, dtype=np.float32
        )


@dataclass(frozen=True)
class Center(Transform):
    """`center`: the mean of the vectors it was fitted on is subtracted."""

    mean: Vectors
    """float32 [d]."""

    @classmethod
    def fit(cls, vectors: Vectors, value: int | None) -> Self:
        return cls(vectors.mean(axis=0, dtype=np.float64).astype(np.float32))

    def apply(self, vectors: Vectors) -> Vectors:
        return vectors - self.mean

    def dimensions(self, incoming: int) -> int:
        return incoming

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": self.mean}

    def linear(self, incoming: int) -> tuple[Vectors, Vectors | None]:
        """Itself plus a constant: so a bundle loads in sentence-transformers too."""
        return np.eye(incoming, dtype=np.float32), -self.mean


FIELDS = frozenset({"sentence1", "sentence2", "paraphrase"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Paraphrase(Task):
    """Pairs that say the same or do not, scored by the average precision of their similarity.

    `pairs.jsonl` holds the pairs that are tested; `train.jsonl`, if there is one, text that transforms are fitted on.
    """

    kind: ClassVar[str] = "paraphrase"
    needs: ClassVar[Need] = "pairs"
    files: ClassVar[str] = "pairs.jsonl (sentence1, sentence2, paraphrase)"

    first: Sequence[str] = field(repr=False)
    second: Sequence[str] = field(repr=False)
    same: npt.NDArray[np.bool_] = field(repr=False)
    training: Sequence[str] = field(repr=False, default=())

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return has_columns(folder, "pairs", FIELDS)

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        settings.only_fields(FIELDS | OPTIONAL_FIELDS, cls.kind)
        metric = settings.one_metric("average_precision", cls.kind)
        path = required_table(folder, "pairs")
        units = UnitReader(path, settings)
        first, second, same = [], [], []
        for line, row in rows(path):
            first.append(text(path, line, row, settings.column("sentence1")))
            second.append(text(path, line, row, settings.column("sentence2")))
            same.append(boolean(path, line, row, settings.column("paraphrase")))
            units.add(line, row)
        if all(same) or not any(same):
            raise InputError(f"{path}: all pairs have the label {str(same[0]).lower()}; both kinds are needed")
        labels, training = np.array(same, np.bool_), _training(folder, settings)
        read = units.units(numbered(len(same)))
        return cls(
            **described(folder, settings),
            metric=metric,
            units=read,
            fingerprint=fingerprint(
                recording(cls.kind, metric, settings),
                [first, second, training, read.slices or ()],
                [labels, read.groups],
            ),
            notes=tuple(settings.notes()),
            first=tuple(first),
            second=tuple(second),
            same=labels,
            training=training,
        )

    def text_sets(self) -> Sequence[TextSet]:
        return (TextSet("first", "text", self.first), TextSet("second", "text", self.second))

    def fit_texts(self) -> Sequence[TextSet]:
        return (TextSet("train", "text", self.training),) if self.training else ()

    def records(self, results: Mapping[str, npt.NDArray[Any]]) -> Raw:
        return {"scores": np.asarray(results["scores"], np.float64)}

    def statistic(self, raws: Sequence[Raw], reference: Raw | None = None) -> Statistic:
        return AveragePrecision(np.stack([raw["scores"] for raw in raws]), self.same)

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> None:
        """None: average precision is no mean over pairs."""

    def columns(self, raw: Raw) -> Mapping[str, Any]:
        import pyarrow as pa

        return {"score": pa.array(raw["scores"], pa.float64())}


def _training(folder: Path, settings: Settings) -> tuple[str, ...]:
    """Distinct sentences of train.jsonl; they may have labels or not."""
    path = find_table(folder, "train")
    if path is None:
        return ()
    columns = settings.column("sentence1"), settings.column("sentence2")
    return tuple(dict.fromkeys(text(path, line, row, one) for line, row in rows(path) for one in columns))
