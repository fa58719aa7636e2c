"""What a bundle is to be built from: a finished run's answer, a candidate of it, or a candidate alone."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sizewise.core.candidate import Candidate
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.data.task import Task
from sizewise.decide.plane import plane
from sizewise.decide.recommendation import Recommendation
from sizewise.decide.words import sentences
from sizewise.study.composed import largest_search
from sizewise.study.run import Run


@dataclass(frozen=True)
class Chosen:
    """A candidate, the tasks that it is measured on, and why it was chosen."""

    candidate: Candidate
    tasks: tuple[Task, ...] = ()
    run: Run | None = None
    decided: tuple[str, ...] = ()
    """In sentences; empty where nothing was compared."""
    decision: Mapping[str, Any] = field(default_factory=dict)
    """Verdict, recommended candidate and terms; empty likewise."""
    study: Mapping[str, Any] = field(default_factory=dict)
    """Where it stands among the candidates of the run; empty likewise."""


def chosen(
    source: Run | Candidate | Path | str,
    candidate: str | None = None,
    decision: Recommendation | None = None,
    tasks: Sequence[Task | Path | str] = (),
) -> Chosen:
    """The candidate of `source`, a run (or its folder) or a candidate (or its string form).

    Of a run it is the one that `decision` recommends (by default what the run does under its own terms), or the one
    called `candidate`. Raises InputError when there is none, or what is given does not go together.
    """
    run = source if isinstance(source, Run) else run_in(source)
    if run is not None:
        if tasks:
            raise InputError("a run has tasks of its own; --task is for building from a candidate")
        return _of_run(run, candidate, decision or run.recommend())
    if candidate is not None or decision is not None:
        raise InputError(f"{source} is no run, so there is nothing to choose from: leave out --candidate and the terms")
    alone = source if isinstance(source, Candidate) else parse(str(source))
    loaded = tuple(task if isinstance(task, Task) else load_task(task) for task in tasks)
    return Chosen(alone, loaded)


def base_task(tasks: Sequence[Task], name: str | None = None) -> Task | None:
    """The task whose text transforms are fitted on, and whose prompts come first: the one called `name`, else that with
    the most documents to search, else that with the most text for fitting; None without tasks.

    Raises InputError when there is no task of that name.
    """
    if name is not None:
        found = next((task for task in tasks if task.name == name), None)
        if found is None:
            known = ", ".join(task.name for task in tasks) or "none"
            raise InputError(f"--fit {name}: there is no such task; there are: {known}")
        return found
    search = largest_search(tasks)
    if search is not None:
        return search[0]
    return max(tasks, key=lambda task: sum(len(part.texts) for part in task.fit_texts()), default=None)


def run_in(source: Candidate | Path | str) -> Run | None:
    """The run in a folder; None for what is no folder, or a model's. Raises InputError for a folder that is neither."""
    if isinstance(source, Candidate):
        return None
    folder = Path(source)
    # Of a candidate, which may be longer than the name of any file, these say no; Path's own methods raise.
    if os.path.isfile(folder / "run.json"):  # noqa: PTH113
        return Run.load(folder)
    is_model = any(os.path.isfile(folder / file) for file in ("config.json", "modules.json"))  # noqa: PTH113
    if os.path.isdir(folder) and not is_model:  # noqa: PTH112
        raise InputError(f"{folder} holds neither a finished run (run.json) nor a model; give one of these")
    return None


def _of_run(run: Run, name: str | None, found: Recommendation) -> Chosen:
    about = {"verdict": found.verdict, "recommended": found.candidate, "terms": asdict(found.terms)}
    words = tuple(sentences(found))
    if name is None and found.candidate is None:
        raise InputError(f"{run.folder}: {' '.join(words)}")
    candidate = parse(name or str(found.candidate))
    if str(candidate) not in run.evidence.candidates:
        raise InputError(_unknown(run, candidate))
    if str(candidate) != found.candidate:
        other = f"recommends {found.candidate} ({found.verdict})" if found.candidate else "recommends nothing"
        words = (f"Chosen by name among the candidates of a run, which {other} under these terms.",)
    return Chosen(candidate, tuple(run.tasks()), run, words, about, plane(str(run.about["name"]), found))


def _unknown(run: Run, candidate: Candidate) -> str:
    known = run.evidence.candidates
    close = get_close_matches(str(candidate), known, n=3)
    which = f"near it are: {', '.join(close)}" if close else f"there are: {', '.join(known)}"
    return f"{candidate} is no candidate of {run.folder} that was scored; {which}"
