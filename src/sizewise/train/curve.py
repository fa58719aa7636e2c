"""Learning curves: how much data a model of each size needs, and where it only memorises."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sizewise.core.candidate import Embed, Model
from sizewise.data.classification import Classification
from sizewise.data.fingerprint import fingerprint
from sizewise.decide.evidence import compare
from sizewise.evaluate import record
from sizewise.pipeline.bench import Bench
from sizewise.store.files import digest
from sizewise.train.distil import teacher_folder
from sizewise.train.examples import LabelledTexts
from sizewise.train.finetune import FineTuning, finetune, recipe

SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Of the data, where no numbers of texts a label are given."""


@dataclass(frozen=True)
class CurvePoint:
    """One model trained on so many texts, x100 points of accuracy."""

    model: str
    texts: int
    per_label: int | None
    """At most so many of each label; None: a share of all."""
    arm: str
    """`frozen`: a head on the model as it is; `fine-tuned`: the same on the model trained on these texts."""
    training: float
    """On the texts that it was trained on."""
    held_out: float
    low: float
    high: float
    """95% interval of `held_out`."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def learning_curve(
    models: Sequence[Model],
    examples: LabelledTexts,
    task: Classification,
    asked: FineTuning,
    bench: Bench,
    work: Path,
    per_label: Sequence[int] = (),
) -> Iterator[CurvePoint]:
    """Every model, frozen and fine-tuned, on growing parts of `examples`; the smaller part is in the larger one.

    `work` is a folder where the models are made, named by their recipe; those that are there are not made again.
    """
    for model in models:
        for each, part in parts(examples, per_label, asked.seed):
            some = part_of(task, part)
            arms = {"frozen": model}
            mine = replace(asked, model=model)
            key = digest(recipe(mine, part, teacher_folder(model, bench.trust)[1]))
            out = work / f"{Path(model.name).name}-{len(part)}-{key[:12]}"
            if not out.is_dir():
                out.parent.mkdir(parents=True, exist_ok=True)
                finetune(mine, part, out, bench, sources=[task.path])
            arms["fine-tuned"] = Model(str(out.absolute()))
            for arm, one in arms.items():
                candidate = Embed(one)
                found = compare(some, [record(bench, some, candidate)])
                known = compare(trained_on(some), [record(bench, trained_on(some), candidate)])
                yield CurvePoint(
                    model=str(Embed(model)),
                    texts=len(part),
                    per_label=each,
                    arm=arm,
                    training=float(known.points[0]),
                    held_out=float(found.points[0]),
                    low=float(found.low[0]),
                    high=float(found.high[0]),
                )
                bench.forget(one)


def parts(examples: LabelledTexts, per_label: Sequence[int], seed: int) -> Iterator[tuple[int | None, LabelledTexts]]:
    """Growing parts: so many texts of each label, then all; or shares of all."""
    if per_label:
        for each in sorted(per_label):
            yield each, examples.few(each, seed)
        yield None, examples
        return
    order = np.random.default_rng(seed).permutation(len(examples))
    for share in SHARES:
        yield None, examples.take(np.sort(order[: max(2, round(share * len(examples)))]))


def part_of(task: Classification, part: LabelledTexts) -> Classification:
    """The task with only `part` to fit its head on."""
    code = {label: at for at, label in enumerate(task.labels)}
    codes = np.array([code[part.labels[one]] for one in part.codes], dtype=np.int64)
    return _again(task, train=part.texts, train_codes=codes)


def trained_on(task: Classification) -> Classification:
    """The task with its training texts as what is tested: what a model knows of what it was shown."""
    units = replace(task.units, ids=tuple(f"train-{at}" for at in range(len(task.train))), groups=None, slices=None)
    return _again(task, test=task.train, test_codes=task.train_codes, units=units)


def _again(task: Classification, **changed: Any) -> Classification:
    made = replace(task, **changed)
    print_ = fingerprint({"of": task.fingerprint}, [made.train, made.test], [made.train_codes, made.test_codes])
    return replace(made, fingerprint=print_)
