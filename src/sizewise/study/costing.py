"""Cost within a study: encoders are measured, candidates composed from parts, finalists measured again end to end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sizewise.core.candidate import Candidate, Embed, Part
from sizewise.core.grammar import parse
from sizewise.core.progress import Progress
from sizewise.cost.figures import PAID_BY_TOKEN, Figures
from sizewise.cost.measure import Measured, Plan, measure
from sizewise.cost.price import Prices, priced
from sizewise.cost.remote import to_time, to_time_whole
from sizewise.data.task import Task
from sizewise.decide.evidence import Evidence
from sizewise.decide.recommend import board, choose
from sizewise.decide.terms import Terms
from sizewise.pipeline.departure import Sendings, together
from sizewise.store.files import digest, write_json
from sizewise.study.composed import largest_search

SEARCHES = 30
"""Single queries timed on each candidate's index."""
FINALISTS = 3
"""Candidates measured end to end: the recommended one and its runners-up."""


def measured(subjects: Sequence[Part], plan: Plan, path: Path, progress: Progress) -> Measured:
    """Figures of `subjects`; those that the file `path` has from the same plan are not measured again."""
    kept = _kept(plan, path)
    missing = [one for one in subjects if str(one) not in kept["figures"]]
    if missing:
        found = measure(missing, plan, progress)
        kept["figures"] |= {str(one): figures.to_json() for one, figures in found.figures.items()}
        kept["drift"].append([found.latency_drift, found.throughput_drift])
        write_json(path, kept)
    latency, throughput = np.max(np.array(kept["drift"]), axis=0)
    figures = {one: Figures.from_json(kept["figures"][str(one)]) for one in subjects}
    return Measured(figures, float(latency), float(throughput))


def to_send(subjects: Sequence[Part], scored: Sequence[Candidate], plan: Plan, folder: Path | None) -> Sendings:
    """What measuring cost would send to endpoints: `subjects` as encoders, and finalists end to end, of which no more
    than FINALISTS are expected; less what the files of a run in `folder` say is measured."""
    whole = replace(plan, pipelines=True)
    known = _kept(plan, folder / "cost.json")["figures"] if folder else {}
    finished = folder is not None and bool(_kept(whole, folder / "finalists.json")["figures"])
    finals = [one for one in scored if isinstance(one, Embed) and one.model.is_remote][:FINALISTS]
    finals = finals if plan.task is not None and not finished else []
    missing = [one for one in subjects if str(one) not in known]
    return together(
        (
            to_time(missing, plan.sample, plan.rounds, plan.trust),
            to_time_whole(finals, plan.sample, plan.rounds, plan.trust),
        )
    )


def _kept(plan: Plan, path: Path) -> dict[str, Any]:
    """What the file `path` has from the same plan."""
    key = digest([plan.threads, plan.rounds, plan.pipelines, plan.sample.single, plan.sample.bulk, plan.task])
    kept: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
    return kept if kept.get("plan") == key else {"plan": key, "figures": {}, "drift": [[0.0, 0.0]]}


def finalists(
    evidence: Evidence, terms: Terms, tasks: Sequence[Task], plan: Plan, path: Path, prices: Prices, progress: Progress
) -> Evidence:
    """`evidence` with the recommended candidate and its runners-up measured end to end, from query to ranking.

    When that puts the recommended one outside a limit, the next choice is measured too. Without a task that searches
    nothing is measured: then an encoder's own figures are already those of the whole pipeline.
    """
    search = largest_search(tasks)
    names = runners_up(evidence, terms)
    while search is not None and names:
        again = measured([parse(name) for name in names], replace(plan, pipelines=True), path, progress)
        for candidate, figures in again.figures.items():
            composed = evidence.figures[str(candidate)]
            whole = replace(figures, memory_mb=figures.peak_memory_mb, texts_per_s=composed.texts_per_s)
            whole = replace(whole, bytes_per_vector=composed.bytes_per_vector)
            whole = replace(whole, **{name: getattr(composed, name) for name in PAID_BY_TOKEN})
            known = {**evidence.end_to_end, str(candidate): priced(whole, prices, len(search[1].texts))}
            evidence = replace(evidence, end_to_end=known)
        choice = choose(evidence, terms)
        names = [] if choice.candidate is None or choice.candidate in evidence.end_to_end else [choice.candidate]
    return evidence


def runners_up(evidence: Evidence, terms: Terms) -> list[str]:
    """The chosen candidate, the one that loses least, the cheapest others that would do, and where these are few those
    that come nearest; FINALISTS, or all."""
    choice = choose(evidence, terms)
    if choice.candidate is None:
        return []
    found = board(evidence, terms)
    enough = found.worst_bound < 1.0 if choice.verdict == "proven" else found.worst_loss < 1.0
    others = [found.names[at] for at in np.argsort(found.costs, kind="stable") if enough[at]]
    nearest = [found.names[at] for at in np.argsort(found.worst_loss, kind="stable")]
    return list(dict.fromkeys([choice.candidate, nearest[0], *choice.tied, *others, *nearest]))[:FINALISTS]


def baseline_task(tasks: Sequence[Task]) -> Mapping[str, Any] | None:
    """What a worker needs to load the task whose documents are searched."""
    search = largest_search(tasks)
    return None if search is None else {"path": search[0].path, "protocol": None}
