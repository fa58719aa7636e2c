"""Text to train on: what is read, what is left out, and what is said of files that hold none."""

import gzip
import json

import pytest

from sizewise.core.errors import InputError
from sizewise.data.load import load_task
from sizewise.data.seen import Seen
from sizewise.train.texts import held_back, read_texts, source_texts, task_texts, training_text

LONG = (
    "The river rises in the hills, as every child here knows. " * 3
    + "The bridge is closed. It opens in May, e.g. on Sundays."
)


def test_sentences_of_long_texts_each_once():
    found = training_text(["A short one. With two sentences.", LONG, LONG, "the BRIDGE is closed.", " "])
    assert list(found.texts) == [
        "A short one. With two sentences.",
        LONG,
        "The river rises in the hills, as every child here knows.",
        "The bridge is closed.",
        "It opens in May, e.g. on Sundays.",
    ]
    assert found.tested == 0
    assert found.repeated >= 3
    assert training_text(["one text", LONG], split=False).texts == ("one text", LONG)


def test_what_is_tested_is_left_out():
    found = training_text(["one", "two", LONG], tested=Seen.of(["Two", "the bridge is closed."]))
    assert found.tested == 2
    assert not {"two", "The bridge is closed."} & set(found.texts)


@pytest.mark.parametrize("texts", [[], ["again"] * 100, ["", " "]])
def test_too_little(texts):
    with pytest.raises(InputError, match=r"nothing to train on: [01] different texts?, .* give more text"):
        training_text(texts)


ROWS = {
    "corpus": ([{"_id": "1", "title": "Rivers", "text": "They rise."}, {"_id": "2", "text": "No title."}],
               ["Rivers They rise.", "No title."]),
    "pairs": ([{"query": "where?", "document": "here", "score": 1}], ["where?", "here"]),
    "triples": ([{"anchor": "a", "positive": "b", "negative": None}], ["a", "b"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet"])
def test_tables(tmp_path, name, suffix):
    import pyarrow as pa
    import pyarrow.parquet as pq

    given, wanted = ROWS[name]
    path = tmp_path / f"{name}{suffix}"
    lines = "\n".join(map(json.dumps, given)).encode()
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(given), path)
    else:
        path.write_bytes(gzip.compress(lines) if suffix.endswith(".gz") else lines)
    assert list(read_texts(path)) == wanted


def test_named_columns_and_plain_text(tmp_path):
    table = tmp_path / "notes.csv"
    table.write_text("id,body,remark\n1,the river,cold\n")
    assert list(read_texts(table, ("remark", "body"))) == ["cold", "the river"]
    with pytest.raises(InputError, match=r"notes.csv:2: no column is known to hold text .*'id', 'body', 'remark'"):
        list(read_texts(table))
    with pytest.raises(InputError, match=r"notes.csv:2: 'text' is missing"):
        list(read_texts(table, ("text",)))
    plain = tmp_path / "plain.txt"
    plain.write_text("one\n\ntwo\n")
    assert [text for text in read_texts(plain) if text] == ["one", "two"]
    packed = tmp_path / "packed.txt.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_texts(packed)) == list(read_texts(plain))
    with pytest.raises(InputError, match="no such file"):
        list(read_texts(tmp_path / "none.jsonl"))


def test_of_tasks_only_what_they_offer(retrieval_folder):
    task = load_task(retrieval_folder)
    offered, tested = list(task_texts([task])), held_back([task])
    texts = {part.name: part.texts for part in task.text_sets()}
    assert set(offered) == set(texts["documents"])
    assert tested.holds(texts["queries"]).all()
    assert not tested.holds(offered).any()


def test_a_sample_of_many():
    texts = [f"text number {at}" for at in range(200)]
    some = training_text(texts, most=50, seed=1)
    assert (len(some.texts), some.sampled_from) == (50, 200)
    assert set(some.texts) < set(texts)
    assert training_text(texts, most=50, seed=1).texts == some.texts != training_text(texts, most=50, seed=2).texts
    assert max(int(text.split()[-1]) for text in some.texts) > 150, "not the first ones only"
    assert "50 texts to train on (of 200, at random)" in some.words()


def test_the_folder_of_a_task(retrieval_folder):
    assert set(source_texts(retrieval_folder)) == set(task_texts([load_task(retrieval_folder)]))
