"""A task of every kind, and studies that cost next to no time."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def tasks(tmp_path_factory, sentences) -> dict[str, Path]:
    """Folders by kind. Retrieval has slices, groups of two queries, and two relevant documents a query."""
    root, chance = tmp_path_factory.mktemp("kinds"), random.Random(5)
    long = [text for text in sentences if len(text.split()) > 4]
    documents = [{"_id": f"doc-{at:03}", "title": f"title {at}", "text": text} for at, text in enumerate(long[:70])]
    queries = [
        {"_id": f"q-{at}", "text": " ".join(chance.sample(long[at].split(), 3)), "group": f"paragraph {at // 2}",
         "slice": "short" if at % 3 else "long"}
        for at in range(60)
    ]  # fmt: skip
    lines = [f"q-{at}\tdoc-{to:03}\t{grade}" for at in range(60) for to, grade in ((at, 2), ((at + 7) % 70, 1))]
    folder = root / "retrieval"
    write(folder / "corpus.jsonl", documents)
    write(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")

    write(root / "fidelity" / "corpus.jsonl", documents)
    write(root / "fidelity" / "queries.jsonl", [{k: q[k] for k in ("_id", "text")} for q in queries])

    (root / "similarity").mkdir()
    pairs = [f"{a},{b},{len(set(a.split()) & set(b.split()))}" for a, b in zip(long[:50], long[50:100], strict=True)]
    for file in ("test.csv", "train.csv"):
        (root / "similarity" / file).write_text("\n".join(["sentence1,sentence2,score", *pairs]) + "\n")

    wet = {"water", "river", "sea", "ocean", "rain", "the", "fish"}

    def labelled(texts):
        return [{"text": text, "label": "wet" if wet & set(text.split()) else "dry"} for text in texts]

    write(root / "classification" / "train.jsonl", labelled(sentences[:100]))
    write(root / "classification" / "test.jsonl", labelled(sentences[100:160]))
    write(root / "clustering" / "clusters.jsonl", labelled(sentences[:80]))
    senses = [
        {"word": f"w{at % 9}", "sentence1": long[at], "sentence2": long[(at * 3 + 1) % 100], "label": at % 2 == 0}
        for at in range(60)
    ]
    write(root / "wordsense" / "test.jsonl", senses)
    write(root / "wordsense" / "train.jsonl", senses[:20])
    return {path.name: path for path in sorted(root.iterdir())}


QUICK = {"SINGLE_SECONDS": 0.05, "SINGLES": 5, "BULK_SECONDS": 0.01}
"""Constants of `cost.measure` for tests that are not about figures."""


@pytest.fixture(scope="module")
def quick(fake_encoders) -> Iterator[pytest.MonkeyPatch]:
    """Fake encoders, here and in processes, and measurements as short as they can be."""
    from sizewise.core.registry import ENCODERS
    from sizewise.cost import measure
    from sizewise.study import costing

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(fake_encoders))
        patch.syspath_prepend(str(fake_encoders))
        for name, value in QUICK.items():
            patch.setattr(measure, name, value)
        patch.setattr(costing, "FINALISTS", 1)
        vars(ENCODERS).pop("_plugins", None)
        yield patch
        vars(ENCODERS).pop("_plugins", None)
