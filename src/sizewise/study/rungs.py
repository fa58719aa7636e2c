"""`[ladder]`: smaller models made from one, as candidates of the study that they are judged in."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sizewise.core.candidate import Embed, Model
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.task import Task
from sizewise.pipeline.bench import Bench
from sizewise.store.files import digest, make_private
from sizewise.train.card import hash_of
from sizewise.train.distil import Distillation, distil, teacher_folder
from sizewise.train.static import StaticDistillation, make_static
from sizewise.train.texts import TrainingText, held_back, source_texts, task_texts, training_text

FOLDER = "made"
"""In the store: every model that was made, by its recipe."""
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
    def model(self) -> Model:
        """Raises InputError when `start` is no plain model."""
        candidate = parse(self.start)
        if not isinstance(candidate, Embed) or candidate.steps:
            raise InputError(f"ladder.from = {self.start!r} is no model; name one without transforms")
        return candidate.model

    @property
    def names(self) -> list[str]:
        """Of the rungs, the largest first."""
        return [f"L{layers}" for layers in sorted(self.layers, reverse=True)] + ([STATIC] if self.static else [])

    def candidates(self, folder: Path) -> list[str]:
        """The rungs as candidates, once they are in `folder`."""
        place = folder if folder.is_absolute() else Path(f"./{folder}")
        return [_candidate(place, name) for name in self.names]


def make_rungs(ladder: Ladder, tasks: Sequence[Task], bench: Bench, folder: Path) -> None:
    """Put every rung into `folder`: from the store where its recipe was made before, else made now.

    Nothing that the tasks test is trained on. Raises InputError for a model or texts that will not do.
    """
    sources = (one for path in ladder.text for one in source_texts(path)) if ladder.text else task_texts(tasks)
    text = training_text(sources, tested=held_back(tasks))
    bench.progress.say(f"ladder: {text.words()}")
    for name, asked in _asked(ladder):
        _, weights = teacher_folder(ladder.model, bench.trust)
        key = digest({"asked": str(asked), "weights": weights, "texts": hash_of(list(text.texts))})
        kept = bench.store.root / FOLDER / key[:32]
        if not (kept / name).is_dir():
            make_private(kept)
            _make(asked, text, kept / name, ladder, bench)
        _linked(kept / name, folder / name)


def _asked(ladder: Ladder) -> Iterator[tuple[str, Distillation | StaticDistillation]]:
    epochs: dict[str, Any] = {} if ladder.epochs is None else {"epochs": ladder.epochs}
    for layers in sorted(ladder.layers, reverse=True):
        yield f"L{layers}", Distillation(ladder.model, layers, seed=ladder.seed, **epochs)
    if ladder.static:
        yield STATIC, StaticDistillation(ladder.model, seed=ladder.seed, **{"epochs": STATIC_EPOCHS, **epochs})


STATIC_EPOCHS = 5.0
"""Where the study says nothing: a trained table."""


def _make(
    asked: Distillation | StaticDistillation, text: TrainingText, out: Path, ladder: Ladder, bench: Bench
) -> None:
    make = distil if isinstance(asked, Distillation) else make_static
    make(
        asked,  # type: ignore[arg-type]
        text,
        out,
        sources=[str(path) for path in ladder.text] or ["the tasks of the study"],
        store=bench.store,
        progress=bench.progress,
        trust=bench.trust,
    )


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


def _candidate(folder: Path, name: str) -> str:
    return f"static:{folder / name}" if name == STATIC else local(folder / name)


def local(path: Path) -> str:
    """A path as candidates name it: a relative one begins with a dot."""
    return str(path) if path.is_absolute() or str(path).startswith(".") else f"./{path}"
