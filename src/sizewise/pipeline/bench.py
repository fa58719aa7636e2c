"""A bench: a store, live encoders, and somebody who wants to hear of progress. What studies and pipelines work on."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sizewise.core.candidate import Asym, Candidate, Cross, Embed, Model, Part, is_tuned, stages
from sizewise.core.errors import InputError
from sizewise.core.progress import Progress, Silent
from sizewise.core.registry import TRANSFORMS
from sizewise.core.rows import Rows
from sizewise.data.task import Task, TextSet
from sizewise.encode.encoder import Encoder, Trust
from sizewise.encode.resolve import resolve
from sizewise.encode.stored import stored_vectors
from sizewise.index.dense import DenseIndex
from sizewise.index.exact import Ids, Scores
from sizewise.index.pairs import Pairs
from sizewise.pipeline.tuning import Tuned
from sizewise.store.store import Store
from sizewise.transform.align import FEWEST
from sizewise.transform.chain import Chain, Known, needs_fit
from sizewise.transform.transform import Vectors

if TYPE_CHECKING:
    from sizewise.index.lexical import BM25

FIT_TEXTS = 5_000
"""Texts that transforms are fitted on, at most: a fixed random sample of the task's corpus or training texts."""
CALIBRATION_TEXTS = 150
PAIRS_KEPT = 4
"""Sets of scores of pairs that are kept: several depths and thresholds ask for the same, on a task and where it is
tuned."""
PLACES_KEPT = 2**25
"""Of rankings of stages: a quarter of a gigabyte with their scores."""
SAMPLES_KEPT = 2
"""Vectors to fit on that are kept: candidates come model by model, and two models overlap."""


@dataclass
class Bench:
    """Encoders are resolved once and kept; their weights load only when there is something to encode."""

    store: Store
    trust: Trust = field(default_factory=Trust)
    progress: Progress = field(default_factory=Silent)
    calibration: Sequence[str] = ()
    """Texts that are not tested, for encoders that choose number ranges by them: `calibration_sample` of the tasks."""
    _encoders: dict[Model, Encoder] = field(default_factory=dict)
    _fitted: dict[tuple[Model, str], Known] = field(default_factory=dict)
    """Transforms by model and task: many candidates begin with the same one."""
    _rows: dict[tuple[Model, str, str, str], Rows] = field(default_factory=dict)
    """Stored vectors by model, task, text set and prompt: looking thousands of texts up takes a while."""
    _samples: dict[tuple[Model, str], Vectors] = field(default_factory=dict)
    """Vectors to fit on, the last SAMPLES_KEPT."""
    _pairs: dict[tuple[Embed, str], Pairs] = field(default_factory=dict)
    """Scores of pairs by reranker and task, the last PAIRS_KEPT."""
    _words: "tuple[Sequence[str], BM25] | None" = None
    """The last corpus that was searched by words: a task and the queries that it keeps for tuning have the same."""
    rankings: OrderedDict[tuple[str, Candidate, int], tuple[Ids, Scores]] = field(default_factory=OrderedDict)
    """Of stages, the last ones, by task, candidate and depth: hybrids have most of theirs in common."""
    settled: dict[tuple[str, Candidate], tuple[Candidate, list[Tuned]]] = field(default_factory=dict)
    """What was tuned, by task and candidate: rankings, timings and bundles all ask for it."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    """Candidates are scored in threads; what they share is made once."""

    def encoder(self, model: Model) -> Encoder:
        """The encoder of `model`. Raises InputError when there is none."""
        with self._lock:
            if model not in self._encoders:
                encoder = resolve(model, self.trust)
                encoder.calibrate(self.calibration)
                encoder.attach(self.store)
                encoder.say = self.progress.say
                self._encoders[model] = encoder
            return self._encoders[model]

    def forget(self, model: Model) -> None:
        """Let go of an encoder, its weights, and what was made of its vectors."""
        self._fitted = {key: found for key, found in self._fitted.items() if key[0] != model}
        self._samples = {key: found for key, found in self._samples.items() if key[0] != model}
        self._rows = {key: found for key, found in self._rows.items() if key[0] != model}
        self._pairs = {key: found for key, found in self._pairs.items() if key[0].model != model}
        if (encoder := self._encoders.pop(model, None)) is not None:
            encoder.unload()

    def vectors(self, model: Model, task: Task, texts: TextSet) -> Rows:
        """The vectors of one of the task's text sets, encoded where the store does not have them."""
        key = (model, task.fingerprint, texts.name, self.encoder(model).prompt(texts.role, task.prompts))
        with self._lock:
            if key not in self._rows:
                self._rows[key] = self._stored(model, task, texts)
            return self._rows[key]

    def fit_vectors(self, model: Model, task: Task) -> Vectors:
        """Vectors float32 [n, d] that the task's transforms are fitted on; empty when the task has no text for it."""
        key = (model, task.fingerprint)
        found = self._samples.get(key)
        if found is None:
            blocks = [
                rows.block(0, len(rows)) for rows in (self._stored(model, task, part) for part in fit_sample(task))
            ]
            none = np.empty((0, self.encoder(model).dimensions), dtype=np.float32)
            found = np.concatenate([none, *blocks])
            for oldest in list(self._samples)[: -(SAMPLES_KEPT - 1)]:
                self._samples.pop(oldest, None)
            self._samples[key] = found
        return found

    def chain(self, candidate: Embed, task: Task) -> Chain:
        """The candidate's transforms, fitted for the task.

        Raises InputError when a transform must be fitted and the task has no text that it may see.
        """
        check_fit(candidate, task)
        encoder = self.encoder(candidate.model)
        fitted = needs_fit(candidate.steps)
        empty = np.empty((0, encoder.dimensions), dtype=np.float32)
        cosine = encoder.similarity == "cosine"
        with self._lock:
            sample = self.fit_vectors(candidate.model, task) if fitted else empty
            known = self._fitted.setdefault((candidate.model, task.fingerprint), {})
            try:
                return Chain.fit(candidate.steps, sample, cosine=cosine, known=known)
            except InputError as error:
                raise InputError(f"{candidate} on {task.name}: {error}") from None

    def pairs(self, candidate: Embed, task: Task) -> Pairs:
        """What `candidate` gives to pairs of the task's queries and documents."""
        key = (candidate, task.fingerprint)
        with self._lock:
            if key not in self._pairs:
                rows = {part.name: self.vectors(candidate.model, task, part) for part in task.text_sets()}
                index = DenseIndex(self.chain(candidate, task), rows["documents"])
                for oldest in list(self._pairs)[: -(PAIRS_KEPT - 1)]:
                    self._pairs.pop(oldest, None)
                self._pairs[key] = index.pairs(rows["queries"].block(0, len(rows["queries"])))
            return self._pairs[key]

    def by_words(self, documents: Sequence[str]) -> "BM25":
        """What searches `documents` by words."""
        from sizewise.index.lexical import BM25

        with self._lock:
            if self._words is None or self._words[0] is not documents:
                self._words = documents, BM25(documents)
            return self._words[1]

    def ranked(
        self, task: Task, candidate: Candidate, depth: int, rank: Callable[[], tuple[Ids, Scores]]
    ) -> tuple[Ids, Scores]:
        """What `rank` gives for a stage, kept in memory for a while."""
        key = (task.fingerprint + (task.tune.fingerprint if task.tune else ""), candidate, depth)
        with self._lock:
            if (found := self.rankings.get(key)) is not None:
                self.rankings.move_to_end(key)
                return found
        found = rank()
        with self._lock:
            self.rankings[key] = found
            while (
                len(self.rankings) > 1
                and sum(len(one[0]) * one[0].shape[1] for one in self.rankings.values()) > PLACES_KEPT
            ):
                self.rankings.popitem(last=False)
        return found

    def _stored(self, model: Model, task: Task, texts: TextSet) -> Rows:
        encoder = self.encoder(model)
        prompt = encoder.prompt(texts.role, task.prompts)
        return stored_vectors(self.store, encoder, texts.texts, texts.role, prompt, self.progress)


def calibration_sample(tasks: Sequence[Task]) -> list[str]:
    """At most CALIBRATION_TEXTS of the texts that the tasks offer for fitting, as many of each."""
    found: list[str] = []
    each = CALIBRATION_TEXTS // max(1, len(tasks))
    for task in tasks:
        offered = [text for part in fit_sample(task) for text in part.texts if text.strip()]
        found += [offered[at] for at in np.sort(np.random.default_rng(0).permutation(len(offered))[:each])]
    return found


def fits(candidate: Candidate, model: Model) -> bool:
    """Whether something of `candidate` is fitted on vectors of `model`."""
    if isinstance(candidate, Asym):
        return model in (candidate.queries.model, candidate.documents.model)
    if isinstance(candidate, Embed):
        return candidate.model == model and needs_fit(candidate.steps)
    return any(fits(part, model) for part in stages(candidate) if not isinstance(part, Cross))


def is_fitted(candidate: Part) -> bool:
    """Whether something of `candidate` depends on a task's text or queries: a transform, an alignment, a weight."""
    if isinstance(candidate, Embed):
        return needs_fit(candidate.steps)
    own = isinstance(candidate, Asym) or is_tuned(candidate)
    return own or any(is_fitted(part) for part in stages(candidate))


def check_fit(candidate: Part, task: Task) -> None:
    """Raises InputError when the task offers fewer texts to fit on than something in the candidate needs."""
    fitted = {str(step): TRANSFORMS.get(step.name).fewest(step.value) for step in getattr(candidate, "steps", ())}
    if isinstance(candidate, Asym):
        fitted["its alignment"] = FEWEST
    needing = {name: needed for name, needed in fitted.items() if needed}
    offered = sum(len(part.texts) for part in fit_sample(task)) if needing else 0
    for name, needed in needing.items():
        if needed > offered:
            raise InputError(
                f"{candidate}: {name} needs {needed} or more texts that are not tested to be fitted on, and task "
                f"{task.name} ({task.path}) offers {offered or 'none'}; add training text to it, or leave such "
                "candidates out"
            )
    for part in stages(candidate):
        check_fit(part, task)


def fit_sample(task: Task) -> Sequence[TextSet]:
    """At most FIT_TEXTS of the texts that the task offers for fitting: the same ones for every candidate."""
    offered = task.fit_texts()
    total = sum(len(part.texts) for part in offered)
    if total <= FIT_TEXTS:
        return [part for part in offered if len(part.texts)]
    chosen = np.sort(np.random.default_rng(0).choice(total, FIT_TEXTS, replace=False))
    sampled, start = [], 0
    for part in offered:
        mine = chosen[(chosen >= start) & (chosen < start + len(part.texts))] - start
        sampled.append(TextSet(part.name, part.role, [part.texts[at] for at in mine]))
        start += len(part.texts)
    return [part for part in sampled if len(part.texts)]
