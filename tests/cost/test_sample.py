"""The texts that cost is measured on."""

from types import SimpleNamespace

import pytest

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse, parse_part
from sizewise.cost import sample as module
from sizewise.cost.sample import LONGEST, Sample, packaged, sample
from sizewise.data.load import load_task
from sizewise.data.task import TextSet
from sizewise.encode.encoder import Trust
from sizewise.encode.pairs import unpaired


def made(name, sets, needs="rankings"):
    return SimpleNamespace(name=name, needs=needs, text_sets=lambda: [TextSet(n, "text", texts) for n, texts in sets])


def test_queries_are_timed_one_by_one_and_documents_in_bulk(retrieval_folder):
    task = load_task(retrieval_folder)
    found = sample([task])
    assert sorted(found.single) == sorted(task.queries)
    assert sorted(found.bulk) == sorted(task.documents)
    assert (found.single_role, found.bulk_role) == ("query", "document")
    assert found.single != list(task.queries), "in random order"
    assert found == sample([load_task(retrieval_folder)]), "always the same one"


def test_every_task_has_the_same_share(monkeypatch):
    monkeypatch.setattr(module, "SINGLES", 10)
    monkeypatch.setattr(module, "BULK", 20)
    one = made("one", [("queries", [f"q{at}" for at in range(99)]), ("documents", [f"d{at}" for at in range(500)])])
    two = made("two", [("first", [f"f{at}" for at in range(50)]), ("second", [f"s{at}" for at in range(50)])], "pairs")
    found = sample([one, two])
    assert [sum(text[0] in letters for text in found.single) for letters in ("q", "fs")] == [5, 5]
    assert [sum(text[0] in letters for text in found.bulk) for letters in ("d", "fs")] == [10, 10]
    assert found.about == "texts of one, two"
    assert sample([two]).single_role == "text"


def test_blank_and_endless_texts():
    texts = ["", "  ", "word", "x" * 100_000]
    found = sample([made("one", [("queries", texts), ("documents", texts)])])
    assert sorted(map(len, found.single)) == [4, LONGEST]
    with pytest.raises(InputError, match="cost is measured on the tasks' texts, and there are none"):
        sample([made("one", [("queries", ["", " "]), ("documents", ["word"])])])


def test_the_packaged_texts():
    found = packaged()
    assert len(found.single) == 300
    assert len(found.bulk) >= 300
    assert found == packaged()
    assert "packaged short sentences" in found.about


def test_tokens_as_the_encoder_sees_them(fakes):
    found = packaged()
    texts = ["one two three", "one two three four five six seven"]
    assert found.tokens_per_text(parse("fake:words"), texts, Trust()) == 5
    assert found.tokens_per_text(parse("fake:short"), texts, Trust()) == 4.5, "cut at 6"
    assert found.tokens_per_text(parse("fake:words"), [], Trust()) is None
    assert found.tokens_per_text(parse("bm25"), texts, Trust()) is None


def test_a_cross_encoder_reads_pairs():
    texts = Sample(["a", "b"], ["x", "y", "z"], "query", "document", "letters")
    assert texts.given_to(parse("m")) is texts
    found = texts.given_to(parse_part("cross:m"))
    assert unpaired(found.single, "m") == [("a", "x"), ("b", "y")]
    assert unpaired(found.bulk, "m") == [("a", "x"), ("b", "y"), ("a", "z")]
    assert (found.single_role, found.bulk_role) == ("text", "text")
