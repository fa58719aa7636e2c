"""Text to train on without labels: from files, folders and tasks, whole and in sentences, each once."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sizewise.core.errors import InputError
from sizewise.data.bare import read_corpus
from sizewise.data.fields import bad, optional_text
from sizewise.data.formats import SUFFIXES, rows
from sizewise.data.load import is_task, load_task
from sizewise.data.seen import Seen, normalised
from sizewise.data.task import Task
from sizewise.data.words import sentences

FIELDS = (
    ("title", "text"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("anchor", "positive", "negative"),
    ("query", "document"),
    ("question", "answer"),
    ("sentence",),
)
"""Columns that hold texts, where none are named: those of the first line here of which a row has one."""
LONG = 200
"""Characters from which a text is also taken apart into sentences."""
MOST = 1_000_000


@dataclass(frozen=True)
class TrainingText:
    """Texts in the order in which they were found, each once, and what became of the others."""

    texts: Sequence[str]
    repeated: int
    tested: int
    """Left out because a task tests them."""
    sampled_from: int
    """How many there were of which `texts` are a sample."""

    def words(self) -> str:
        """All this in a line."""
        said = f"{len(self.texts):,} texts to train on"
        if self.sampled_from > len(self.texts):
            said += f" (of {self.sampled_from:,}, at random)"
        left_out = f", {self.tested:,} left out because tasks test them" if self.tested else ""
        return f"{said}; {self.repeated:,} repeated{left_out}"


def training_text(
    sources: Iterable[str], split: bool = True, tested: Seen | None = None, most: int = MOST, seed: int = 0
) -> TrainingText:
    """What `sources` hold, each text once; of long ones their sentences too, where `split`.

    Of more than `most` texts a random sample, so that memory stays bounded but for a hash of each text. Raises
    InputError where fewer than two different texts are left.
    """
    seen: set[int] = set()
    found: list[str] = []
    repeated = left_out = kept = 0
    chance = random.Random(seed)

    def take(text: str) -> None:
        nonlocal repeated, left_out, kept
        key = normalised(text)
        if not key or (hashed := hash(key)) in seen:
            repeated += bool(key)
            return
        seen.add(hashed)
        if tested is not None and key in tested:
            left_out += 1
            return
        kept += 1
        if len(found) < most:
            found.append(text)
        elif (at := chance.randrange(kept)) < most:  # reservoir sampling (Vitter 1985, algorithm R)
            found[at] = text

    for text in sources:
        take(text)
        if split and len(text) >= LONG:
            for sentence in sentences(text):
                take(sentence)
    if len(found) < 2:
        counted = f"{len(found)} different text" + ("" if len(found) == 1 else "s")
        raise InputError(
            f"there is nothing to train on: {counted}, {repeated:,} repeated and {left_out:,} left out because tasks "
            "test them; give more text"
        )
    return TrainingText(tuple(found), repeated, left_out, kept)


def source_texts(path: Path, fields: Sequence[str] = ()) -> Iterator[str]:
    """The texts of a task's folder (what it offers for training), else those of `read_texts`."""
    if path.is_dir() and is_task(path):
        return task_texts([load_task(path)])
    return read_texts(path, fields)


def read_texts(path: Path, fields: Sequence[str] = ()) -> Iterator[str]:
    """The texts of a table (of pairs both sides), of a .txt file (one a line), or of a folder of .txt and .md files.

    `fields` names the columns of a table. Raises InputError naming file and line.
    """
    if path.is_file() and path.name.lower().endswith(SUFFIXES):
        return _of_table(path, fields)
    return (f"{item.title}\n{item.text}".strip() for item in read_corpus(path))


def task_texts(tasks: Iterable[Task]) -> Iterator[str]:
    """What tasks offer for training: corpora and training texts, never what is tested."""
    for task in tasks:
        for part in task.fit_texts():
            yield from part.texts


def held_back(tasks: Iterable[Task]) -> Seen:
    """What tasks test."""
    return Seen.of(text for task in tasks for text in tested_texts(task))


def tested_texts(task: Task) -> Iterator[str]:
    """Every text of a task that it does not offer for training."""
    offered = {normalised(text) for part in task.fit_texts() for text in part.texts}
    return (text for part in task.text_sets() for text in part.texts if normalised(text) not in offered)


def _of_table(path: Path, fields: Sequence[str]) -> Iterator[str]:
    for line, row in rows(path):
        chosen = fields or _fields(row)
        missing = [field for field in fields if field not in row]
        if not chosen or missing:
            there = ", ".join(map(repr, row))
            wanted = f"{missing[0]!r} is missing" if missing else "no column is known to hold text"
            raise bad(path, line, f"{wanted} (there are: {there}); say with --field which columns hold text")
        texts = [optional_text(path, line, row, field).strip() for field in chosen]
        if tuple(chosen) == FIELDS[0]:
            texts = [" ".join(filter(None, texts))]
        yield from filter(None, texts)


def _fields(row: Mapping[str, object]) -> Sequence[str]:
    return next((names for names in FIELDS if any(name in row for name in names)), ())
