"""What a model is fine-tuned on: pairs that belong together, or texts with labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.data.fields import bad, optional_text, text
from sizewise.data.fingerprint import fingerprint
from sizewise.data.formats import rows
from sizewise.data.labelled import read_labelled
from sizewise.data.seen import Seen
from sizewise.data.settings import Settings

Codes = npt.NDArray[np.int64]
ANCHORS, POSITIVES, NEGATIVES = ("anchor", "query", "question"), ("positive", "document", "answer"), ("negative",)


@dataclass(frozen=True)
class Pairs:
    """Texts that belong together."""

    anchors: tuple[str, ...]
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    """What does not belong to each anchor; empty, or "" where none is given."""
    left_out: int = 0
    """Because a task tests one of their texts."""

    def __len__(self) -> int:
        return len(self.anchors)

    @property
    def fingerprint(self) -> str:
        """sha256 over all of it: what belongs to what, too."""
        return fingerprint({"examples": "pairs"}, [self.anchors, self.positives, self.negatives])

    @property
    def texts(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys(filter(None, (*self.anchors, *self.positives, *self.negatives))))

    def take(self, chosen: npt.NDArray[np.int64]) -> "Pairs":
        """Those at some positions."""
        anchors, positives, negatives = (
            tuple(part[at] for at in chosen) if part else () for part in (self.anchors, self.positives, self.negatives)
        )
        return Pairs(anchors, positives, negatives, self.left_out)


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with a label each, as codes into `labels`."""

    texts: tuple[str, ...]
    codes: Codes
    labels: tuple[str, ...]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def fingerprint(self) -> str:
        """sha256 over texts and labels."""
        return fingerprint({"examples": "labels"}, [self.texts, self.labels], [self.codes])

    def take(self, chosen: npt.NDArray[np.int64]) -> "LabelledTexts":
        """Those at some positions."""
        return LabelledTexts(tuple(self.texts[at] for at in chosen), self.codes[chosen], self.labels, self.left_out)

    def few(self, each: int, seed: int) -> "LabelledTexts":
        """At most so many of each label, at random; the fewer are among the more."""
        order = np.random.default_rng(seed).permutation(len(self))
        seen: Counter[int] = Counter()
        kept = []
        for at in order:
            code = int(self.codes[at])
            if seen[code] < each:
                kept.append(at)
            seen[code] += 1
        return self.take(np.sort(np.array(kept, dtype=np.int64)))


def read_pairs(paths: Sequence[Path], tested: Seen) -> Pairs:
    """Tables of anchor and positive (query and document, question and answer), with a negative where there is one.

    Raises InputError naming file and line, or where there are fewer than two pairs of different texts.
    """
    found: dict[tuple[str, str], str] = {}
    left_out = 0
    for path in paths:
        for line, row in rows(path):
            anchor, positive = (next((name for name in names if name in row), None) for names in (ANCHORS, POSITIVES))
            if anchor is None or positive is None:
                there = ", ".join(map(repr, row))
                raise bad(path, line, f"a pair has the columns anchor and positive (there are: {there})")
            pair = (text(path, line, row, anchor), text(path, line, row, positive))
            negative = optional_text(path, line, row, "negative").strip()
            if tested.holds(pair).any():
                left_out += 1
            else:
                found.setdefault(pair, negative)
    pairs = Pairs(
        tuple(one for one, _ in found),
        tuple(other for _, other in found),
        tuple(found.values()) if any(found.values()) else (),
        left_out,
    )
    if len(set(pairs.anchors)) < 2 or len(set(pairs.positives)) < 2:
        names = ", ".join(map(str, paths))
        raise InputError(
            f"{names}: there is nothing to tell apart: {len(set(pairs.anchors))} different anchors with "
            f"{len(set(pairs.positives))} different positives; give more pairs"
        )
    return pairs


def read_labels(paths: Sequence[Path], tested: Seen) -> LabelledTexts:
    """Tables of text and label. Raises InputError naming file and line, or where there is nothing to learn: fewer than
    two labels with two texts."""
    found: dict[str, str] = {}
    left_out = 0
    for path in paths:
        read = read_labelled(path, Settings(name=path.stem))
        for one, label in zip(read.texts, read.labels, strict=True):
            if one in tested:
                left_out += 1
            else:
                found.setdefault(one, label)
    counts = Counter(found.values())
    names = ", ".join(map(str, paths))
    if len(counts) < 2:
        raise InputError(f"{names}: {len(counts)} label is too few to tell texts apart by; give texts of two or more")
    several = sum(count > 1 for count in counts.values())
    if several < 2:
        raise InputError(
            f"{names}: of {len(counts)} labels {several or 'none'} has two texts or more, and what texts of a label "
            "share cannot be learned from one; give more texts of each"
        )
    labels = tuple(sorted(counts))
    code = {label: at for at, label in enumerate(labels)}
    codes = np.array([code[label] for label in found.values()], dtype=np.int64)
    return LabelledTexts(tuple(found), codes, labels, left_out)
