"""`[ladder]`: smaller models made from one, as candidates of the study that they are judged in."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sizewise.core.candidate import Embed, Model
from sizewise.core.grammar import local, plain_model
from sizewise.data.task import Task
from sizewise.pipeline.bench import Bench
from sizewise.store.files import digest
from sizewise.store.prepared import prepared
from sizewise.train.card import hash_of
from sizewise.train.distil import Distillation, distil, teacher_folder
from sizewise.train.static import StaticDistillation, make_static
from sizewise.train.texts import TrainingText, held_back, source_texts, task_texts, training_text
from sizewise.train.work import MODEL

STATIC = "static"


@dataclass(frozen=True)
class Ladder:
    """Which rungs to make, from what and on which text."""

    start: str
    layers: tuple[int, ...] = ()
    static: bool = False
    text: tuple[Path, ...] = ()
    """Tables, text files, folders or tasks; none: what the study's tasks offer for training."""
    epochs: float | None = None
    seed: int = 0

    @property
    def names(self) -> list[str]:
        """Of the rungs, the largest first."""
        return [f"L{layers}" for layers in sorted(self.layers, reverse=True)] + ([STATIC] if self.static else [])

    def candidates(self, folder: Path) -> dict[str, str]:
        """By name, the rungs as candidates, once they are in `folder`."""
        return {
            name: str(Embed(Model(f"static:{folder / name}" if name == STATIC else local(folder / name))))
            for name in self.names
        }


def make_rungs(ladder: Ladder, tasks: Sequence[Task], bench: Bench, folder: Path) -> None:
    """Put every rung into `folder`: from the store where its recipe was made before, else made now.

    Nothing that the tasks test is trained on. Raises InputError for a model or texts that will not do.
    """
    sources = (one for path in ladder.text for one in source_texts(path)) if ladder.text else task_texts(tasks)
    text = training_text(sources, tested=held_back(tasks))
    bench.progress.say(f"ladder: {text.words()}")
    model = plain_model(ladder.start)
    _, weights = teacher_folder(model, bench.trust)
    hashed = hash_of(list(text.texts))
    for name, asked in _asked(ladder, model):
        about = {"asked": str(asked), "weights": weights, "texts": hashed}

        def make(half: Path, asked: Distillation | StaticDistillation = asked, key: str = digest(about)) -> None:
            # Not in `half`, which goes when this is stopped: there the next one goes on.
            work = half.parent / f".{key[:32]}.made"
            work.mkdir(exist_ok=True)
            if not (work / MODEL).is_dir():  # else it was made, and stopped before it was filed
                _make(asked, text, work / MODEL, ladder, bench)
            (work / MODEL).rename(half / MODEL)
            shutil.rmtree(work)

        _linked(prepared(bench.store.root, about, make) / MODEL, folder / name)


def _asked(ladder: Ladder, model: Model) -> Iterator[tuple[str, Distillation | StaticDistillation]]:
    epochs: dict[str, Any] = {} if ladder.epochs is None else {"epochs": ladder.epochs}
    for layers in sorted(ladder.layers, reverse=True):
        yield f"L{layers}", Distillation(model, layers, seed=ladder.seed, **epochs)
    if ladder.static:
        yield STATIC, StaticDistillation(model, seed=ladder.seed, **{"epochs": STATIC_EPOCHS, **epochs})


STATIC_EPOCHS = 5.0
"""Where the study says nothing: a trained table."""


def _make(
    asked: Distillation | StaticDistillation, text: TrainingText, out: Path, ladder: Ladder, bench: Bench
) -> None:
    sources = [str(path) for path in ladder.text] or ["the tasks of the study"]
    if isinstance(asked, Distillation):
        distil(asked, text, out, bench, sources=sources)
    else:
        make_static(asked, text, out, bench, sources=sources)


def _linked(kept: Path, folder: Path) -> None:
    """`kept` at `folder` too, without taking room twice where the file system allows it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    shutil.copytree(kept, folder, copy_function=link)
