"""From a run or a candidate to a bundle: fitted, measured, written, checked in a fresh process, and only then there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.auto.settle import has_auto, one_of, settled_in
from sizewise.bundle import fresh
from sizewise.bundle.place import check_place, placed
from sizewise.bundle.verify import Report
from sizewise.bundle.write import check_candidate, write
from sizewise.certify.measure import certify, check_neighbours, has_certificate
from sizewise.certify.texts import parts
from sizewise.core.candidate import ROLES, Candidate, Embed, Lexical, Role, leaves, model_of
from sizewise.core.environment import processors
from sizewise.core.errors import InputError, RunError
from sizewise.core.progress import Progress, Silent
from sizewise.data.task import Task
from sizewise.decide.recommendation import Recommendation
from sizewise.encode.encoder import Encoder, Trust
from sizewise.pipeline import build as pipelines
from sizewise.pipeline.bench import Bench, calibration_sample, is_fitted
from sizewise.pipeline.live import EmbedPipeline, LexicalPipeline, Pipeline
from sizewise.pipeline.parts import taken_apart
from sizewise.pipeline.stages import fixed
from sizewise.ship.measured import Row, measured
from sizewise.ship.source import Chosen, base_task, chosen
from sizewise.ship.widths import measured_narrower
from sizewise.store.store import Store
from sizewise.study.run import Run
from sizewise.transform.chain import Chain, check_steps


@dataclass(frozen=True)
class Built:
    """A bundle that was written and checked."""

    path: Path
    candidate: str
    fitted_on: str | None
    """The task whose text the transforms were fitted on; None where nothing was fitted."""
    measured: Sequence[Row]
    report: Report

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "bundle": str(self.path),
            "candidate": self.candidate,
            "fitted_on": self.fitted_on,
            "measured": list(self.measured),
            "report": self.report.to_json(),
        }


def build(
    source: Run | Candidate | Path | str,
    out: Path | str,
    *,
    candidate: str | None = None,
    decision: Recommendation | None = None,
    tasks: Sequence[Task | Path | str] = (),
    fit: str | None = None,
    dimensions: Sequence[int] = (),
    force: bool = False,
    trust: Trust | None = None,
    store: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Write a bundle to the folder `out`, which must not be there yet (unless a bundle, with `force`).

    `source` is a run, of which the recommendation is built (`decision`, where its own terms are not those wanted) or
    the candidate called `candidate`; or it is a candidate, measured on `tasks`. Transforms are fitted on the task
    called `fit`; see `base_task`. The vectors may be served cut to fewer `dimensions`, which are measured too; by
    default those of a run whose candidates are so. Raises InputError for what can be known to be wrong before work
    begins, RunError when the bundle does not pass its check.
    """
    out = Path(out)
    check_place(out, force=force)
    if isinstance(source, str) and has_auto([source]):
        settled = settled_in([source], tasks, store=store, trust=trust, progress=progress, threads=threads)
        source = one_of(source, settled)
    found = chosen(source, candidate, decision, tasks)
    check_candidate(found.candidate)
    if threads is not None:
        _limit_threads(threads)
    with Store(store) as opened:
        bench = Bench(opened, trust or Trust(), progress or Silent(), calibration_sample(found.tasks))
        engine = _engine(bench, found)
        base = base_task(found.tasks, fit)
        served, pipeline = _live(bench, found, base)
        fitted_on = base.name if base and is_fitted(found.candidate) else None
        rows = measured(bench, found, pipeline, base)
        narrower = measured_narrower(bench, found, pipeline, dimensions)
        about = {"fitted_on": fitted_on, "measured": rows, "dimensions": narrower, **_of_run(found), **engine}
        if served != found.candidate:
            about |= {"chosen": str(found.candidate)}
        with placed(out, force=force) as folder:
            bench.progress.say(f"{found.candidate}: writing the bundle")
            write(folder, served, pipeline, about, threads or processors())
            for _, part in taken_apart(served, pipeline):
                (part if isinstance(part, Encoder) else part.encoder).unload()
            bench.progress.say("checking it in a fresh process")
            report = replace(fresh.verify(folder, threads=threads), bundle=str(out))
            if not report.passed:
                raise RunError(f"the bundle fails its own check and was not kept: {report.problem}")
    return Built(out, str(found.candidate), fitted_on, rows, report)


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _live(bench: Bench, found: Chosen, base: Task | None) -> tuple[Candidate, Pipeline]:
    """The candidate with nothing left to tune, and the pipeline to serve, fitted on `base`, whose prompts it has."""
    candidate = found.candidate
    if isinstance(candidate, Lexical):
        return candidate, LexicalPipeline()
    if not isinstance(candidate, Embed):
        if base is None:
            raise InputError(f"{candidate} is put together on text of yours: give the folder of a task with --task")
        for part in leaves(candidate):
            if not isinstance(part, Lexical):
                bench.encoder(model_of(part)).check_export()
        served, told = fixed(bench, base, candidate)
        for one in told:
            bench.progress.say(f"{one.stage}: {one.found}, by {one.queries:,} queries of {base.name}")
        return served, pipelines.build(bench, served, base)
    encoder = bench.encoder(candidate.model)
    encoder.check_export()
    try:
        check_steps(candidate.steps, encoder.dimensions)
    except InputError as error:
        raise InputError(f"{candidate}: {error}") from None
    if base is not None:
        chain = bench.chain(candidate, base)
    elif is_fitted(candidate):
        raise InputError(f"{candidate} must be fitted on text of yours: give the folder of a task with --task")
    else:
        empty = np.empty((0, encoder.dimensions), dtype=np.float32)
        chain = Chain.fit(candidate.steps, empty, cosine=encoder.similarity == "cosine")
    own: dict[Role, str] = {}
    for task in (*found.tasks, *([base] if base else [])):
        own |= task.prompts
    prompts = {role: encoder.prompt(role, own) for role in ROLES}
    return candidate, EmbedPipeline(encoder, prompts, chain, candidate.rescore)


def _engine(bench: Bench, found: Chosen) -> dict[str, Any]:
    """The certificate of the candidate's engine: the run's, else made now on texts that are ours; none for the
    reference. Raises InputError when its vectors depend on their neighbours."""
    if not isinstance(found.candidate, Embed) or not has_certificate(found.candidate.model):
        return {}
    known = {} if found.run is None else {one["engine"]: one for one in found.run.about.get("engines", ())}
    if (name := str(found.candidate.plain)) in known:
        return {"engine": known[name]}
    check_neighbours(bench, found.candidate.model, parts())
    made = certify(bench, found.candidate.model, parts())
    bench.progress.say(made.sentence)
    return {"engine": made.to_json()}


def _of_run(found: Chosen) -> dict[str, Any]:
    """What a run knows besides scores: name, decision, the candidates compared, costs and where they were measured."""
    if found.run is None:
        return {"run": None, "decided": [], "decision": None, "study": None, "cost": None}
    name, evidence = str(found.candidate), found.run.evidence
    cost = {
        "figures": evidence.figures[name].to_json(),
        "end_to_end": evidence.end_to_end[name].to_json() if name in evidence.end_to_end else None,
        "environment": found.run.about["environment"],
    }
    decision = {"decided": found.decided, "decision": found.decision, "study": found.study}
    return {"run": found.run.about["name"], **decision, "cost": cost}
