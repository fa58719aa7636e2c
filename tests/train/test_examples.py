"""Examples to fine-tune on: what is read, what is left out, and what is said where there is nothing to learn."""

import gzip
import json

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.data.seen import Seen
from sizewise.train.examples import read_labels, read_pairs

NONE = Seen.of([])


def written(path, rows):
    lines = "\n".join(map(json.dumps, rows)).encode()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def test_pairs_in_any_usual_form(tmp_path):
    first = written(tmp_path / "a.jsonl.gz", [{"anchor": "a", "positive": "b"}, {"anchor": "a", "positive": "b"}])
    second = written(tmp_path / "b.jsonl", [{"query": "q", "document": "d", "negative": "n"}])
    found = read_pairs([first, second], NONE)
    assert (found.anchors, found.positives, found.negatives) == (("a", "q"), ("b", "d"), ("", "n"))
    assert found.texts == ["a", "q", "b", "d", "n"]
    assert found.take(np.array([1])).anchors == ("q",)
    kept = read_pairs(
        [first, second, written(tmp_path / "c.jsonl", [{"question": "Z", "answer": "y"}])], Seen.of(["z"])
    )
    assert (len(kept), kept.left_out) == (2, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"anchor": "a", "positive": "b"}] * 5, "1 different anchors with 1 different positives; give more pairs"),
        ([{"text": "a", "label": "b"}], r"pairs.jsonl:1: a pair has the columns anchor and positive .*'text', 'label'"),
        ([{"anchor": "a", "positive": " "}], r"pairs.jsonl:1: 'positive' is empty"),
        ([], r"pairs.jsonl:1: the file has no rows"),
    ],
)
def test_pairs_that_are_none(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_pairs([written(tmp_path / "pairs.jsonl", rows)], NONE)


def test_labels(tmp_path):
    rows = [{"text": f"text {at}", "label": "ab"[at % 2]} for at in range(9)] + [{"text": "Text 1", "label": "a"}]
    found = read_labels([written(tmp_path / "train.jsonl", rows)], Seen.of(["text 1"]))
    assert (len(found), found.left_out, found.labels) == (8, 2, ("a", "b"))
    assert found.codes.tolist() == [0, 0, 1, 0, 1, 0, 1, 0]
    few, more = found.few(1, seed=0), found.few(2, seed=0)
    assert np.bincount(few.codes).tolist() == [1, 1]
    assert set(few.texts) <= set(more.texts)
    assert len(found.few(99, seed=0)) == 8


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("aaaa", "1 label is too few"),
        ("abcd", "of 4 labels none has two texts or more"),
        ("aabc", "of 3 labels 1 has two texts or more"),
    ],
)
def test_labels_from_which_nothing_is_learned(tmp_path, labels, message):
    rows = [{"text": f"text {at}", "label": label} for at, label in enumerate(labels)]
    with pytest.raises(InputError, match=message):
        read_labels([written(tmp_path / "train.jsonl", rows)], NONE)
