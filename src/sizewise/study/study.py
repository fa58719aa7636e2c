"""The main job: tasks x candidates x limits -> a run, resumable at any moment."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.core.candidate import Candidate
from sizewise.core.environment import environment
from sizewise.core.errors import InputError
from sizewise.core.progress import Progress, Silent
from sizewise.cost.price import Prices
from sizewise.data.load import load_task
from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import Evidence, TaskFacts
from sizewise.decide.holdout import Holdout, Positions
from sizewise.decide.presets import preset_terms
from sizewise.decide.terms import DEFAULT_MARGIN, Terms
from sizewise.encode.encoder import Trust
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.departure import permit, remote_facts
from sizewise.store.store import Store
from sizewise.study.clock import Clock
from sizewise.study.combine import Hybrids
from sizewise.study.composed import composed, documents_of, searches
from sizewise.study.config import StudyConfig
from sizewise.study.confirm import Recorded, confirmed
from sizewise.study.costing import finalists, measured
from sizewise.study.engines import certificates, offered, on_tasks
from sizewise.study.origins import origins
from sizewise.study.run import Run, RunFolder
from sizewise.study.rungs import Ladder
from sizewise.study.source import source
from sizewise.study.space import Space
from sizewise.study.told import ceilings, tuned
from sizewise.study.truncation import truncation
from sizewise.study.work import Outline, Work, reference_record


@dataclass
class Study:
    """Tasks and candidates, and the terms of the decision. `Study(tasks, candidates).run().recommend(p95_ms=20)`.

    `tasks` are folders or loaded tasks, `candidates` strings or candidates; the bm25 baseline is always added.
    `minimise` is by default the monthly cost where there are prices, and else the 95th percentile of latency. What is
    not given of `limits`, `margin` and `minimise` is that of the `preset`, where there is one.
    Raises InputError for anything that can be known to be wrong before work begins.
    """

    tasks: Sequence[Task | Path | str]
    candidates: Sequence[Candidate | str]
    name: str = "study"
    space: Space = field(default_factory=Space)
    limits: Mapping[str, float] = field(default_factory=dict)
    margin: float | None = None
    minimise: str | None = None
    preset: str | None = None
    confirm: Holdout = field(default_factory=Holdout)
    prices: Prices = field(default_factory=Prices)
    trust: Trust = field(default_factory=Trust)
    threads: int | None = None
    store: Path | None = None
    ladder: Ladder | None = None
    hybrids: Hybrids | None = None
    progress: Progress = field(default_factory=Silent)

    @classmethod
    def from_config(cls, config: StudyConfig, progress: Progress | None = None) -> "Study":
        """The study that a STUDY.toml describes."""
        tasks: list[Task | Path | str] = []
        for reference in config.tasks:
            task = load_task(reference.path, protocol=reference.protocol, name=reference.name)
            tasks.append(task if reference.margin is None else replace(task, margin=reference.margin))
        return cls(
            tasks,
            config.candidates,
            name=config.name,
            space=config.space,
            limits=config.limits,
            margin=config.margin,
            minimise=config.minimise,
            preset=config.preset,
            confirm=config.confirm,
            prices=config.prices,
            trust=config.trust,
            threads=config.threads,
            ladder=config.ladder,
            hybrids=config.hybrids,
            progress=progress or Silent(),
        )

    @property
    def terms(self) -> Terms:
        """Limits, margins and what to minimise: the study's own, else its preset's, else the defaults."""
        if self.preset is not None:
            return preset_terms(self.preset, self.limits, self.margin, self.minimise)
        default = "p95_ms" if self.prices.price_per_hour is None else "monthly_cost"
        margin = DEFAULT_MARGIN if self.margin is None else self.margin
        return Terms(self.minimise or default, dict(self.limits), margin)

    def run(self, out: Path | str | None = None) -> Run:
        """Do whatever is not done yet and decide. The run folder is `out`, or runs/NAME.

        Interrupted at any moment, the same call goes on where it stopped: finished encodes and records are in the
        store, finished cost measurements in the run folder.
        """
        terms = self.terms
        folder = RunFolder(Path(out)) if out is not None else RunFolder.named(self.name)
        with folder.locked(), Store(self.store) as store:
            bench = Bench(store, self.trust, self.progress)
            work = Work.prepare(self, bench, folder.path)
            splits = self.splits(work.tasks)
            plan = work.cost_plan(store)
            permit(work.sendings(plan, folder.path), self.trust, self.progress)
            clock = Clock()
            with clock("encode"):
                work.encode()
            with clock("certify"):
                engines = certificates(bench, work.tasks, work.scored)
                work = replace(work, candidates=offered(work.candidates, work.tasks, engines))
            with clock("score"):
                raws = work.records(clock)
            with clock("cost"):
                found = measured(work.cost_subjects(), plan, folder.path / "cost.json", self.progress)
                figures = composed(
                    work.candidates, work.tasks, found, bench, self.prices, folder.path / "searches.json", plan.threads
                )
            with clock("compare"):
                references = {task.name: reference_record(bench, task, work.scored) for task in work.tasks}
                compared, parts = work.compare(raws, references, [kept for kept, _ in splits])
            evidence = Evidence(
                tuple(facts(task, kept) for task, (kept, _) in zip(work.tasks, splits, strict=True)),
                tuple(str(one) for one in work.scored),
                tuple(compared),
                {str(one): figures[one] for one in work.candidates},
                found.latency_drift,
                found.throughput_drift,
                plain=tuple(str(one) for one in work.encoders),
                origins=origins(work.scored),
            )
            with clock("finalists"):
                evidence = finalists(
                    evidence, terms, work.tasks, plan, folder.path / "finalists.json", self.prices, self.progress
                )
            about = {
                "name": self.name,
                "environment": environment(plan.threads),
                "cost_texts": plan.sample.about,
                "searches": searches(folder.path / "searches.json"),
                "prices": asdict(self.prices),
                "documents": documents_of(work.tasks),
                "tasks": [asdict(source(task)) for task in work.tasks],
                "held_out": held_out(work.tasks, splits),
                "seconds": {phase: took for phase, took in clock.seconds.items() if phase in PHASES},
                "score_seconds": {task.name: clock.seconds[f"score {task.name}"] for task in work.tasks},
                "confirmation": self.confirmation(folder.path, evidence, terms, work, splits, raws, references),
                "slices": [asdict(part) for part in parts],
                "engines": [one.to_json() for one in on_tasks(engines, evidence, raws)],
                "truncation": [truncation(bench, task, model) for task in work.tasks for model in work.encoders],
                "ceilings": [one for task in work.tasks for one in ceilings(bench, task, work.scored)],
                "tuned": [one for task in work.tasks for one in tuned(bench, task, work.scored)],
                "remote": remote_facts(bench, work.scored),
            }
            return Run.write(folder, evidence, terms, about, work.tasks, work.scored, raws, references)

    def confirmation(
        self,
        folder: Path,
        evidence: Evidence,
        terms: Terms,
        work: Work,
        splits: Sequence[tuple[Positions, Positions]],
        raws: Mapping[str, Mapping[Candidate, Raw]],
        references: Mapping[str, Raw | None],
    ) -> Mapping[str, Any] | None:
        """What units that no decision has seen say of the choice; None where there are none."""
        if not work.tested:
            return confirmed(folder, evidence, terms, work.tasks, splits, raws, references)
        every = [np.arange(len(task.units)) for task in work.tested]
        held = [(units[:0], units) for units in every]
        known = {task.name: Recorded(work.bench, task) for task in work.tested}
        return confirmed(folder, evidence, terms, work.tested, held, known, {task.name: None for task in work.tested})

    def plan(self) -> Outline:
        """What `run` would do, without doing it: nothing is encoded or measured."""
        _ = self.terms  # says what is wrong with them
        with Store(self.store) as store:
            work = Work.prepare(
                self, Bench(store, self.trust, self.progress), RunFolder.named(self.name).path, dry=True
            )
            self.splits(work.tasks)
            sends = tuple(str(one) for one in work.sendings(work.cost_plan(store)).values())
            return replace(work.outline(), sends=sends)

    def splits(self, tasks: Sequence[Task]) -> list[tuple[Positions, Positions]]:
        """For each task the units to decide on and those held out. Raises InputError when `confirm` does not fit."""
        found = [self.confirm.split(task) for task in tasks]
        if self.confirm.file is not None and not any(len(held) for _, held in found):
            raise InputError(f"confirm: {self.confirm.file} names no unit of any task; it holds unit ids, one a line")
        return found


PHASES = ("encode", "certify", "score", "cost", "compare", "finalists")


def held_out(tasks: Sequence[Task], splits: Sequence[tuple[Positions, Positions]]) -> dict[str, list[str]]:
    """By task, the ids of the units that no decision sees; tasks that hold none out are left out."""
    split = zip(tasks, splits, strict=True)
    return {task.name: [task.units.ids[at] for at in held] for task, (_, held) in split if len(held)}


def facts(task: Task, kept: Positions) -> TaskFacts:
    """What a decision on the units at `kept` needs to know of a task."""
    groups = len(kept) if task.units.groups is None else len(np.unique(task.units.groups[kept]))
    return TaskFacts(
        name=task.name,
        kind=task.kind,
        metric=task.metric,
        units=len(kept),
        groups=groups,
        is_quality=task.is_quality,
        margin=task.margin,
        notes=tuple(task.notes),
    )
