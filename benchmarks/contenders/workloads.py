"""The texts of the benchmark: the same ones on every machine, shuffled by a seed."""

import csv
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data import data_folder
from sizewise.core.candidate import Model
from sizewise.encode.encoder import Trust
from sizewise.encode.sources import source
from sizewise.encode.tokens import TextTokenizer

LONG_TOKENS = 256
EACH = 500
"""Texts of each of the five sources of the mixed workload."""


@dataclass(frozen=True)
class Workload:
    """Texts in an order that makes every prefix a sample of the whole."""

    name: str
    texts: list[str]
    tokens: npt.NDArray[np.int64]
    """Of each text as the model sees it, [n]: special tokens counted, cut at its limit."""

    @property
    def about(self) -> dict[str, object]:
        """As JSON."""
        percentiles = np.percentile(self.tokens, [5, 50, 95]).tolist()
        return {
            "texts": len(self.texts),
            "tokens_mean": round(float(self.tokens.mean()), 1),
            "tokens_p5_p50_p95": percentiles,
            "tokens_max": int(self.tokens.max()),
        }


def workloads(model: str, names: Sequence[str], most: int | None) -> list[Workload]:
    """short: sentences of STS-B and of word senses (about 12 tokens). mixed: sentences, questions, titles, clauses and
    medical answers in equal parts (about 53, long tail). long: abstracts and answers of 256 tokens and more.

    `most`: no more texts of each than so many.
    """
    tokenizer = source(Model(model), Trust()).text_tokenizer()
    found = []
    for name in names:
        texts = {"short": _short, "mixed": _mixed, "long": _long}[name](data_folder(), tokenizer)
        random.Random(0).shuffle(texts)
        texts = texts[:most]
        found.append(Workload(name, texts, tokenizer.lengths(texts)))
    return found


def short_texts() -> list[str]:
    """Those of the workload `short`, unshuffled."""
    return _short(data_folder(), None)


def _short(data: Path, _: TextTokenizer | None) -> list[str]:
    senses = [row[key] for row in _lines(data / "senses/test.jsonl") for key in ("sentence1", "sentence2")]
    return _unique([*_sentences(data), *senses])


def _mixed(data: Path, _: TextTokenizer) -> list[str]:
    parts = [
        _sentences(data),
        [row["text"] for row in _lines(data / "banking77/test.jsonl")],
        [row["text"] for row in _lines(data / "arxiv/search/queries.jsonl")],
        [row["text"] for row in _lines(data / "cuad/test.jsonl")],
        [row["text"] for row in _lines(data / "medquad/liveqa/corpus.jsonl")],
    ]
    return [text for part in parts for text in random.Random(1).sample(_unique(part), EACH)]


def _long(data: Path, tokenizer: TextTokenizer) -> list[str]:
    files = (data / "pubmedqa/corpus.jsonl", data / "medquad/liveqa/corpus.jsonl")
    texts = _unique(row["text"] for file in files for row in _lines(file))
    return [texts[at] for at in np.flatnonzero(tokenizer.lengths(texts) >= LONG_TOKENS)]


def _sentences(data: Path) -> list[str]:
    with (data / "stsb/en/test.csv").open(newline="") as file:
        return _unique(row[key] for row in csv.DictReader(file) for key in ("sentence1", "sentence2"))


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
