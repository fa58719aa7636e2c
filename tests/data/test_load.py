"""Folders become tasks: kinds, names, task.toml, and every way in which data can be wrong."""

import re
from pathlib import Path

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.core.registry import TASKS
from sizewise.data.formats import SUFFIXES
from sizewise.data.load import load_task, task_name
from sizewise.data.similarity import Similarity

UNITS = {"retrieval": 2, "fidelity": 2, "similarity": 5, "classification": 6, "clustering": 6, "wordsense": 6}


@pytest.mark.parametrize("kind", UNITS)
def test_every_kind_is_recognised_and_the_format_does_not_matter(task_folder, kind):
    tasks = [load_task(task_folder(kind, suffix, name=f"as{suffix[1:]}")) for suffix in SUFFIXES]
    assert {task.kind for task in tasks} == {kind}
    assert {len(task.units) for task in tasks} == {UNITS[kind]}
    assert len({task.fingerprint for task in tasks}) == 1
    assert all(task.margin is None and task.units.slices is None for task in tasks)


@pytest.mark.parametrize("kind", UNITS)
def test_text_sets_agree_with_what_is_needed(task_folder, kind):
    task = load_task(task_folder(kind))
    sets = {s.name: s for s in task.text_sets()}
    if task.needs == "rankings":
        assert {name: s.role for name, s in sets.items()} == {"queries": "query", "documents": "document"}
        assert len(sets["queries"].texts) == len(task.units)
    elif task.needs == "pairs":
        assert len(sets["first"].texts) == len(sets["second"].texts) == len(task.units)
    fitted = {s.name for s in task.fit_texts()}
    # A corpus may be fitted on, without its labels; texts that are tested otherwise may not.
    corpora = {"retrieval": {"documents"}, "fidelity": {"documents"}, "clustering": {"texts"}, "similarity": set()}
    assert fitted == corpora.get(kind, {"train"})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/srv/shared/data/stsb/en", "stsb/en"),
        ("/srv/shared/data/pubmedqa", "pubmedqa"),
        ("/srv/shared/data/pubmedqa/", "pubmedqa"),
        ("arxiv/search", "arxiv/search"),
        ("./data/support", "support"),
        ("./support", "support"),
        ("support", "support"),
        ("../support", "support"),
        ("/support", "support"),
        ("data", "data"),
    ],
)
def test_names_are_the_last_parts_that_say_something(path, name):
    assert task_name(Path(path)) == name


def test_the_folder_that_one_stands_in_has_its_own_name(task_folder, monkeypatch):
    monkeypatch.chdir(task_folder("similarity", name="stsb/en"))
    assert load_task(".").name == "stsb/en"


def test_task_toml_overrides(task_folder, write):
    folder = task_folder("retrieval")
    plain = load_task(folder)
    write(
        "made/queries.jsonl",
        '{"_id":"q1","body":"x","of":"c1","long":"yes"}\n{"_id":"q2","body":"y","of":"c1","long":"no"}',
    )
    write("made/corpus.jsonl", '{"_id":"d1","body":"x"}\n{"_id":"d2","body":"y"}')
    write(
        "made/task.toml",
        """kind = "retrieval"
        name = "drinks"
        metric = "ndcg@20"
        margin = 1
        group = "of"
        slice = "long"
        origin = "known-item"
        prompts = { query = "query: " }
        [fields]
        text = "body"
        """,
    )
    task = load_task(folder)
    assert (task.name, task.metric, task.margin, task.prompts) == ("drinks", "ndcg@20", 1.0, {"query": "query: "})
    assert task.units.groups.tolist() == [0, 0]
    assert task.units.group_count == 1
    assert task.units.slices == ("yes", "no")
    assert "known-item search" in task.notes[0]
    assert task.fingerprint != plain.fingerprint
    assert load_task(folder, name="mine").name == "mine"


def test_a_name_or_a_margin_changes_no_records(task_folder, write):
    folder = task_folder("similarity")
    before = load_task(folder).fingerprint
    write("made/task.toml", 'name = "other"\nmargin = 3.5\n')
    assert load_task(folder).fingerprint == before
    write("made/task.toml", 'prompts = { text = "same: " }\n')
    assert load_task(folder).fingerprint != before


def test_protocols_are_for_classification_alone(task_folder):
    folder = task_folder("classification")
    tasks = [load_task(folder), *(load_task(folder, protocol=p) for p in ("tuned", "full", "mteb"))]
    assert [task.protocol for task in tasks] == ["tuned", "tuned", "full", "mteb"]
    assert len({task.fingerprint for task in tasks}) == 3
    with pytest.raises(InputError, match="unknown protocol 'best'; there are tuned, full, mteb"):
        load_task(folder, protocol="best")
    assert load_task(task_folder("similarity", name="pairs"), protocol="full").kind == "similarity"


def test_another_split(task_folder, write):
    folder = task_folder("retrieval")
    write("made/qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq2\td1\t1\n")
    write("made/task.toml", 'split = "dev"')
    assert load_task(folder).units.ids == ("q2",)


def test_third_parties_add_kinds(task_folder, monkeypatch):
    class Mine(Similarity):
        kind = "mine"

        @classmethod
        def recognises(cls, folder):
            return (folder / "mine.txt").exists()

    monkeypatch.setattr(TASKS, "_builtin", {**TASKS._builtin, "mine": "x:y"})
    monkeypatch.setattr(TASKS, "get", lambda name, get=TASKS.get: Mine if name == "mine" else get(name))
    folder = task_folder("similarity")
    assert type(load_task(folder)) is Similarity
    (folder / "task.toml").write_text('kind = "mine"')
    assert type(load_task(folder)) is Mine
    (folder / "task.toml").unlink()
    (folder / "mine.txt").touch()
    with pytest.raises(InputError, match=r'fits similarity and mine; name one in task\.toml: kind = "similarity"'):
        load_task(folder)


def test_unknown_folders_say_what_each_kind_needs(tmp_path, write):
    write("notes.txt", "hello")
    with pytest.raises(InputError, match=r"retrieval: corpus\.jsonl.*similarity: test\.csv.*wordsense: test\.jsonl"):
        load_task(tmp_path)
    with pytest.raises(InputError, match="is no folder; check the path"):
        load_task(tmp_path / "none")
    with pytest.raises(InputError, match="is a file; give the folder that holds it"):
        load_task(tmp_path / "notes.txt")


def test_groups_of_words_and_of_units(task_folder):
    assert load_task(task_folder("wordsense")).units.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert load_task(task_folder("clustering", name="c")).units.groups is None


BAD = {
    "missing column": (
        "retrieval",
        "corpus.jsonl",
        '{"_id":"d1","body":"x"}',
        ":1: 'text' is missing (there are: '_id', 'body')",
    ),
    "null text": ("retrieval", "queries.jsonl", '{"_id":"q1","text":null}', ":1: 'text' is null"),
    "empty query": (
        "retrieval",
        "queries.jsonl",
        '{"_id":"q1","text":"a"}\n{"_id":"q2","text":" "}',
        ":2: 'text' is empty",
    ),
    "empty document": (
        "retrieval",
        "corpus.jsonl",
        '{"_id":"d1","title":" ","text":""}',
        ":1: title and text are empty",
    ),
    "text is a number": ("retrieval", "corpus.jsonl", '{"_id":"d1","text":7}', ":1: 'text' is a number, not a text"),
    "title is a list": (
        "retrieval",
        "corpus.jsonl",
        '{"_id":"d1","title":["x"],"text":"y"}',
        ":1: 'title' is a list, not a",
    ),
    "id is a list": ("retrieval", "corpus.jsonl", '{"_id":["d1"],"text":"y"}', ":1: '_id' is a list, not a text"),
    "id twice": (
        "retrieval",
        "corpus.jsonl",
        '{"_id":"d1","text":"a"}\n{"_id":"d1","text":"b"}',
        ":2: the id 'd1' was used before",
    ),
    "1 and '1'": (
        "retrieval",
        "queries.jsonl",
        '{"_id":1,"text":"a"}\n{"_id":"1","text":"b"}',
        ":2: the id '1' was used before",
    ),
    "group in some": (
        "retrieval",
        "queries.jsonl",
        '{"_id":"q1","text":"a","group":"x"}\n{"_id":"q2","text":"b"}',
        ":2: 'group' is missing",
    ),
    "group later": (
        "retrieval",
        "queries.jsonl",
        '{"_id":"q1","text":"a"}\n{"_id":"q2","text":"b","group":"x"}',
        ":2: 'group' is new here",
    ),
    "no header": ("retrieval", "qrels/test.jsonl", '{"q1":1,"d1":2}', ":1: 'query-id' is missing"),
    "grade is a word": (
        "retrieval",
        "qrels/test.jsonl",
        '{"query-id":"q1","corpus-id":"d1","score":"good"}',
        ":1: 'score' is 'good', not a finite number",
    ),
    "half a grade": (
        "retrieval",
        "qrels/test.jsonl",
        '{"query-id":"q1","corpus-id":"d1","score":0.5}',
        ":1: 'score' is 0.5, not a whole number",
    ),
    "nothing relevant": (
        "retrieval",
        "qrels/test.jsonl",
        '{"query-id":"q1","corpus-id":"d1","score":0}',
        ": no query has a relevant document",
    ),
    "no known query": (
        "retrieval",
        "qrels/test.jsonl",
        '{"query-id":"q9","corpus-id":"d1","score":1}',
        ": no query has a relevant document",
    ),
    "score is nan": (
        "similarity",
        "test.csv",
        "sentence1,sentence2,score\na,b,1\nc,d,nan\n",
        ":3: 'score' is 'nan', not a finite",
    ),
    "score is inf": (
        "similarity",
        "test.csv",
        "sentence1,sentence2,score\na,b,inf\n",
        ":2: 'score' is 'inf', not a finite",
    ),
    "score is empty": (
        "similarity",
        "test.csv",
        "sentence1,sentence2,score\na,b,\n",
        ":2: 'score' is '', not a finite number",
    ),
    "score is true": (
        "similarity",
        "test.csv",
        "sentence1,sentence2,score\na,b,true\n",
        ":2: 'score' is 'true', not a finite",
    ),
    "sentence is empty": ("similarity", "test.csv", "sentence1,sentence2,score\na,,1\n", ":2: 'sentence2' is empty"),
    "one score": ("similarity", "test.csv", "sentence1,sentence2,score\na,b,2\nc,d,2\n", ": all scores are 2"),
    "label is null": ("classification", "test.jsonl", '{"text":"a","label":null}', ":1: 'label' is null"),
    "one label": ("classification", "train.jsonl", '{"text":"a","label":"x"}', ": all texts have the label 'x'"),
    "one topic": ("clustering", "clusters.jsonl", '{"text":"a","label":3}', ": all texts have the label '3'"),
    "no boolean": (
        "wordsense",
        "test.jsonl",
        '{"word":"w","sentence1":"a","sentence2":"b","label":"maybe"}',
        ":1: 'label' is 'maybe', neither true nor false",
    ),
    "one answer": (
        "wordsense",
        "test.jsonl",
        '{"word":"w","sentence1":"a","sentence2":"b","label":true}',
        ": all labels are True",
    ),
    "unknown key": (
        "similarity",
        "task.toml",
        'name = "a"\nmetrics = "b"',
        ":2: unknown key 'metrics'; known are kind, name",
    ),
    "unknown role": ("similarity", "task.toml", 'prompts = { queries = "b" }', ":1: unknown role 'queries' in prompts"),
    "unknown field": (
        "similarity",
        "task.toml",
        'fields = { texts = "b" }',
        " has no field 'texts'; it has group, score",
    ),
    "unknown kind": ("similarity", "task.toml", 'kind = "similar"', "unknown task 'similar'; did you mean similarity?"),
    "margin of 0": ("similarity", "task.toml", "\nmargin = 0", ":2: 'margin' must be a number of points above 0"),
    "margin is nan": ("similarity", "task.toml", "margin = nan", ":1: 'margin' must be a number of points above 0"),
    "name is a number": ("similarity", "task.toml", "name = 3", ":1: 'name' must be a text in quotes, not 3"),
    "prompts are a text": ("similarity", "task.toml", 'prompts = "x"', ":1: 'prompts' must map names to texts"),
    "no TOML": ("similarity", "task.toml", "name = \n", ": invalid TOML: "),
    "another metric": ("similarity", "task.toml", 'metric = "pearson"', "is scored by 'spearman', not 'pearson'"),
    "no such depth": (
        "retrieval",
        "task.toml",
        'metric = "ndcg@1000"',
        "'ndcg@1000' is not ndcg@k with k from 1 to 100",
    ),
    "no such split": ("retrieval", "task.toml", 'split = "dev"', "there is no qrels/dev.tsv (there is: test.jsonl)"),
    "no such file": ("classification", "task.toml", 'split = "dev"', "there is no dev.jsonl"),
}


@pytest.mark.parametrize(("kind", "file", "content", "message"), BAD.values(), ids=BAD)
def test_bad_data_name_file_and_line(task_folder, write, kind, file, content, message):
    folder = task_folder(kind)
    stem = file.split(".")[0]
    for other in folder.glob(f"{stem}.*"):
        other.unlink()
    write(f"made/{file}", content)
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        load_task(folder)
    if message.startswith(":"):
        assert str(raised.value).startswith(f"{folder}/{file}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_text_in_any_script_survives(write, tmp_path, suffix):
    texts = ["हिन्दी पाठ", "你好，世界", "שלום עולם", "e\u0301 🍵", 'a, "b"\tc']
    write(f"t/clusters{suffix}", [{"text": text, "label": text[:2]} for text in texts])
    task = load_task(tmp_path / "t")
    assert list(task.text_sets()[0].texts) == texts
    assert [task.labels[code] for code in task.label_codes] == [text[:2] for text in texts]
    assert task.label_codes.dtype == np.int64
