"""Rankings as TREC run files: query, Q0, document, rank, score, tag.

trec_eval goes by scores and not by ranks, and orders equal scores by document id, descending. So that it scores the
ranking that was measured, a score that would change the order is lowered by the smallest step of a float32.
"""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.report.export.folder import Folder
from sizewise.report.export.names import file_names
from sizewise.study.records import RecordFile, Records
from sizewise.study.run import Run

SEPARATES = re.compile(r"[\s%\x00-\x1f\x7f]")
"""What cannot stand in a column, and the sign that it is encoded with."""


def write(run: Run, candidates: list[str], folder: Folder) -> None:
    """TASK/CANDIDATE.run for every task that ranks documents. Raises InputError when there is none."""
    models = file_names(run.evidence.candidates)
    tasks = file_names([task.name for task in run.evidence.tasks])
    file = RecordFile(run.folder)
    encoded: dict[str, set[str]] = {}
    for task in tasks:
        for name in candidates:
            records = file.of(task, name) if name in models else None
            if records is None or not {"ids", "scores"} <= set(records.columns):
                continue
            folder.write((tasks[task], f"{models[name]}.run"), lines(records, models[name]))
            encoded.setdefault(task, set()).update(_encoded(records))
    if not folder.files:
        raise InputError(
            f"{run.folder} has no rankings of these candidates: run files are for tasks that rank documents"
        )
    if left := [task for task in tasks if task not in encoded]:
        folder.notes.append(f"Left out, as nothing is ranked there: {', '.join(left)}.")
    for task, ids in encoded.items():
        if ids:
            folder.notes.append(
                f"{task}: {len(ids):,} ids hold white space or %, which are written as in a URL (%20, %25), since "
                "white space separates columns; write your qrels in the same way."
            )


def lines(records: Records, tag: str) -> Iterator[bytes]:
    """The lines of a run file, a query at a time, in the order of the task's units."""
    units, ranked, scores = records.units, records.columns["ids"], records.columns["scores"]
    for at in range(len(records)):
        query = column(units[at].as_py())
        ids = [column(one) for one in ranked[at].as_py()]
        kept = non_increasing(ids, np.asarray(scores[at].values, np.float32))
        yield "".join(
            f"{query} Q0 {document} {rank} {score!s} {tag}\n"
            for rank, (document, score) in enumerate(zip(ids, kept, strict=True), 1)
        ).encode()


def column(text: str) -> str:
    """An id as one column: white space and % as in a URL."""
    return SEPARATES.sub(lambda found: quote(found[0], safe=""), text)


def non_increasing(ids: Sequence[str], scores: npt.NDArray[np.float32]) -> list[np.float32]:
    """`scores` by which trec_eval's order is that of `ids`: as they are, or lowered where they would change it."""
    kept: list[np.float32] = []
    for at, score in enumerate(scores):
        if kept and (score > kept[-1] or (score == kept[-1] and ids[at] > ids[at - 1])):
            score = np.nextafter(kept[-1], np.float32(-np.inf))
        kept.append(score)
    return kept


def _encoded(records: Records) -> set[str]:
    """Ids that cannot stand in a column as they are."""
    ids = {*records.units.to_pylist(), *records.columns["ids"].flatten().to_pylist()}
    return {one for one in ids if SEPARATES.search(one)}
