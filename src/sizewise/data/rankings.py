"""What tasks scored on rankings share: their texts, their records, and the order of ties."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.case import MOST_ANSWERED, Passage, RankedCase
from sizewise.data.settings import FILE, Settings
from sizewise.data.task import DEPTH, Need, Raw, Task, TextSet, ranked
from sizewise.stats.statistics import Mean, Statistic


@dataclass(frozen=True, kw_only=True, eq=False)
class Rankings(Task):
    """Documents ranked for queries. `depth` is the k of the metric, as in ndcg@k."""

    needs: ClassVar[Need] = "rankings"

    document_ids: Sequence[str] = field(repr=False)
    documents: Sequence[str] = field(repr=False)
    queries: Sequence[str] = field(repr=False)
    depth: int = 10

    @cached_property
    def tie_rank(self) -> npt.NDArray[np.int64]:
        """int64 [documents]: place of each document in descending order of ids. Of two equal scores, the smaller
        tie_rank comes first, as in trec_eval (which compares bytes; code points sort alike)."""
        order = sorted(range(len(self.document_ids)), key=self.document_ids.__getitem__, reverse=True)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return rank

    @property
    def looks_at(self) -> int:
        return self.depth

    def text_sets(self) -> Sequence[TextSet]:
        return (TextSet("queries", "query", self.queries), TextSet("documents", "document", self.documents))

    def fit_texts(self) -> Sequence[TextSet]:
        return (TextSet("documents", "document", self.documents),)

    def records(self, results: Mapping[str, npt.NDArray[Any]]) -> Raw:
        """`ids` int32 and `scores` float32 [queries, DEPTH at most]. Raises ValueError on another number of rows."""
        ids, scores = results["ids"][:, :DEPTH], results["scores"][:, :DEPTH]
        if ids.shape != scores.shape or len(ids) != len(self.units):
            raise ValueError(f"{self.name}: ids {ids.shape}, scores {scores.shape} for {len(self.units)} queries")
        return {"ids": ids.astype(np.int32), "scores": scores.astype(np.float32)}

    def statistic(self, raws: Sequence[Raw], reference: Raw | None = None) -> Statistic:
        return Mean(np.stack([self.unit_values(raw, reference) for raw in raws])[:, None, :])

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64]:
        raise NotImplementedError

    def case(self, at: int, raw: Raw, reference: Raw | None = None) -> RankedCase:
        """The query, what was expected for it, and the candidate's first documents."""
        wanted, more = self.expected(at, reference)
        found = self.results(raw, at)
        ranks = {place: (rank, score) for rank, (place, score) in enumerate(found, 1)}
        return RankedCase(
            (self.queries[at],),
            tuple(self._passage(at, place, ranks.get(place), reference) for place in wanted),
            more,
            tuple(self._passage(at, place, ranks[place], reference) for place, _ in found[:MOST_ANSWERED]),
        )

    def results(self, raw: Raw, at: int) -> list[tuple[int, float]]:
        """Positions and scores of the documents ranked for the query at `at`, the best first."""
        return ranked(raw, at)

    def expected(self, at: int, reference: Raw | None) -> tuple[Sequence[int], int]:
        """Positions of at most MOST_EXPECTED documents that ought to come first, and how many more ought to."""
        raise NotImplementedError

    def judged(self, at: int, place: int, reference: Raw | None) -> tuple[float | None, bool | None]:
        """Grade of the document at `place` for the query at `at`, and whether it is relevant, where it is known."""
        raise NotImplementedError

    def _passage(self, at: int, place: int, found: tuple[int, float] | None, reference: Raw | None) -> Passage:
        rank, score = found or (None, None)
        grade, relevant = self.judged(at, place, reference)
        return Passage(self.document_ids[place], self.documents[place], rank, score, grade, relevant)

    def columns(self, raw: Raw) -> Mapping[str, Any]:
        import pyarrow as pa

        found = raw["ids"] >= 0
        ends = np.append(0, np.cumsum(found.sum(axis=1))).astype(np.int32)
        names = pa.array(self.document_ids, pa.string()).take(pa.array(raw["ids"][found]))
        return {
            "ids": pa.ListArray.from_arrays(ends, names),
            "scores": pa.ListArray.from_arrays(ends, pa.array(raw["scores"][found])),
        }

    def raw_of(self, columns: Mapping[str, Any]) -> Raw:
        """`ids` and `scores` as `records` makes them, as wide as the longest ranking kept."""
        import pyarrow as pa
        import pyarrow.compute as pc

        lists = columns["ids"]
        lengths = np.asarray(pc.list_value_length(lists), np.int64)
        row = np.repeat(np.arange(len(lengths)), lengths)
        column = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        shape = len(lengths), int(lengths.max(initial=0))
        ids, scores = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        ids[row, column] = pc.index_in(lists.flatten(), value_set=pa.array(self.document_ids, pa.string()))
        scores[row, column] = columns["scores"].flatten()
        return {"ids": ids, "scores": scores}


def metric_depth(settings: Settings, measure: str) -> tuple[str, int]:
    """The metric `measure@k` that `settings` ask for (k is 10 by default) and its k.

    Raises InputError for another measure or a k beyond the documents that are kept.
    """
    metric = settings.metric or f"{measure}@10"
    match = re.fullmatch(rf"{measure}@([1-9][0-9]*)", metric, re.ASCII)
    if match is None or int(match[1]) > DEPTH:
        raise InputError(
            f"{FILE} of {settings.name}: metric {metric!r} is not {measure}@k with k from 1 to {DEPTH}; "
            f"write {measure}@10, or leave it out"
        )
    return metric, int(match[1])


def share_found(got: npt.NDArray[np.int32], wanted: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Share of the documents `wanted` [q, k] (-1: no more) that are among `got` [q, k'], float64 [q]; 1 where none is
    wanted."""
    found = ((wanted[:, :, None] == got[:, None, :]).any(axis=2) & (wanted >= 0)).sum(axis=1)
    total = (wanted >= 0).sum(axis=1)
    share: npt.NDArray[np.float64] = np.divide(found, total, out=np.ones(len(total)), where=total > 0)
    return share
