"""Data made to harm whoever looks at them: nothing in them reaches the terminal as it is."""

import json
import os
import re
import unicodedata

import pytest

CLEAR, TITLE, TURN, CSI = "\x1b[2J", "\x1b]0;owned\x07", "\u202e", "\x9b31m"
HOSTILE = f"{CLEAR}{TITLE}</script>{TURN}{CSI}\x7f"
MEGABYTE = "m" * 1_000_000


def harmless(*outputs):
    """No control characters but newline, no marks that turn the writing, nothing long."""
    for text in outputs:
        found = {one for one in text if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")} - {"\n"}
        assert not found, repr(found)
        assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
        assert len(text) < 60_000


@pytest.fixture
def hostile(tmp_path, sentences):
    """Folders of tasks whose every name is hostile; one text, one label and one slice are a megabyte."""
    root = tmp_path / "tasks"
    names = [f"{HOSTILE}{at}" for at in range(30)]

    def write(file, rows):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def named(folder, **more):
        texts = "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
        (root / folder / "task.toml").write_text(texts)

    def slice_of(at):
        return MEGABYTE if at in (3, 9) else names[at % 2]

    documents = [{"_id": name, "text": f"{name} {text}"} for name, text in zip(names, sentences, strict=False)]
    queries = [{"_id": f"q{one['_id']}", "text": sentences[at], "slice": slice_of(at), "group": names[at // 3]}
               for at, one in enumerate(documents)]  # fmt: skip
    queries[5]["text"] = MEGABYTE
    write("search/corpus.jsonl", documents)
    write("search/queries.jsonl", queries)
    judged = [
        {"query-id": q["_id"], "corpus-id": d["_id"], "score": 1} for q, d in zip(queries, documents, strict=True)
    ]
    write("search/qrels/test.jsonl", [*judged, {"query-id": HOSTILE, "corpus-id": HOSTILE, "score": 1}])
    named("search", name=f"search {HOSTILE}", origin=HOSTILE)
    labels = [{"text": text, "label": names[at % 2]} for at, text in enumerate(sentences[:60])]
    write("labels/train.jsonl", labels)
    write("labels/test.jsonl", [*labels[:30], {"text": "x", "label": MEGABYTE}, {"text": "y", "label": names[9]}])
    named("labels", name=f"labels {HOSTILE}")
    words = [
        {"word": names[at % 5], "sentence1": f"{HOSTILE} a {at}", "sentence2": f"b {at}", "label": at % 2 == 0}
        for at in range(40)
    ]
    write("words/test.jsonl", words)
    named("words", name="words")
    return root


def test_eval(sizewise, hostile):
    found = sizewise("eval", "fake:words", "--task", hostile / "search", "--task", hostile / "labels", "--task",
                     hostile / "words")  # fmt: skip
    assert found.code == 0, found.err
    harmless(found.out, found.err)
    assert "search\\x1b[2J\\x1b]0;owned\\x07</script>\\u202e\\x9b31m\\x7f" in re.sub(r"[│\s]", "", found.out)


def test_study_and_recommend(sizewise, hostile, tmp_path):
    words = ["fake:words", "fake:letters", "--task", hostile / "search", "--out", tmp_path / "run", "--threads", 1]
    found = sizewise("study", *words)
    assert found.code == 0, found.err
    harmless(found.out, found.err)
    assert "\\x1b[2J" in found.out
    assert "1,000,000charactersinall" in re.sub(r"[│\s]", "", found.out), "the slice of a megabyte"
    again = sizewise("recommend", tmp_path / "run")
    assert again.code == 0, again.err
    harmless(again.out, again.err)
    for more in (["compare", tmp_path / "run", tmp_path / "run"], ["report", tmp_path / "run"]):
        found = sizewise(*more)
        assert found.code == 0, found.err
        harmless(found.out, found.err)
    plan = sizewise("study", *words, "--dry-run")
    assert plan.code == 0, plan.err
    harmless(plan.out, plan.err)


def test_json_on_a_terminal_is_harmless_and_means_the_same(sizewise, hostile):
    found = sizewise("eval", "fake:words", "--task", hostile / "search", "--json", "-", "-q")
    harmless(found.out)
    assert json.loads(found.out)["results"][0]["task"] == f"search {HOSTILE}"


WRONG = {
    "an id twice": ("corpus.jsonl", [{"_id": HOSTILE, "text": "a"}] * 2),
    "a number that is none": ("test.csv", f"sentence1,sentence2,score\na,b,{HOSTILE}\n"),
    "a long number that is none": ("test.csv", f"sentence1,sentence2,score\na,b,{MEGABYTE}\n"),
    "a label for all": ("clusters.jsonl", [{"text": "a", "label": MEGABYTE + HOSTILE}] * 3),
    "columns": ("clusters.csv", f"{HOSTILE},{MEGABYTE}\na,b\n"),
    "settings": ("task.toml", f"kind = {json.dumps(HOSTILE + MEGABYTE)}\n"),
    "another setting": ("task.toml", f"{json.dumps(HOSTILE)} = 1\n"),
}


@pytest.mark.parametrize("what", WRONG)
def test_errors_that_quote_data(sizewise, tmp_path, what):
    file, content = WRONG[what]
    folder = tmp_path / "wrong"
    folder.mkdir()
    if not isinstance(content, str):
        content = "".join(json.dumps(row) + "\n" for row in content)
    (folder / file).write_text(content)
    found = sizewise("eval", "fake:words", "--task", folder)
    assert (found.code, found.out) == (2, "")
    harmless(found.err)
    assert len(found.err) < 3_000
    assert found.err.count("\n") == 1


def test_commands_and_candidates_that_quote_themselves(sizewise, hostile):
    commands = [
        [HOSTILE],
        ["eval", HOSTILE, "--task", hostile / "words"],
        ["eval", f'fake:words[query="{HOSTILE}"]', "--task", hostile / "words"],
        ["recommend", HOSTILE],
        ["cost", f"shape:{HOSTILE}"],
        ["store", "show", "--store", hostile / HOSTILE.replace("/", "")],
        ["store", "prune", "--unused-days", 1, "--store", hostile / HOSTILE.replace("/", "")],
    ]
    for words in commands:
        found = sizewise(*words)
        harmless(found.out, found.err)


def test_a_made_task(sizewise, sentences, tmp_path):
    lines = [f"{HOSTILE} {sentences[at]}. {sentences[at + 20]} {sentences[at + 40]}." for at in range(20)]
    corpus, out = tmp_path / f"corpus{CLEAR}.txt", tmp_path / f"out{CLEAR}"
    corpus.write_text("\n".join([*lines, MEGABYTE]))
    found = sizewise("task", corpus, "--from", "first-sentence", "--out", out)
    harmless(found.out, found.err)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_folder_whose_name_is_no_text(sizewise, hostile):
    """Bytes that are not UTF-8 could not be written to any file of a run."""
    bad = os.fsdecode(os.fsencode(hostile) + b"/\xff")
    os.rename(hostile / "words", bad)  # noqa: PTH104
    found = sizewise("eval", "fake:words", "--task", bad)
    assert found.code == 2, found.err
    assert "\\udcff" in found.err
    assert "rename it" in found.err


def test_a_name_of_a_megabyte_is_refused(sizewise, hostile):
    (hostile / "words" / "task.toml").write_text(f"name = {json.dumps(MEGABYTE)}\n")
    found = sizewise("eval", "fake:words", "--task", hostile / "words")
    assert found.code == 2
    assert "task.toml:1: 'name' is 1,000,000 characters long" in found.err
