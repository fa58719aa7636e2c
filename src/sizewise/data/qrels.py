"""Judgements: which document answers which query, and how well. Looked up for whole rankings at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.fields import name, whole_number
from sizewise.data.formats import find_table, rows
from sizewise.data.settings import Settings

MOST_JUDGED = 100
"""Grades kept per query for the ideal ranking: no metric looks deeper than the rankings that are kept."""


@dataclass(frozen=True, eq=False)
class Qrels:
    """The judgements of `queries` (positions in the queries file), as arrays.

    `keys` int64 [judgements], sorted: row in `queries` * documents + document; `grades` float32 beside them;
    `judged` float32 [queries, MOST_JUDGED at most]: each query's best grades, descending, padded with 0. As in
    trec_eval they include judged documents that the corpus lacks, which no ranking can find.
    """

    queries: npt.NDArray[np.int64]
    documents: int
    keys: npt.NDArray[np.int64]
    grades: npt.NDArray[np.float32]
    judged: npt.NDArray[np.float32]
    notes: tuple[str, ...] = ()

    def of(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Grades float32 of the documents `ids` int32 [queries, k], row by row; 0 where unjudged or -1."""
        wanted = np.arange(len(ids), dtype=np.int64)[:, None] * self.documents + ids
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((self.keys[at] == wanted) & (ids >= 0), self.grades[at], np.float32(0))

    def documents_of(self, query: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Positions int64 of the judged documents of the query in row `query`, and their grades float32, the best
        first; those that the corpus lacks are not among them."""
        start, stop = np.searchsorted(self.keys, (query * self.documents, (query + 1) * self.documents))
        order = np.argsort(-self.grades[start:stop], kind="stable")
        return self.keys[start:stop][order] - query * self.documents, self.grades[start:stop][order]


def find_qrels(folder: Path, split: str) -> Path | None:
    """The judgements of `split` in any format, or None."""
    return find_table(folder / "qrels", split)


def read_qrels(folder: Path, settings: Settings, queries: Mapping[str, int], documents: Mapping[str, int]) -> Qrels:
    """Judgements of `settings.split`, for the queries that have a relevant document.

    Judgements of unknown queries are left out, those of unknown documents count as never found, and of several of one
    pair the last counts (as where BEIR's files are read into a dictionary); all three are noted.
    Raises InputError: no such file, a grade that is no whole number, nothing relevant.
    """
    path = find_qrels(folder, settings.split)
    if path is None:
        there = ", ".join(sorted(file.name for file in (folder / "qrels").glob("*.*"))) or "nothing"
        raise InputError(f"{folder}: there is no qrels/{settings.split}.tsv (there is: {there}); add it or set `split`")
    query_column, document_column, grade_column = map(settings.column, ("query-id", "corpus-id", "score"))
    lost = {"query": 0, "document": 0}
    unknown: dict[str, int] = {}
    found: list[tuple[int, int, int]] = []
    for line, row in rows(path):
        query = queries.get(name(path, line, row, query_column))
        document_id = name(path, line, row, document_column)
        grade = whole_number(path, line, row, grade_column)
        if query is None:
            lost["query"] += 1
            continue
        document = documents.get(document_id)
        if document is None:
            lost["document"] += 1
            document = len(documents) + unknown.setdefault(document_id, len(unknown))
        found.append((query, document, grade))
    return _arrays(path, found, len(documents), _notes(path, lost))


def _arrays(path: Path, found: Sequence[tuple[int, int, int]], documents: int, notes: tuple[str, ...]) -> Qrels:
    query, document, grade = np.array(found, np.int64).reshape(-1, 3).T
    order = np.lexsort((document, query))
    query, document, grade = query[order], document[order], grade[order]
    last = np.append((np.diff(query) != 0) | (np.diff(document) != 0), True)[: len(query)]
    if len(last) > last.sum():
        notes = (*notes, f"{path.name}: {len(last) - last.sum()} pairs are judged again; the last judgement counts")
    query, document, grade = query[last], document[last], grade[last]
    relevant = np.unique(query[grade > 0])
    if not len(relevant):
        raise InputError(f"{path}: no query has a relevant document (score 1 or more); check the ids and the scores")
    kept = np.isin(query, relevant)
    row, document, grade = np.searchsorted(relevant, query[kept]), document[kept], grade[kept].astype(np.float32)
    known = document < documents
    return Qrels(
        queries=relevant,
        documents=documents,
        keys=row[known] * documents + document[known],
        grades=grade[known],
        judged=_best(row, grade, len(relevant)),
        notes=notes,
    )


def _best(row: npt.NDArray[np.int64], grade: npt.NDArray[np.float32], queries: int) -> npt.NDArray[np.float32]:
    """float32 [queries, most]: the grades of each row, descending. `row` is ascending."""
    order = np.lexsort((-grade, row))
    row, grade = row[order], grade[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    best = np.zeros((queries, min(MOST_JUDGED, int(rank.max()) + 1)), np.float32)
    shown = rank < best.shape[1]
    best[row[shown], rank[shown]] = grade[shown]
    return best


def _notes(path: Path, lost: Mapping[str, int]) -> tuple[str, ...]:
    notes = []
    if lost["query"]:
        notes.append(f"{path.name}: {lost['query']} judgements of unknown queries are left out")
    if lost["document"]:
        notes.append(f"{path.name}: {lost['document']} judgements of unknown documents count as never found")
    return tuple(notes)
