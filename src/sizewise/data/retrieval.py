"""Rankings judged: by people (`Retrieval`), or against the ranking of a reference candidate (`Fidelity`)."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.case import MOST_EXPECTED
from sizewise.data.corpus import Documents, Queries, read_documents, read_queries
from sizewise.data.fingerprint import fingerprint
from sizewise.data.formats import find_table
from sizewise.data.kinds import described, recording
from sizewise.data.qrels import Qrels, find_qrels, read_qrels
from sizewise.data.rankings import Rankings, metric_depth, share_found
from sizewise.data.settings import FILE, Settings
from sizewise.data.task import Raw, Units, ranked
from sizewise.data.units import OPTIONAL_FIELDS
from sizewise.stats.metrics import ndcg

SAMPLE = 500
"""Documents that stand in as queries where a fidelity task has none."""

TUNE_SPLITS = ("tune", "dev", "validation", "train")
"""Judgements to choose by, where the folder has them: the first of these that is not tested."""
TUNE_QUERIES = 3_000
"""At most: a fixed random sample of them."""

_CORPUS_FIELDS = frozenset({"_id", "title", "text"}) | OPTIONAL_FIELDS


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrieval(Rankings):
    """A BEIR folder: queries with at least one relevant document, scored by nDCG@k as trec_eval does."""

    kind: ClassVar[str] = "retrieval"
    files: ClassVar[str] = (
        "corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels/test.tsv (query-id, corpus-id, score)"
    )

    qrels: Qrels = field(repr=False)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return (folder / "qrels").is_dir() and all(find_table(folder, stem) for stem in ("corpus", "queries"))

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> "Retrieval":
        settings.only_fields(_CORPUS_FIELDS | {"query-id", "corpus-id", "score"}, cls.kind)
        documents, queries = read_documents(folder, settings), read_queries(folder, settings)
        tested = cls._of(folder, settings, documents, queries, queries.positions)
        try:
            return replace(tested, tune=tested._to_tune(folder, settings, documents, queries))
        except InputError as error:
            if settings.tune is not None:
                raise
            return replace(tested, notes=(*tested.notes, f"nothing to tune on: {error}"))

    @classmethod
    def _of(
        cls, folder: Path, settings: Settings, documents: Documents, queries: Queries, allowed: dict[str, int]
    ) -> "Retrieval":
        """The task of the queries in `allowed`, by id with their positions, that `settings.split` judges."""
        metric, depth = metric_depth(settings, "ndcg")
        qrels = read_qrels(folder, settings, allowed, documents.positions)
        every_id, document_ids = tuple(queries.positions), tuple(documents.positions)
        ids, texts = (tuple(values[at] for at in qrels.queries) for values in (every_id, queries.texts))
        units = queries.units.units(ids, keep=qrels.queries.tolist())
        return cls(
            **described(folder, settings),
            metric=metric,
            depth=depth,
            units=units,
            fingerprint=fingerprint(
                recording(cls.kind, metric, settings),
                [document_ids, documents.texts, ids, texts, units.slices or ()],
                [qrels.keys, qrels.grades, qrels.judged, units.groups],
            ),
            notes=(*settings.notes(), *qrels.notes),
            document_ids=document_ids,
            documents=documents.texts,
            queries=texts,
            qrels=qrels,
        )

    def _to_tune(self, folder: Path, settings: Settings, documents: Documents, queries: Queries) -> "Retrieval | None":
        """The task of the queries to tune on: none whose id, text or group is tested."""
        splits = TUNE_SPLITS if settings.tune is None else (settings.tune,)
        if settings.tune == settings.split:
            raise InputError(f"{FILE} of {self.name}: split and tune are both {settings.tune!r}; name two files")
        split = next((one for one in splits if one != settings.split and find_qrels(folder, one)), settings.tune)
        if split is None:
            return None
        settings = replace(settings, split=split)
        free = dict(self._untested(queries))
        judged = read_qrels(folder, settings, free, documents.positions).queries
        if len(judged) > TUNE_QUERIES:
            kept = set(np.random.default_rng(0).choice(judged, TUNE_QUERIES, replace=False).tolist())
            free = {name: at for name, at in free.items() if at in kept}
        found = self._of(folder, settings, documents, queries, free)
        return replace(found, is_tune=True, notes=(f"the queries of qrels/{split}, to choose by",))

    def _untested(self, queries: Queries) -> Iterator[tuple[str, int]]:
        """Ids and positions of the queries that have nothing to do with those that are tested."""
        every = tuple(queries.positions)
        groups = queries.units.units(every)
        names = None if groups.groups is None else [groups.group_names[code] for code in groups.groups]  # type: ignore[index]
        tested = {*self.units.ids}, {*self.queries}, {*(self.units.group_names or ())}
        for at, (name, text) in enumerate(zip(every, queries.texts, strict=True)):
            alike = names is not None and names[at] in tested[2]
            if not (name in tested[0] or text in tested[1] or alike):
                yield name, at

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64]:
        """nDCG@k of each query, float64 [queries]."""
        return ndcg(self.qrels.of(raw["ids"][:, : self.depth]), self.qrels.judged, self.depth)

    def expected(self, at: int, reference: Raw | None) -> tuple[list[int], int]:
        """The relevant documents, the highest grades first."""
        places, grades = self.qrels.documents_of(at)
        relevant = places[grades > 0].tolist()
        return relevant[:MOST_EXPECTED], len(relevant[MOST_EXPECTED:])

    def ideal(self, ids: npt.NDArray[np.int32], depth: int) -> npt.NDArray[np.float64]:
        """nDCG@k of each query, float64 [queries], if what `ids` int32 [queries, k'] found in its first `depth` were
        ranked perfectly: what no reranker of so many goes beyond."""
        gains = self.qrels.of(ids)
        gains[:, :depth] = -np.sort(-gains[:, :depth], axis=1)
        return ndcg(gains[:, : self.depth], self.qrels.judged, self.depth)

    def judged(self, at: int, place: int, reference: Raw | None) -> tuple[float | None, bool]:
        """The grade, None where nobody judged: then the document counts as not relevant."""
        places, grades = self.qrels.documents_of(at)
        here = np.flatnonzero(places == place)
        grade = float(grades[here[0]]) if len(here) else None
        return grade, grade is not None and grade > 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Fidelity(Rankings):
    """An unlabelled corpus: how much of a reference candidate's first k is in a candidate's first k.

    Where there are no queries, some documents are (`sources` int64 [queries]: which), and a document is not counted
    among its own results.
    """

    kind: ClassVar[str] = "fidelity"
    is_quality: ClassVar[bool] = False
    files: ClassVar[str] = "corpus.jsonl (_id, title, text) and perhaps queries.jsonl (_id, text)"

    reference: str | None = None
    sources: npt.NDArray[np.int64] | None = field(default=None, repr=False)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return find_table(folder, "corpus") is not None and not (folder / "qrels").is_dir()

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> "Fidelity":
        settings.only_fields(_CORPUS_FIELDS, cls.kind)
        metric, depth = metric_depth(settings, "overlap")
        documents = read_documents(folder, settings)
        document_ids = tuple(documents.positions)
        sources: npt.NDArray[np.int64] | None = None
        notes = [*settings.notes(), "fidelity: agreement with a reference candidate, not quality"]
        if find_table(folder, "queries"):
            queries = read_queries(folder, settings)
            texts, units = queries.texts, queries.units.units(tuple(queries.positions))
        else:
            sources = _sample(folder, documents)
            texts = tuple(documents.texts[at] for at in sources)
            units = Units(tuple(document_ids[at] for at in sources))
            notes.append(f"there are no queries: {len(sources)} documents stand in for them")
        return cls(
            **described(folder, settings),
            metric=metric,
            depth=depth,
            units=units,
            fingerprint=fingerprint(
                recording(cls.kind, metric, settings),
                [document_ids, documents.texts, units.ids, texts, units.slices or ()],
                [sources, units.groups],
            ),
            notes=tuple(notes),
            document_ids=document_ids,
            documents=documents.texts,
            queries=texts,
            reference=settings.reference,
            sources=sources,
        )

    def unit_values(self, raw: Raw, reference: Raw | None = None) -> npt.NDArray[np.float64]:
        """Share of the reference's first k found in the candidate's first k, float64 [queries]; 1 where the reference
        found nothing. Raises InputError without a reference."""
        if reference is None:
            raise InputError(f"{self.name}: fidelity needs a reference; name a candidate as `reference` in task.toml")
        wanted, got = self._first(reference["ids"], self.sources), self._first(raw["ids"], self.sources)
        return share_found(got, wanted)

    def expected(self, at: int, reference: Raw | None) -> tuple[list[int], int]:
        """The reference's first results; none where it is not known."""
        first = [] if reference is None else self._of_reference(at, reference)
        return first[:MOST_EXPECTED], len(first[MOST_EXPECTED:])

    def judged(self, at: int, place: int, reference: Raw | None) -> tuple[None, bool | None]:
        """No grade; whether the document is among the reference's first k, None where the reference is not known."""
        return None, None if reference is None else place in self._of_reference(at, reference)

    def results(self, raw: Raw, at: int) -> list[tuple[int, float]]:
        """As ranked, without the document that is the query."""
        own = None if self.sources is None else self.sources[at]
        return [one for one in ranked(raw, at) if one[0] != own]

    def _of_reference(self, at: int, reference: Raw) -> list[int]:
        sources = None if self.sources is None else self.sources[at : at + 1]
        return [place for place in self._first(reference["ids"][at : at + 1], sources)[0].tolist() if place >= 0]

    def _first(self, ids: npt.NDArray[np.int32], sources: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int32]:
        """The first k of each ranking [queries, k], without the document `sources` [queries] that is the query."""
        if sources is None:
            return ids[:, : self.depth]
        ids = ids[:, : self.depth + 1]
        own = ids == sources[:, None]
        others_first = np.argsort(own, axis=1, kind="stable")
        ids = np.take_along_axis(np.where(own, np.int32(-1), ids), others_first, axis=1)
        return ids[:, : self.depth]


def _sample(folder: Path, documents: Documents) -> npt.NDArray[np.int64]:
    """Positions of the documents that stand in for queries, the same at each call."""
    count = len(documents.texts)
    if count < 2:
        raise InputError(f"{folder}: one document has nothing to be ranked against; add documents or queries.jsonl")
    return np.sort(np.random.default_rng(0).choice(count, min(SAMPLE, count), replace=False))
