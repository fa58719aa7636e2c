"""A study with its tasks loaded and its candidates checked, and each part of the work that is to be done."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sizewise.auto.settle import settled
from sizewise.certify.measure import has_certificate, neighbours
from sizewise.certify.texts import parts
from sizewise.core.candidate import Candidate, Cross, Embed, Part, is_hybrid, is_shape, is_tuned, leaves
from sizewise.core.environment import processors
from sizewise.core.errors import InputError
from sizewise.cost.measure import Plan
from sizewise.cost.sample import sample
from sizewise.data.load import load_task
from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import Compared, compare
from sizewise.decide.holdout import Positions
from sizewise.decide.slices import Slice, slices
from sizewise.encode.stored import missing_texts
from sizewise.evaluate import applies, evaluate, record, refuse_shape
from sizewise.pipeline.bench import Bench, calibration_sample, check_fit, fits
from sizewise.pipeline.departure import Sendings, to_encode, together
from sizewise.store.store import Store
from sizewise.study.clock import Clock
from sizewise.study.combine import combined
from sizewise.study.composed import largest_search
from sizewise.study.costing import baseline_task, to_send
from sizewise.study.forecast import SECONDS_A_RECORD
from sizewise.study.origins import missing_starts
from sizewise.study.rungs import Ladder, make_rungs
from sizewise.study.space import BASELINE, Space, distinct_models, expand, reference_of, with_parts, with_reference
from sizewise.train.unseen import check_unseen
from sizewise.transform.chain import check_steps

if TYPE_CHECKING:
    from sizewise.study.study import Study

MODELS = "models"
"""Where a run keeps the models that were made for it."""


@dataclass(frozen=True)
class Outline:
    """What a run would do."""

    tasks: tuple[str, ...]
    candidates: tuple[str, ...]
    encodes: tuple[tuple[str, str, int, int], ...]
    """Model, task, texts to encode, texts in the store already."""
    sends: tuple[str, ...] = ()
    """What would leave this machine, in words, for each endpoint."""


def rungs(ladder: Ladder | None, tasks: Sequence[Task], bench: Bench, folder: Path, *, dry: bool) -> list[str]:
    """The candidates of the ladder, which are made first, unless `dry`: then only those that are there."""
    if ladder is None:
        return []
    made = ladder.candidates(folder)
    if not dry:
        make_rungs(ladder, tasks, bench, folder)
        return [ladder.start, *made.values()]
    if missing := [name for name in made if not (folder / name).is_dir()]:
        bench.progress.say(f"ladder: {', '.join(missing)} would be made from {ladder.start} first")
    return [ladder.start, *(candidate for name, candidate in made.items() if name not in missing)]


@dataclass
class Work:
    """A study with its tasks loaded and its candidates checked."""

    bench: Bench
    tasks: list[Task]
    candidates: tuple[Candidate, ...]
    threads: int
    tested: Sequence[Task] = ()
    """Where candidates are chosen by queries kept for it: the tasks that confirm the choice."""

    @classmethod
    def prepare(cls, study: "Study", bench: Bench, folder: Path, *, dry: bool = False) -> "Work":
        """`dry`: nothing is measured, not even for `@auto`, and no model is made."""
        tasks = [task if isinstance(task, Task) else load_task(task) for task in study.tasks]
        if not tasks:
            raise InputError("a study needs at least one task: a folder with data, given as tasks = [...] or --task")
        names = [task.name for task in tasks]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise InputError(
                f"two tasks are called {repeated.pop()!r}; give one a name in its task.toml or the study file"
            )

        tested = [task for task in tasks if task.tune is not None] if study.confirm.tune else []
        if study.confirm.tune and not tested:
            raise InputError(
                'confirm = "tune" chooses by queries that tasks keep for it, and no task has any; add qrels/train.tsv '
                "to one, or give a share"
            )
        tasks = [task.tune or task for task in tasks] if tested else tasks
        bench.calibration = calibration_sample(tasks)

        def dimensions_of(candidate: Embed) -> int:
            return bench.encoder(candidate.model).dimensions

        written = [study.candidates] if isinstance(study.candidates, str) else study.candidates
        threads = study.threads or processors()
        texts = settled(bench, [str(one) for one in written], tasks, threads, dry=dry)
        texts = [*texts, *rungs(study.ladder, tasks, bench, folder / MODELS, dry=dry)]
        given = expand(texts, Space(), dimensions_of) if texts else ()
        if study.hybrids is not None:
            given = with_parts((*given, *combined(study.hybrids, given, dimensions_of)))
        if starts := missing_starts(given, bench.trust):
            bench.progress.say(f"{', '.join(starts)}: added, since candidates were made from it")
        candidates = expand([*texts, *starts], study.space, dimensions_of)
        if study.hybrids is not None:
            candidates = with_parts((*candidates, *combined(study.hybrids, candidates, dimensions_of)))
        work = cls(bench, tasks, candidates, threads, tested)
        work.check()
        return work

    @property
    def scored(self) -> list[Candidate]:
        """Those that have quality: not shapes."""
        return [one for one in self.candidates if not is_shape(one)]

    @property
    def worked(self) -> list[Task]:
        """The tasks, those that confirm a choice, and where something is tuned, those that it is tuned on."""
        kept = [task.tune for task in self.tasks if task.tune is not None] if any(map(is_tuned, self.scored)) else []
        return [*self.tasks, *self.tested, *kept]

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
            for part in leaves(candidate):
                if isinstance(part, Embed):
                    self._check(candidate, part)
                elif isinstance(part, Cross):
                    self.bench.encoder(part.scorer)  # says what is wrong with it
            for task in self.tasks:
                if applies(candidate, task):
                    check_fit(candidate, task)
        for note in check_unseen(self.candidates, [*self.tasks, *self.tested]):
            self.bench.progress.say(note)
        if any(map(is_tuned, self.scored)):
            self._check_tuned()

    def _check_tuned(self) -> None:
        """What is tuned needs judgements where it is timed, too, and is none the better for queries that were seen."""
        search = largest_search(self.tasks)
        if search is not None and not search[0].is_quality:
            raise InputError(
                f"task {search[0].name} ({search[0].path}) has the largest corpus, on which hybrids are timed, and no "
                "judgements to tune them by; leave it out, or what is tuned"
            )
        for task in self.tasks:
            try:
                check_unseen(self.candidates, [task.tune] if task.tune is not None else [])
            except InputError as error:
                self.bench.progress.say(f"tuned all the same, and perhaps in its favour: {error}")

    def _check(self, candidate: Candidate, part: Embed) -> None:
        if is_hybrid(candidate) and part.model.is_shape:
            raise InputError(f"{candidate} ranks with {part}, whose weights are random; name shapes alone")
        if is_hybrid(candidate) and part.model.is_remote:
            raise InputError(f"{candidate} ranks with an endpoint, whose price is not composed yet; name {part} alone")
        try:
            check_steps(part.steps, self.bench.encoder(part.model).dimensions)
        except InputError as error:
            raise InputError(f"{candidate}: {error}") from None

    def encode(self) -> None:
        """All vectors that the candidates need, model by model, so that one model's weights are in memory at a time."""
        for name, texts, there in self.totals():
            self.bench.progress.say(f"{name}: {there:,} texts in the store, {texts:,} to encode")
        strange = parts(self.tasks)
        for plain in self.encoders:
            if has_certificate(plain.model) and neighbours(self.bench, plain.model, strange).reasons:
                self.bench.forget(plain.model)
                continue  # it will not be offered, so nothing of it is stored
            fitted = any(fits(one, plain.model) for one in self.scored)
            for task in self.worked:
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

        def one(task: Task, kept: Positions) -> tuple[Compared, list[Slice]]:
            known = [raws[task.name].get(candidate) for candidate in self.scored]
            some = kept if len(kept) < len(task.units) else None
            found = compare(task, known, references[task.name], some)
            parts = slices(task, known, references[task.name], kept)
            bar.advance(1)
            return found, list(parts)

        try:
            with ThreadPoolExecutor(self.threads) as pool:  # it is all large arrays, which leave the other thread alone
                both = list(pool.map(one, self.tasks, units))
        finally:
            bar.close()
        return [found for found, _ in both], [part for _, parts in both for part in parts]

    def cost_subjects(self) -> list[Part]:
        """What is measured in a process of its own: every encoder and cross-encoder once, shapes too, and the
        baseline."""
        searched = any(task.needs == "rankings" for task in self.tasks)
        crosses = dict.fromkeys(part for one in self.candidates for part in leaves(one) if isinstance(part, Cross))
        return [*distinct_models(self.candidates), *crosses, *([BASELINE] if searched else [])]

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
        scored = [(task, with_reference(task, self.scored)) for task in self.worked]
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
            for task in self.worked:
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
