"""A first retrieval task from a bare corpus: known-item search.

A query is made of each text's title or first sentence, and must find the rest of that text. It shows whether a
candidate finds a text again by other words of the same author; it does not show how it answers users' questions.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sizewise.core.errors import InputError
from sizewise.data.bare import Item
from sizewise.data.duplicates import first_of_each
from sizewise.data.folder import new_folder, write_jsonl, write_qrels, write_settings
from sizewise.data.words import first_sentence, words

Source = Literal["title", "first-sentence"]

MIN_QUERY_WORDS = 3
"""Fewer name a topic, which many texts are about, not one text."""
MAX_QUERY_WORDS = 60
"""More is a text without sentence ends, not a query."""
MIN_DOCUMENT_WORDS = 8
"""With fewer there is nothing to find."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text to be found."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query that must find `document`. `overlap` is the share of its words that are in that document."""

    id: str
    text: str
    document: str
    overlap: float
    slice: str
    group: str | None = None


@dataclass(frozen=True)
class Made:
    """A made task, the share of query words found in the right text (mean and quartiles), and what was dropped why."""

    documents: Sequence[Document]
    queries: Sequence[Query]
    overlap_mean: float
    overlap_quartiles: tuple[float, float, float]
    dropped_documents: Mapping[str, int]
    dropped_queries: Mapping[str, int]
    """Texts that stay in the corpus, to be ranked among the others, but have no query."""


def known_item(items: Iterable[Item], source: Source = "title", *, max_queries: int | None = 2000) -> Made:
    """Queries and documents from `items`: the query is the title or the first sentence, the document is the rest.

    Documents too short or nearly repeating an earlier one (see `duplicates`) are dropped; so are queries too short, too
    long or made twice, whose documents stay. Of more than `max_queries`, that many are drawn, always the same.
    Raises InputError when less than two documents or no query is left, saying what was dropped.
    """
    if source not in ("title", "first-sentence"):
        raise InputError(f"queries cannot be made from {source!r}; use title or first-sentence")
    split = [(item, *_split(item, source)) for item in items]
    usable = [entry for entry in split if len(words(entry[2])) >= MIN_DOCUMENT_WORDS]
    first = first_of_each([document for _, _, document in usable]) if usable else np.zeros(0, np.int64)
    kept = [entry for at, entry in enumerate(usable) if first[at] == at]
    lost_documents = _counts(
        {
            f"shorter than {MIN_DOCUMENT_WORDS} words": len(split) - len(usable),
            "nearly repeats an earlier text": len(usable) - len(kept),
        }
    )
    keys = [tuple(words(query)) for _, query, _ in kept]
    times = Counter(keys)
    problems = [_problem(key, times[key]) for key in keys]
    asking = [at for at, problem in enumerate(problems) if problem is None]
    lost_queries = Counter(problem for problem in problems if problem is not None)
    if len(kept) < 2 or not asking:
        raise InputError(_nothing_left(len(split), len(kept), source, {**lost_documents, **lost_queries}))
    if max_queries is not None and len(asking) > max_queries:
        lost_queries[f"more than {max_queries} queries"] = len(asking) - max_queries
        asking = np.sort(np.random.default_rng(0).choice(asking, max_queries, replace=False)).tolist()
    overlaps = np.array([_overlap(keys[at], kept[at][2]) for at in asking])
    quartiles = np.quantile(overlaps, (0.25, 0.5, 0.75))
    slices = _slices(overlaps)
    return Made(
        documents=tuple(Document(item.id, document) for item, _, document in kept),
        queries=tuple(
            Query(f"q-{kept[at][0].id}", kept[at][1], kept[at][0].id, float(overlap), part, kept[at][0].group)
            for at, overlap, part in zip(asking, overlaps, slices, strict=True)
        ),
        overlap_mean=float(overlaps.mean()),
        overlap_quartiles=(float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
        dropped_documents=lost_documents,
        dropped_queries=_counts(lost_queries),
    )


def write_known_item(made: Made, folder: str | Path, *, overwrite: bool = False, **settings: str) -> None:
    """Write `made` as a BEIR folder, all or nothing, with `settings` in its task.toml.

    Raises InputError when the folder holds something (see `new_folder`).
    """
    with new_folder(Path(folder), overwrite) as new:
        write_jsonl(new / "corpus.jsonl", ({"_id": d.id, "title": "", "text": d.text} for d in made.documents))
        write_jsonl(new / "queries.jsonl", map(_query_row, made.queries))
        write_qrels(new / "qrels" / "test.tsv", ((q.id, q.document, 1) for q in made.queries))
        write_settings(new, **{"origin": "known-item", **settings})


def _split(item: Item, source: Source) -> tuple[str, str]:
    """Query and document of an item; where no query can be made of it, the document is all of it."""
    if source == "title":
        return " ".join(item.title.split()), item.text
    sentence, rest = first_sentence(item.text)
    if _problem(tuple(words(sentence)), 1) is not None or not rest:
        return "", f"{item.title} {item.text}".strip()
    return sentence, f"{item.title} {rest}".strip()


def _problem(query: tuple[str, ...], times: int) -> str | None:
    """Why these words are no query, or None."""
    if not query:
        return "no title, or no second sentence"
    if len(query) < MIN_QUERY_WORDS:
        return f"query shorter than {MIN_QUERY_WORDS} words"
    if len(query) > MAX_QUERY_WORDS:
        return f"query longer than {MAX_QUERY_WORDS} words"
    return "the same query as another text's" if times > 1 else None


def _overlap(query: Sequence[str], document: str) -> float:
    """Share of the distinct words of `query` that `document` has."""
    wanted = set(query)
    return len(wanted & set(words(document))) / len(wanted)


def _slices(overlaps: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    """low, middle or high: below, within and above the middle third; ties at its bounds are within."""
    low, high = np.quantile(overlaps, (1 / 3, 2 / 3))
    return [f"overlap {'low' if o < low else 'high' if o > high else 'middle'}" for o in overlaps]


def _query_row(query: Query) -> dict[str, str]:
    row = {"_id": query.id, "text": query.text, "slice": query.slice}
    return row if query.group is None else {**row, "group": query.group}


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}


def _nothing_left(read: int, kept: int, source: Source, lost: Mapping[str, int]) -> str:
    reasons = "; ".join(f"{reason}: {count}" for reason, count in lost.items() if count) or "nothing was dropped"
    other = "first-sentence" if source == "title" else "title"
    return (
        f"no search task can be made of {read} texts, of which {kept} can be searched ({reasons}); "
        f"give at least two longer texts, or make queries from {other}"
    )
