"""Known-item tasks from bare corpora: what is asked, what is dropped, and that nothing of the user's is lost."""

import re

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.data.bare import Item, read_corpus
from sizewise.data.duplicates import THRESHOLD, first_of_each, shingles
from sizewise.data.load import load_task
from sizewise.data.make import known_item, write_known_item
from sizewise.data.words import first_sentence, words

LONG = "It is poured slowly over ground beans in a paper filter until the cup is full"


def item(name, title="", text=LONG):
    return Item(name, title, f"{text} {name}")


@pytest.mark.parametrize(
    ("text", "sentence", "rest"),
    [
        ("One here. Two there. Three.", "One here.", "Two there. Three."),
        ("One\nhere!  Two", "One here!", "Two"),
        ("A heading\n\nThen text.", "A heading", "Then text."),
        ("Use it, e.g. Here or there. Next", "Use it, e.g. Here or there.", "Next"),
        ("J. Doe et al. wrote it. Next", "J. Doe et al. wrote it.", "Next"),
        ("Pi is 3.14 or so. Next", "Pi is 3.14 or so.", "Next"),
        ("It ends (really.) Next", "It ends (really.)", "Next"),
        ("to be cont. and so on. Next", "to be cont. and so on.", "Next"),
        ("我们试试看！明天再说。", "我们试试看！", "明天再说。"),
        ("मेरे दादा ओसाका के हैं। वह अच्छे हैं।", "मेरे दादा ओसाका के हैं।", "वह अच्छे हैं।"),
        ("كيف حالك؟ أنا بخير.", "كيف حالك؟", "أنا بخير."),
        ("Only one sentence", "Only one sentence", ""),
        ("", "", ""),
    ],
)
def test_first_sentences(text, sentence, rest):
    assert first_sentence(text) == (sentence, rest)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't PANIC, 42!", ["don", "t", "panic", "42"]),
        ("हिन्दी में लिखा", ["हिन्दी", "में", "लिखा"]),
        ("我试 tea 茶", ["我", "试", "tea", "茶"]),
        ("Straße e\u0301te\u0301", ["strasse", "e\u0301te\u0301"]),
        ("...", []),
    ],
)
def test_words_of_any_script(text, expected):
    assert words(text) == expected


def test_queries_from_titles():
    made = known_item(
        [
            item("a", "How to make coffee"),
            item("b", "Short", "Something else " * 9),
            item("c", "", "No title at all " * 9),
        ]
    )
    assert [(q.id, q.text, q.document) for q in made.queries] == [("q-a", "How to make coffee", "a")]
    assert [d.id for d in made.documents] == ["a", "b", "c"]
    assert made.dropped_queries == {"query shorter than 3 words": 1, "no title, or no second sentence": 1}
    assert made.dropped_documents == {}


def test_queries_from_first_sentences():
    made = known_item(
        [Item("a", "", f"Coffee is a hot drink. {LONG}"), Item("b", "", LONG.replace("cup", "pot and pan"))],
        "first-sentence",
    )
    assert [(q.text, q.document) for q in made.queries] == [("Coffee is a hot drink.", "a")]
    assert [d.text for d in made.documents] == [LONG, LONG.replace("cup", "pot and pan")]
    assert made.overlap_mean == pytest.approx(2 / 5)


def test_what_is_asked_twice_or_is_too_short_or_repeats():
    texts = [f"Text number {i} speaks of {' '.join(f'thing{i}x{j}' for j in range(12))}" for i in range(4)]
    made = known_item(
        [
            Item("a", "the very same title", texts[0]),
            Item("b", "The very SAME title!", texts[1]),
            Item("c", "another one of them", texts[2]),
            Item("d", "its near duplicate here", texts[2] + " indeed"),
            Item("e", "short text of this", "too short"),
            Item("f", " ".join(["word"] * 70), texts[3]),
        ]
    )
    assert [q.document for q in made.queries] == ["c"]
    assert [d.id for d in made.documents] == ["a", "b", "c", "f"]
    assert made.dropped_documents == {"shorter than 8 words": 1, "nearly repeats an earlier text": 1}
    assert made.dropped_queries == {"the same query as another text's": 2, "query longer than 60 words": 1}


def test_overlap_and_slices():
    fillers = [" ".join(f"filler{i}x{j}" for j in range(10)) for i in range(9)]
    made = known_item(
        Item(
            str(i),
            f"alpha{i} beta{i} gamma{i}",
            f"{fillers[i]} {' '.join([f'alpha{i}', f'beta{i}', f'gamma{i}'][: i // 3])}",
        )
        for i in range(9)
    )
    assert [q.overlap for q in made.queries] == pytest.approx([0] * 3 + [1 / 3] * 3 + [2 / 3] * 3)
    assert [q.slice for q in made.queries] == ["overlap low"] * 3 + ["overlap middle"] * 3 + ["overlap high"] * 3
    assert made.overlap_mean == pytest.approx(1 / 3)
    assert made.overlap_quartiles == pytest.approx((0, 1 / 3, 2 / 3))


def test_many_queries_are_drawn_always_alike():
    items = [Item(str(i), f"title number {i}", " ".join(f"w{i}x{j}" for j in range(9))) for i in range(50)]
    made = known_item(items, max_queries=20)
    assert len(made.queries) == 20
    assert len(made.documents) == 50
    assert made.dropped_queries == {"more than 20 queries": 30}
    assert made == known_item(items, max_queries=20)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "of 0 texts"),
        ([item("a", "How to make coffee")], "of 1 texts, of which 1 can be searched"),
        ([item("a"), item("b", text="Something else " * 9)], "make queries from first-sentence"),
        ([Item("a", "a b c", "short"), Item("b", "a b d", "")], "shorter than 8 words: 2"),
    ],
)
def test_nothing_left_is_an_input_error(items, message):
    with pytest.raises(InputError, match=message):
        known_item(items)


def test_an_unknown_source_is_an_input_error():
    with pytest.raises(InputError, match="cannot be made from 'body'"):
        known_item([], "body")


def test_near_duplicates_are_those_of_exact_similarity():
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(60):
        base = rng.integers(0, 5000, 60).astype(str)
        texts.append(" ".join(base))
        for changes in (1, 3, 8, 20):
            copy = base.copy()
            copy[rng.choice(60, changes, replace=False)] = "changed"
            texts.append(" ".join(copy))
    sets = [set(shingles(text)) for text in texts]
    first = first_of_each(texts)
    for at, of in enumerate(first):
        family = range(at - at % 5, at)
        similar = [b for b in family if len(sets[at] & sets[b]) / len(sets[at] | sets[b]) >= THRESHOLD]
        assert (of == at) or of // 5 == at // 5
        assert not similar or of < at
        assert similar or of == at or first[at] != at


def test_many_equal_texts_are_one():
    assert first_of_each(["the same text"] * 500 + ["another text here"]).tolist() == [0] * 500 + [500]
    assert first_of_each(["alone"]).tolist() == [0]
    assert first_of_each(["!", "?", "a"]).tolist() == [0, 0, 2]


CORPORA = {
    "c.jsonl": '{"id": 7, "title": "T", "text": "x"}\n{"id": 8, "text": null}',
    "c.csv": "id,title,text\n7,T,x\n8,,\n",
    "f/corpus.tsv": "_id\ttitle\ttext\n7\tT\tx\n8\t\t\n",
}


@pytest.mark.parametrize("file", CORPORA)
def test_tables_as_corpora(write, file):
    path = write(file, CORPORA[file])
    path = path.parent if file.startswith("f/") else path
    assert list(read_corpus(path)) == [Item("7", "T", "x"), Item("8", "", "")]


def test_files_and_lines_as_corpora(write, tmp_path):
    write("f/b/two.md", "# Héading #\n\nBody\ntext\n")
    write("f/one.txt", "\ufeffOne text\n")
    write("f/not.html", "<p>")
    assert list(read_corpus(tmp_path / "f")) == [
        Item("b/two.md", "Héading", "Body\ntext"),
        Item("one.txt", "", "One text"),
    ]
    assert list(read_corpus(tmp_path / "f/one.txt")) == [Item("1", "", "One text")]
    renamed = write("c.csv", "name,body,kind\na,x,k\n")
    assert list(read_corpus(renamed, {"_id": "name", "text": "body", "group": "kind"})) == [Item("a", "", "x", "k")]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("c.jsonl", '{"body": "x"}', "c.jsonl:1: 'text' is missing (there are: 'body')"),
        ("c.jsonl", '{"id": 1, "text": "x"}\n{"id": 1, "text": "y"}', "c.jsonl:2: the id '1' was used before"),
        ("c.jsonl", '{"text": 3}', "c.jsonl:1: 'text' is a number, not a text"),
        ("c.txt", b"fine\n\xff\n", "c.txt:2: not UTF-8"),
        ("d/c.md", b"a\nb\n\xff", "c.md:3: not UTF-8"),
        ("d/c.pdf", b"", "there are no .txt or .md files here"),
        ("c.pdf", b"", "c.pdf: unknown format"),
    ],
)
def test_bad_corpora_name_file_and_line(write, file, content, message):
    path = write(file, content)
    with pytest.raises(InputError, match=re.escape(message)):
        list(read_corpus(path.parent if file.startswith("d/") else path))


def test_a_missing_corpus_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="there is no such file or folder"):
        read_corpus(tmp_path / "none")


@pytest.fixture
def made():
    return known_item(
        Item(f'i"{i}\t文', f"title number {i}", " ".join(f"w{i}x{j}" for j in range(9)), f"g{i % 2}") for i in range(6)
    )


def test_what_is_written_loads(made, tmp_path):
    write_known_item(made, tmp_path / "new" / "search")
    task = load_task(tmp_path / "new" / "search")
    assert (task.kind, len(task.units), task.units.group_count) == ("retrieval", 6, 2)
    assert task.units.slices == tuple(q.slice for q in made.queries)
    assert task.document_ids == tuple(d.id for d in made.documents)
    assert task.qrels.keys.tolist() == [i * 6 + i for i in range(6)]
    assert "do not show how it answers real users" in task.notes[0]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["search"]


def test_folders_are_replaced_only_on_request_and_only_if_they_are_tasks(made, tmp_path):
    folder = tmp_path / "search"
    folder.mkdir()
    write_known_item(made, folder)
    with pytest.raises(InputError, match="is not empty"):
        write_known_item(made, folder)
    write_known_item(made, folder, overwrite=True)
    (folder / "thesis.docx").touch()
    with pytest.raises(InputError, match=re.escape("holds 'thesis.docx', which is no part of a task")):
        write_known_item(made, folder, overwrite=True)
    assert (folder / "thesis.docx").exists()
    with pytest.raises(InputError, match="is a file"):
        write_known_item(made, folder / "thesis.docx")


def test_a_folder_below_a_file_is_an_input_error(made, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be made: (Not a directory|File exists)"):
        write_known_item(made, tmp_path / "file" / "search")


def test_a_failure_leaves_nothing_behind(made, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("sizewise.data.make.write_qrels", fail)
    with pytest.raises(OSError, match="disk full"):
        write_known_item(made, tmp_path / "search")
    assert list(tmp_path.iterdir()) == []
