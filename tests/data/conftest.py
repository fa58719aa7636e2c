"""Small task folders, written where a test asks for them."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

Writer = Callable[..., Path]
"""write(file, content): content is text or bytes as they are, or rows to be written in the file's format."""

CORPUS = [{"_id": "d1", "title": "Tea", "text": "steeps"}, {"_id": "d2", "title": "", "text": "Coffee drips"}]
QUERIES = [{"_id": "q1", "text": "hot leaves"}, {"_id": "q2", "text": "filter"}]
QRELS = [{"query-id": "q1", "corpus-id": "d1", "score": 1}, {"query-id": "q2", "corpus-id": "d2", "score": 2}]
PAIRS = [{"sentence1": "a b", "sentence2": f"c {i}", "score": float(i)} for i in range(5)]
TRAIN = [{"text": f"train {i}", "label": "ab"[i % 2]} for i in range(8)]
TEST = [{"text": f"test {i}", "label": "ab"[i % 2]} for i in range(6)]
SENSES = [{"word": f"w{i // 2}", "sentence1": f"s {i}", "sentence2": f"t {i}", "label": i % 3 == 0} for i in range(6)]

KINDS: Mapping[str, Mapping[str, list[dict[str, Any]]]] = {
    "retrieval": {"corpus": CORPUS, "queries": QUERIES, "qrels/test": QRELS},
    "fidelity": {"corpus": CORPUS, "queries": QUERIES},
    "similarity": {"test": PAIRS},
    "classification": {"train": TRAIN, "test": TEST},
    "clustering": {"clusters": TEST},
    "wordsense": {"test": SENSES, "train": SENSES},
}
"""The tables of a folder of each kind."""


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Write one file below tmp_path and return its path."""

    def writer(file: str, content: Any) -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            _write_rows(path, content)
        return path

    return writer


@pytest.fixture
def task_folder(write: Writer, tmp_path: Path) -> Callable[..., Path]:
    """task_folder(kind, suffix): a folder of that kind, its tables in that format."""

    def folder(kind: str, suffix: str = ".jsonl", name: str = "made") -> Path:
        for stem, rows in KINDS[kind].items():
            write(f"{name}/{stem}{suffix}", rows)
        return tmp_path / name

    return folder


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    if path.name.endswith(".jsonl"):
        path.write_bytes(lines)
    elif path.name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress(lines))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
