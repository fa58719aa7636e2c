"""What a unit's case says of it, how each unit fares, and raw records made of their columns again."""

import json

import numpy as np
import pyarrow as pa
import pytest

from sizewise.data.case import Case, RankedCase, ScoredCase, told
from sizewise.data.fares import in_place, percentile_ranks
from sizewise.data.load import load_task
from sizewise.data.task import Task, TextSet, Units


def rankings(order, scores=None, width=4):
    """A record from lists of document positions, padded with -1."""
    ids = np.full((len(order), width), -1, np.int32)
    found = np.zeros((len(order), width), np.float32)
    for row, places in enumerate(order):
        ids[row, : len(places)] = places
        found[row, : len(places)] = (scores or {}).get(row, np.linspace(1, 0.5, len(places)))
    return {"ids": ids, "scores": found}


@pytest.fixture
def search(write, tmp_path):
    """Six documents; q0 has four relevant ones of different grades (one of them judged 0, one unknown), q1 one."""
    write("t/corpus.jsonl", [{"_id": f"d{at}", "title": f"T{at}", "text": f"text {at}"} for at in range(6)])
    write("t/queries.jsonl", [{"_id": f"q{at}", "text": f"query {at}"} for at in range(2)])
    judged = [("q0", "d1", 1), ("q0", "d4", 3), ("q0", "d5", 2), ("q0", "d0", 0), ("q0", "d3", 1), ("q0", "gone", 3)]
    rows = [{"query-id": q, "corpus-id": d, "score": s} for q, d, s in [*judged, ("q1", "d2", 1)]]
    write("t/qrels/test.jsonl", rows)
    return load_task(tmp_path / "t")


def test_retrieval_tells_the_relevant_documents_and_their_ranks(search):
    case = search.case(0, rankings([[2, 5, 0], [2]], {0: [0.9, 0.5, 0.25]}))
    assert case.texts == ("query 0",)
    assert [(one.id, one.grade, one.rank, one.score) for one in case.expected] == [
        ("d4", 3, None, None), ("d5", 2, 2, 0.5), ("d1", 1, None, None)
    ]  # fmt: skip
    assert case.more == 1
    assert [(one.id, one.text, one.rank, one.relevant, one.grade) for one in case.answered] == [
        ("d2", "T2 text 2", 1, False, None), ("d5", "T5 text 5", 2, True, 2), ("d0", "T0 text 0", 3, False, 0)
    ]  # fmt: skip
    assert search.case(1, rankings([[], []])).answered == ()


def test_fidelity_tells_the_references_first_results(write, tmp_path):
    write("t/corpus.jsonl", [{"_id": f"d{at}", "text": f"text {at}"} for at in range(5)])
    task = load_task(tmp_path / "t")  # the documents are the queries
    mine, reference = rankings([[at, 3, 1] for at in range(5)]), rankings([[at, 2, 4, 1] for at in range(5)])
    case = task.case(0, mine, reference)
    assert [(one.id, one.rank) for one in case.expected] == [("d2", None), ("d4", None), ("d1", 2)]
    assert [(one.id, one.rank, one.relevant) for one in case.answered] == [("d3", 1, False), ("d1", 2, True)]
    assert {one.grade for one in case.answered} == {None}
    unknown = task.case(0, mine)
    assert unknown.expected == ()
    assert {one.relevant for one in unknown.answered} == {None}


def test_rankings_come_back_from_their_columns(search):
    raw = rankings([[2, 5, 0, 1], [3]], width=6)
    again = search.raw_of(search.columns(raw))
    np.testing.assert_array_equal(again["ids"], raw["ids"][:, :4])
    np.testing.assert_array_equal(again["scores"], raw["scores"][:, :4])
    assert again["ids"].dtype == np.int32
    assert search.fares(again).tolist() == search.unit_values(raw).tolist()
    assert search.raw_of(search.columns(rankings([[], []])))["ids"].shape == (2, 0)
    sliced = {name: column.slice(1) for name, column in search.columns(raw).items()}
    assert search.raw_of(sliced)["ids"].tolist() == [[3]]


def test_percentile_ranks_share_the_middle_of_ties():
    assert percentile_ranks(np.array([5.0, 1.0, 1.0, 9.0, 3.0])).tolist() == [0.75, 0.125, 0.125, 1.0, 0.5]
    assert percentile_ranks(np.array([7.0])).tolist() == [0.5]


def test_in_place_is_one_where_the_order_is_that_of_the_gold():
    gold = np.array([1.0, 2.0, 2.0, 3.0, 4.0])
    assert in_place(np.array([0.1, 0.3, 0.2, 0.4, 0.9]), gold).tolist() == [1, 1, 1, 1, 1]
    assert in_place(np.array([0.9, 0.3, 0.2, 0.4, 0.1]), gold).tolist() == [0, 1, 1, 1, 0]


def test_in_place_of_two_kinds_is_the_distance_to_the_own_side():
    """No order within the pairs that are alike is better than another."""
    same = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert in_place(np.array([5.0, 3.0, 4.0, 2.0, 1.0]), same).tolist() == [1, 1, 1, 1, 1]
    np.testing.assert_allclose(in_place(np.array([5.0, 1.0, 4.0, 2.0, 3.0]), same), [1, 0.5, 1, 1, 0.75])


def test_similarity_tells_both_sentences_and_their_ranks(task_folder):
    task = load_task(task_folder("similarity"))
    raw = task.records({"scores": np.array([0.9, 0.1, 0.2, 0.3, 0.4])})
    assert task.fares(raw).tolist() == [0.0, 0.75, 0.75, 0.75, 0.75]
    case = task.case(0, raw)
    assert (case.texts, case.word) == (("a b", "c 0"), "")
    assert (case.expected.value, case.expected.rank, case.answered.value, case.answered.rank) == (0, 0, 0.9, 1)
    np.testing.assert_array_equal(task.raw_of(task.columns(raw))["scores"], raw["scores"])


def test_word_sense_tells_the_word_and_the_label(task_folder):
    task = load_task(task_folder("wordsense"))
    scores = np.linspace(1, 0, 6)
    raw = task.records({"scores": scores, "train_scores": scores})
    case = task.case(3, raw)
    assert (case.word, case.texts) == ("w1", ("s 3", "t 3"))
    assert (case.expected.value, case.answered.value) == (1.0, scores[3])
    assert task.fares(raw)[0] == 1
    assert task.fares(raw)[3] < 1
    np.testing.assert_array_equal(task.fares(task.raw_of(task.columns(raw))), task.fares(raw))


def test_classification_tells_the_predicted_labels(task_folder):
    task = load_task(task_folder("classification"))
    predictions = np.zeros((6, 4), np.int32)
    predictions[1] = [0, 1, 0, 0]
    case = task.case(1, {"predictions": predictions})
    assert (case.texts, case.expected) == (("test 1",), "b")
    assert [(one.name, one.share, one.right) for one in case.answered] == [("a", 0.75, False), ("b", 0.25, True)]
    again = task.raw_of(task.columns({"predictions": predictions}))["predictions"]
    np.testing.assert_array_equal(again, predictions)
    assert task.fares({"predictions": predictions}).tolist() == [1, 0.25, 1, 0, 1, 0]


def test_clustering_tells_the_commonest_labels_of_the_cluster(task_folder):
    task = load_task(task_folder("clustering"))  # labels a b a b a b
    clusters = np.array([[0, 0, 2], [0, 1, 1], [0, 0, 1], [1, 1, 2], [1, 1, 2], [1, 1, 2]], np.int32)
    raw = {"clusters": clusters}
    # Seed 0: {a b a} {b a b}; seed 1: {a a} {b b a b}; seed 2: {b a} {a b a b}: both labels are as frequent as can be.
    np.testing.assert_allclose(task.fares(raw), [1, 2 / 3, 1, 1, 1 / 3, 1])
    case = task.case(4, raw)
    assert (case.texts, case.expected) == (("test 4",), "a")
    assert [(one.name, one.right) for one in case.answered] == [("b", False), ("a", True)]
    assert [one.share for one in case.answered] == pytest.approx([1, 1 / 3])
    np.testing.assert_array_equal(task.raw_of(task.columns(raw))["clusters"], clusters)


class Foreign(Task):
    """A third party's task, which says no more than it must."""

    kind, needs = "foreign", "pairs"

    @classmethod
    def of(cls, needs, count=3):
        task = cls(name="f", path="f", metric="m", units=Units(tuple(map(str, range(count)))), fingerprint="f")
        object.__setattr__(task, "needs", needs)
        return task

    def text_sets(self):
        names = {"pairs": ("first", "second"), "rankings": ("queries", "documents"), "vectors": ("train", "test")}
        return [TextSet(name, "text", [f"{name} {at}" for at in range(3)]) for name in names[self.needs]]

    def fit_texts(self):
        return ()

    def records(self, results):
        return dict(results)

    def statistic(self, raws, reference=None):
        raise NotImplementedError

    def unit_values(self, raw, reference=None):
        return None

    def columns(self, raw):
        return {"score": pa.array(raw["scores"])}


def test_third_parties_need_say_nothing():
    pairs, rank, vectors = (Foreign.of(needs) for needs in ("pairs", "rankings", "vectors"))
    raw = {"scores": np.array([0.5, 0.25, 1.0])}
    assert pairs.fares(raw) is None
    assert pairs.raw_of(pairs.columns(raw))["scores"].tolist() == [0.5, 0.25, 1.0]
    assert pairs.case(1, raw) == ScoredCase(("first 1", "second 1"), None, pairs.case(1, raw).answered)
    assert pairs.case(1, raw).answered.rank == 0.0
    ranked = rank.case(0, rankings([[2, 1], [], []]))
    assert [one.text for one in ranked.answered] == ["documents 2", "documents 1"]
    assert rank.case(0, {}) == Case(("queries 0",))
    assert vectors.case(0, {}) == Case(())


def test_cases_are_ready_for_json(search):
    case = search.case(0, rankings([[2, 5, 0], [2]]))
    found = json.loads(json.dumps(case.to_json()))
    assert (found["shape"], found["texts"]) == ("ranked", ["query 0"])
    assert found["answered"][1]["relevant"] is True
    assert type(case.answered[0].score) is float


def test_told_changes_every_text_and_nothing_else(search):
    case = search.case(0, rankings([[2, 5, 0], [2]]))
    changed = told(case, str.upper)
    assert isinstance(changed, RankedCase)
    assert changed.texts == ("QUERY 0",)
    assert [one.id for one in changed.answered] == ["D2", "D5", "D0"]
    assert [one.score for one in changed.answered] == [one.score for one in case.answered]
