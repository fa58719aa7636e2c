"""A run written for another tool: MTEB's results, TREC run files, or a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sizewise.core.errors import InputError
from sizewise.report.export import mteb, table, trec
from sizewise.report.export.folder import Folder
from sizewise.study.run import Run

FORMATS = {"mteb": mteb.write, "trec": trec.write, "csv": table.write}


@dataclass(frozen=True)
class Exported:
    """What was written, and what a reader of it must know."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def export(run: Run, form: str, out: Path, candidates: Sequence[str] = ()) -> Exported:
    """Write the scored `candidates` (default: all) of `run` to the folder `out` as `mteb`, `trec` or `csv`.

    Raises InputError for a candidate that the run does not have, a run that has nothing of that form, or a folder
    that cannot be written.
    """
    folder = Folder(out)
    FORMATS[form](run, wanted(run, candidates), folder)
    return Exported(tuple(folder.files), tuple(folder.notes))


def wanted(run: Run, candidates: Sequence[str]) -> list[str]:
    """Those of the run's candidates that are asked for, in the run's order."""
    known = (*run.evidence.candidates, *run.evidence.shapes)
    for name in candidates:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {len(known)}, such as {known[0]}"
            raise InputError(f"the run {run.folder} has no candidate {name!r}; {hint}")
    return [name for name in known if name in candidates or not candidates]
