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
from sizewise.core.candidate import ROLES, Candidate, Embed, Lexical, Role
from sizewise.core.environment import processors
from sizewise.core.errors import InputError, RunError
from sizewise.core.progress import Progress, Silent
from sizewise.data.task import Task
from sizewise.decide.recommendation import Recommendation
from sizewise.encode.encoder import Trust
from sizewise.pipeline.bench import Bench, calibration_sample
from sizewise.pipeline.live import EmbedPipeline, LexicalPipeline
from sizewise.ship.measured import Row, measured
from sizewise.ship.source import Chosen, base_task, chosen
from sizewise.store.store import Store
from sizewise.study.run import Run
from sizewise.transform.chain import Chain, check_steps, needs_fit


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
    force: bool = False,
    trust: Trust | None = None,
    store: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Write a bundle to the folder `out`, which must not be there yet (unless a bundle, with `force`).

    `source` is a run, of which the recommendation is built (`decision`, where its own terms are not those wanted) or
    the candidate called `candidate`; or it is a candidate, measured on `tasks`. Transforms are fitted on the task
    called `fit`; see `base_task`. Raises InputError for what can be known to be wrong before work begins, RunError when
    the bundle does not pass its check.
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
        pipeline, base = _live(bench, found, fit)
        fitted_on = base.name if base and isinstance(pipeline, EmbedPipeline) and _fits(found.candidate) else None
        rows = measured(bench, found, pipeline, base)
        about = {"fitted_on": fitted_on, "measured": rows, **_of_run(found), **engine}
        with placed(out, force=force) as folder:
            bench.progress.say(f"{found.candidate}: writing the bundle")
            write(folder, found.candidate, pipeline, about, threads or processors())
            if isinstance(pipeline, EmbedPipeline):
                pipeline.encoder.unload()
            bench.progress.say("checking it in a fresh process")
            report = replace(fresh.verify(folder, threads=threads), bundle=str(out))
            if not report.passed:
                raise RunError(f"the bundle fails its own check and was not kept: {report.problem}")
    return Built(out, str(found.candidate), fitted_on, rows, report)


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _live(bench: Bench, found: Chosen, fit: str | None) -> tuple[EmbedPipeline | LexicalPipeline, Task | None]:
    """The pipeline to serve, and the task that its transforms were fitted on and its prompts are from."""
    base = base_task(found.tasks, fit)
    candidate = found.candidate
    if isinstance(candidate, Lexical):
        return LexicalPipeline(), base
    if not isinstance(candidate, Embed):
        raise InputError(f"{candidate}: bundles of several stages are not written yet; build its parts one by one")
    encoder = bench.encoder(candidate.model)
    encoder.check_export()
    try:
        check_steps(candidate.steps, encoder.dimensions)
    except InputError as error:
        raise InputError(f"{candidate}: {error}") from None
    if base is not None:
        chain = bench.chain(candidate, base)
    elif _fits(candidate):
        raise InputError(f"{candidate} must be fitted on text of yours: give the folder of a task with --task")
    else:
        empty = np.empty((0, encoder.dimensions), dtype=np.float32)
        chain = Chain.fit(candidate.steps, empty, cosine=encoder.similarity == "cosine")
    own: dict[Role, str] = {}
    for task in (*found.tasks, *([base] if base else [])):
        own |= task.prompts
    prompts = {role: encoder.prompt(role, own) for role in ROLES}
    return EmbedPipeline(encoder, prompts, chain, candidate.rescore), base


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


def _fits(candidate: Candidate) -> bool:
    return isinstance(candidate, Embed) and needs_fit(candidate.steps)


def _of_run(found: Chosen) -> dict[str, Any]:
    """What a run knows besides scores: name, decision, costs and where they were measured."""
    if found.run is None:
        return {"run": None, "decided": [], "decision": None, "cost": None}
    name, evidence = str(found.candidate), found.run.evidence
    cost = {
        "figures": evidence.figures[name].to_json(),
        "end_to_end": evidence.end_to_end[name].to_json() if name in evidence.end_to_end else None,
        "environment": found.run.about["environment"],
    }
    return {"run": found.run.about["name"], "decided": found.decided, "decision": found.decision, "cost": cost}
