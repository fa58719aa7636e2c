"""The main job: tasks x candidates x limits -> a run, resumable at any moment."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from sizewise.auto.settle import settled
from sizewise.certify.measure import has_certificate, neighbours
from sizewise.certify.texts import parts
from sizewise.core.candidate import Candidate, Embed, is_shape
from sizewise.core.environment import environment, processors
from sizewise.core.errors import InputError
from sizewise.core.progress import Progress, Silent
from sizewise.cost.measure import Plan
from sizewise.cost.price import Prices
from sizewise.cost.sample import sample
from sizewise.data.load import load_task
from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import Compared, Evidence, TaskFacts, compare
from sizewise.decide.holdout import Holdout, Positions
from sizewise.decide.presets import preset_terms
from sizewise.decide.slices import Slice, slices
from sizewise.decide.terms import DEFAULT_MARGIN, Terms
from sizewise.encode.encoder import Trust
from sizewise.encode.stored import missing_texts
from sizewise.evaluate import evaluate, record, refuse_shape
from sizewise.pipeline.bench import Bench, calibration_sample, check_fit
from sizewise.pipeline.departure import Sendings, permit, remote_facts, to_encode, together
from sizewise.store.store import Store
from sizewise.study.config import StudyConfig
from sizewise.study.confirm import confirmed
from sizewise.study.costing import baseline_task, composed, documents_of, finalists, measured, searches, to_send
from sizewise.study.engines import certificates, offered, on_tasks
from sizewise.study.forecast import SECONDS_A_RECORD
from sizewise.study.run import Run, RunFolder
from sizewise.study.source import source
from sizewise.study.space import BASELINE, Space, distinct_models, expand, reference_of, with_reference
from sizewise.study.truncation import truncation
from sizewise.train.unseen import check_unseen
from sizewise.transform.chain import check_steps, needs_fit


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
            work = Work.prepare(self, bench)
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
                    work.candidates, work.tasks, found, bench, self.prices, folder.path / "searches.json"
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
                "confirmation": confirmed(folder.path, evidence, terms, work.tasks, splits, raws, references),
                "slices": [asdict(part) for part in parts],
                "engines": [one.to_json() for one in on_tasks(engines, evidence, raws)],
                "truncation": [truncation(bench, task, model) for task in work.tasks for model in work.encoders],
                "remote": remote_facts(bench, work.scored),
            }
            return Run.write(folder, evidence, terms, about, work.tasks, work.scored, raws, references)

    def plan(self) -> "Outline":
        """What `run` would do, without doing it: nothing is encoded or measured."""
        _ = self.terms  # says what is wrong with them
        with Store(self.store) as store:
            work = Work.prepare(self, Bench(store, self.trust, self.progress), dry=True)
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


@dataclass
class Clock:
    """Seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[phase] = round(time.perf_counter() - started, 2)


@dataclass(frozen=True)
class Outline:
    """What a run would do."""

    tasks: tuple[str, ...]
    candidates: tuple[str, ...]
    encodes: tuple[tuple[str, str, int, int], ...]
    """Model, task, texts to encode, texts in the store already."""
    sends: tuple[str, ...] = ()
    """What would leave this machine, in words, for each endpoint."""


@dataclass
class Work:
    """A study with its tasks loaded and its candidates checked."""

    bench: Bench
    tasks: list[Task]
    candidates: tuple[Candidate, ...]
    threads: int

    @classmethod
    def prepare(cls, study: Study, bench: Bench, *, dry: bool = False) -> "Work":
        """`dry`: nothing is measured, not even for `@auto`."""
        tasks = [task if isinstance(task, Task) else load_task(task) for task in study.tasks]
        if not tasks:
            raise InputError("a study needs at least one task: a folder with data, given as tasks = [...] or --task")
        names = [task.name for task in tasks]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise InputError(
                f"two tasks are called {repeated.pop()!r}; give one a name in its task.toml or the study file"
            )

        bench.calibration = calibration_sample(tasks)

        def dimensions_of(candidate: Embed) -> int:
            return bench.encoder(candidate.model).dimensions

        written = [study.candidates] if isinstance(study.candidates, str) else study.candidates
        threads = study.threads or processors()
        texts = settled(bench, [str(one) for one in written], tasks, threads, dry=dry)
        work = cls(bench, tasks, expand(texts, study.space, dimensions_of), threads)
        work.check()
        return work

    @property
    def scored(self) -> list[Candidate]:
        """Those that have quality: not shapes."""
        return [one for one in self.candidates if not is_shape(one)]

    @property
    def encoders(self) -> list[Embed]:
        """One plain candidate for each model that has quality."""
        return distinct_models(self.scored)

    def check(self) -> None:
        """Everything about tasks and candidates that can be wrong, before the first text is encoded."""
        for task in self.tasks:
            if task.units.group_count < 2:
                what = "unit" if task.units.groups is None else "group of units"
                raise InputError(f"task {task.name} ({task.path}) has one {what}, and one says nothing about others")
        for candidate in self.candidates:
            if not isinstance(candidate, Embed):
                continue
            try:
                check_steps(candidate.steps, self.bench.encoder(candidate.model).dimensions)
            except InputError as error:
                raise InputError(f"{candidate}: {error}") from None
            for task in self.tasks:
                check_fit(candidate, task)
        for note in check_unseen(self.candidates, self.tasks):
            self.bench.progress.say(note)

    def encode(self) -> None:
        """All vectors that the candidates need, model by model, so that one model's weights are in memory at a time."""
        for name, texts, there in self.totals():
            self.bench.progress.say(f"{name}: {there:,} texts in the store, {texts:,} to encode")
        strange = parts(self.tasks)
        for plain in self.encoders:
            if has_certificate(plain.model) and neighbours(self.bench, plain.model, strange).reasons:
                self.bench.forget(plain.model)
                continue  # it will not be offered, so nothing of it is stored
            fitted = any(
                needs_fit(one.steps) for one in self.scored if isinstance(one, Embed) and one.model == plain.model
            )
            for task in self.tasks:
                for part in task.text_sets():
                    self.bench.vectors(plain.model, task, part)
                if fitted:
                    self.bench.fit_vectors(plain.model, task)
            self.bench.forget(plain.model)

    def records(self, clock: Clock) -> dict[str, dict[Candidate, Raw]]:
        """Raw records by task name and candidate."""
        weights = [SECONDS_A_RECORD[task.needs] for task in self.tasks]  # a head takes longer than a cosine
        bar = self.bench.progress.bar("score", sum(weights) * len(self.scored))
        found: dict[str, dict[Candidate, Raw]] = {}
        try:
            for task, weight in zip(self.tasks, weights, strict=True):
                found[task.name] = {}
                with clock(f"score {task.name}"):
                    for candidate, raw in evaluate(self.bench, task, self.scored, self.threads):
                        found[task.name][candidate] = raw
                        bar.advance(weight)
        finally:
            bar.close()
        return found

    def compare(
        self,
        raws: Mapping[str, Mapping[Candidate, Raw]],
        references: Mapping[str, Raw | None],
        units: Sequence[Positions],
    ) -> tuple[list[Compared], list[Slice]]:
        """All candidates on every task and on its slices, on the units that are not held out."""
        bar = self.bench.progress.bar("compare", float(len(self.tasks)))
        found, parts = [], []
        for task, kept in zip(self.tasks, units, strict=True):
            known = [raws[task.name].get(candidate) for candidate in self.scored]
            some = kept if len(kept) < len(task.units) else None
            found.append(compare(task, known, references[task.name], some))
            parts += slices(task, known, references[task.name], kept)
            bar.advance(1)
        bar.close()
        return found, parts

    def cost_subjects(self) -> list[Candidate]:
        """What is measured in a process of its own: every encoder once, shapes too, and the baseline."""
        searched = any(task.needs == "rankings" for task in self.tasks)
        return [*distinct_models(self.candidates), *([BASELINE] if searched else [])]

    def cost_plan(self, store: Store) -> Plan:
        """On which texts and with how many threads."""
        task = baseline_task(self.tasks)
        return Plan(
            sample(self.tasks),
            self.threads,
            task=task,
            store=store.root,
            trust=self.bench.trust,
            calibration=self.bench.calibration,
        )

    def sendings(self, plan: Plan, folder: Path | None = None) -> Sendings:
        """What would be sent to endpoints: texts without a vector, and those that cost is measured on."""
        scored = [(task, with_reference(task, self.scored)) for task in self.tasks]
        timed = to_send(self.cost_subjects(), self.scored, plan, folder)
        return together((to_encode(self.bench, scored), timed))

    def totals(self) -> list[tuple[str, int, int]]:
        """For each encoder: texts to encode, texts in the store."""
        encodes = self.outline().encodes
        names = dict.fromkeys(name for name, _, _, _ in encodes)
        return [(n, sum(e[2] for e in encodes if e[0] == n), sum(e[3] for e in encodes if e[0] == n)) for n in names]

    def outline(self) -> Outline:
        encodes = []
        for plain in self.encoders:
            encoder = self.bench.encoder(plain.model)
            for task in self.tasks:
                counts = [0, 0]
                for part in task.text_sets():
                    prompt = encoder.prompt(part.role, task.prompts)
                    missing = missing_texts(self.bench.store, encoder, part.texts, part.role, prompt)
                    counts[0] += len(missing)
                    counts[1] += len(set(part.texts)) - len(missing)
                encodes.append((str(plain), task.name, counts[0], counts[1]))
        names = tuple(str(one) for one in self.candidates)
        return Outline(tuple(task.name for task in self.tasks), names, tuple(encodes))


def reference_record(bench: Bench, task: Task, candidates: Sequence[Candidate]) -> Raw | None:
    """The record that a fidelity task compares with (see `reference_of`); None for tasks of quality.

    Raises InputError when there is nothing to compare with.
    """
    if task.is_quality:
        return None
    reference = reference_of(task, candidates)
    if reference is None:
        raise InputError(f"task {task.name} compares with a reference candidate; name one in its task.toml")
    refuse_shape(reference)
    return record(bench, task, reference)


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
