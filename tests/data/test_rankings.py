"""Retrieval agrees with trec_eval; fidelity with counting by hand."""

import time

import numpy as np
import pytest
import pytrec_eval

from sizewise.core.errors import InputError
from sizewise.data.load import load_task
from sizewise.data.task import DEPTH


@pytest.fixture
def graded(write, tmp_path):
    """300 documents, 40 queries, random grades (some negative, some of unknown documents), random scores with ties."""
    rng = np.random.default_rng(3)
    # Ids of mixed length and script, so that the order of strings is not that of numbers.
    documents = [f"{'dä文🍵'[i % 4]}{i}" for i in range(300)]
    queries = [f"q{i}" for i in range(40)]
    judged = {q: {} for q in queries}
    for query in queries[:-2]:
        for document in rng.choice([*documents, *(f"gone{i}" for i in range(20))], 30, replace=False):
            judged[query][str(document)] = int(rng.integers(-1, 4))
    judged[queries[-2]] = {documents[0]: 0}
    write("t/corpus.jsonl", [{"_id": d, "text": "x"} for d in documents])
    write("t/queries.jsonl", [{"_id": q, "text": "x"} for q in queries])
    rows = [{"query-id": q, "corpus-id": d, "score": g} for q in queries for d, g in judged[q].items()]
    write("t/qrels/test.tsv", [*rows, {"query-id": "lost", "corpus-id": documents[0], "score": 1}])
    scores = rng.integers(0, 40, (len(queries), len(documents))).astype(np.float32)
    return tmp_path / "t", judged, scores


def ranked(task, scores):
    """What an evaluator hands over: the first DEPTH, ties by tie_rank, padded with -1."""
    order = np.array([np.lexsort((task.tie_rank, -row))[:DEPTH] for row in scores])
    return {"ids": order.astype(np.int32), "scores": np.take_along_axis(scores, order, 1)}


@pytest.mark.parametrize("depth", [10, 3, 100])
def test_ndcg_is_that_of_trec_eval(graded, depth):
    folder, judged, scores = graded
    (folder / "task.toml").write_text(f'metric = "ndcg@{depth}"')
    task = load_task(folder)
    rows = [int(unit[1:]) for unit in task.units.ids]
    raw = task.records(ranked(task, scores[rows]))
    run = {q: {d: float(scores[int(q[1:]), i]) for i, d in enumerate(task.document_ids)} for q in judged}
    truth = pytrec_eval.RelevanceEvaluator(judged, {f"ndcg_cut.{depth}"}).evaluate(run)
    expected = [truth[unit][f"ndcg_cut_{depth}"] for unit in task.units.ids]
    np.testing.assert_allclose(task.unit_values(raw), expected, atol=1e-6)
    np.testing.assert_allclose(task.statistic([raw, raw]).point(), [np.mean(expected)] * 2, atol=1e-6)


def test_only_queries_with_something_relevant_are_units(graded):
    task = load_task(graded[0])
    assert task.units.ids == tuple(f"q{i}" for i in range(38))
    assert task.queries == ("x",) * 38
    assert any("1 judgements of unknown queries" in note for note in task.notes)
    assert any("judgements of unknown documents" in note for note in task.notes)


def test_fewer_found_than_asked(graded):
    folder, _, scores = graded
    task = load_task(folder)
    all_found = ranked(task, scores[:38])
    cut = {"ids": all_found["ids"].copy(), "scores": all_found["scores"]}
    cut["ids"][:, 4:] = -1
    assert (task.unit_values(cut) <= task.unit_values(all_found) + 1e-12).all()
    cut["ids"][:] = -1
    assert not task.unit_values(cut).any()
    with pytest.raises(ValueError, match="for 38 queries"):
        task.records({"ids": cut["ids"][:5], "scores": cut["scores"][:5]})


def test_records_as_columns(graded):
    folder, _, scores = graded
    task = load_task(folder)
    raw = task.records(ranked(task, scores[:38]))
    raw["ids"][0, 2:] = -1
    columns = task.columns(raw)
    assert columns["ids"][0].as_py() == [task.document_ids[at] for at in raw["ids"][0, :2]]
    assert columns["scores"][1].as_py() == raw["scores"][1].tolist()
    assert len(columns["ids"]) == 38


def test_the_last_of_two_judgements_counts(task_folder, write):
    folder = task_folder("retrieval")
    (folder / "qrels" / "test.jsonl").unlink()
    write("made/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t3\nq1\td2\t1\nq1\td1\t1\n")
    task = load_task(folder)
    assert task.qrels.grades.tolist() == [1.0, 1.0]
    assert task.notes == ("test.tsv: 1 pairs are judged again; the last judgement counts",)


def test_thousands_of_queries_are_scored_in_milliseconds(write, tmp_path):
    n = 3000
    write("t/corpus.jsonl", [{"_id": f"d{i}", "title": "", "text": "x"} for i in range(n)])
    write("t/queries.jsonl", [{"_id": f"q{i}", "text": "x"} for i in range(n)])
    write("t/qrels/test.tsv", [{"query-id": f"q{i}", "corpus-id": f"d{i}", "score": 1} for i in range(n)])
    task = load_task(tmp_path / "t")
    ids = np.random.default_rng(0).integers(0, n, (n, DEPTH), dtype=np.int32)
    task.unit_values({"ids": ids})
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        task.unit_values({"ids": ids})
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.03


def test_overlap_with_the_reference(task_folder):
    task = load_task(task_folder("fidelity"))
    assert (task.is_quality, task.metric, task.reference) == (False, "overlap@10", None)
    reference, raw = ({"ids": np.array(ids, np.int32)} for ids in ([[0, 1], [1, -1]], [[1, 0], [0, -1]]))
    assert task.unit_values(raw, reference).tolist() == [1.0, 0.0]
    assert task.unit_values(raw, raw).tolist() == [1.0, 1.0]
    assert task.statistic([raw, reference], reference).point().tolist() == [0.5, 1.0]
    nothing = {"ids": np.full((2, 2), -1, np.int32)}
    assert task.unit_values(nothing, reference).tolist() == [0.0, 0.0]
    assert task.unit_values(raw, nothing).tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="fidelity needs a reference"):
        task.statistic([raw])


def test_documents_stand_in_for_queries(write, tmp_path):
    write("t/corpus.jsonl", [{"_id": f"d{i}", "text": f"text {i}"} for i in range(700)])
    write("t/task.toml", 'reference = "all-MiniLM-L6-v2"')
    task, again = load_task(tmp_path / "t"), load_task(tmp_path / "t")
    assert len(task.units) == len(set(task.units.ids)) == 500
    assert task.units.ids == again.units.ids
    assert task.fingerprint == again.fingerprint
    assert task.reference == "all-MiniLM-L6-v2"
    assert task.queries[7] == f"text {task.units.ids[7][1:]}"
    own = task.sources[:, None].astype(np.int32)
    others = (own + np.arange(1, 20, dtype=np.int32)) % 700
    first, last = ({"ids": np.hstack(parts)} for parts in ((own, others), (others[:, :12], own)))
    assert task.unit_values(first, last).tolist() == [1.0] * 500
    shifted = {"ids": np.hstack((own, others[:, 1:]))}
    np.testing.assert_allclose(task.unit_values(shifted, first), 0.9)


def test_one_document_ranks_nothing(write, tmp_path):
    write("t/corpus.jsonl", [{"_id": "d", "text": "alone"}])
    with pytest.raises(InputError, match="one document has nothing to be ranked against"):
        load_task(tmp_path / "t")
