"""Hybrids on odd input: nothing found, equal documents, depths beyond the corpus, a reranker that dies half way."""

import json

import numpy as np
import pytest

from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.encode.cross import CrossScores
from sizewise.evaluate import record
from sizewise.pipeline import stages
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.build import build

DOCUMENTS = ["a river runs", "a river runs", "the moon", "an ocean"]


@pytest.fixture
def odd(tmp_path):
    """Equal documents; a query of unknown words and one of known ones."""
    folder = tmp_path / "odd"
    (folder / "qrels").mkdir(parents=True)
    lines = [{"_id": f"d{at}", "title": "", "text": text} for at, text in enumerate(DOCUMENTS)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    queries = [{"_id": "q0", "text": "qqqq zzzz"}, {"_id": "q1", "text": "river"}, {"_id": "q2", "text": "moon"}]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td3\t1\nq1\td0\t1\nq2\td2\t1\n")
    return load_task(folder)


def both(bench, task, text):
    """Rankings as measured, and as served."""
    measured = record(bench, task, parse(text))["ids"]
    live = build(bench, parse(text), task)
    live.index(task.documents)
    served = live.search(task.queries, measured.shape[1], task.tie_rank)[0]
    np.testing.assert_array_equal(measured, served)
    return [[at for at in row if at >= 0] for row in measured.tolist()]


def test_a_query_of_unknown_words(store, odd, tiny_model):
    bench = Bench(store)
    assert both(bench, odd, f"rerank(bm25, {tiny_model}, 2)")[0] == [], "nothing is found, so nothing is ranked again"
    assert both(bench, odd, f"rerank(bm25, {tiny_model}, 2, when=margin<1)")[0] == []
    alone = both(bench, odd, str(tiny_model))
    assert both(bench, odd, f"fuse(bm25, {tiny_model})")[0] == alone[0], "the other one's results"
    assert both(bench, odd, f"fuse(bm25, {tiny_model}, w=0.7)")[0] == alone[0]
    assert both(bench, odd, f"rerank(fuse(bm25, {tiny_model}), {tiny_model}, 9, when=agreement<0.5)")[0] == alone[0]


def test_equal_documents_stay_in_the_order_of_their_ids(store, odd, tiny_model):
    bench = Bench(store)
    ways = ("bm25", "fuse(bm25, {})", "rerank(bm25, {}, 9)", "rerank({}+binary, {}, 9)")
    for text in (way.replace("{}", str(tiny_model)) for way in ways):
        found = both(bench, odd, text)[1]
        assert [at for at in found if at in (0, 1)] == [1, 0], "the larger id first, as trec_eval has it"


def test_a_depth_beyond_the_corpus(store, odd, tiny_model):
    bench = Bench(store)
    one, other = (both(bench, odd, f"rerank({tiny_model}+binary, {tiny_model}, {depth})") for depth in (4, 10**9))
    assert one == other == both(bench, odd, str(tiny_model))


def test_a_reranker_that_dies_half_way(store, odd, tiny_model, cross_model, monkeypatch):
    """What it had scored is kept, and the same call goes on from there."""
    monkeypatch.setattr(stages, "QUERIES", 1)
    encode, scored = CrossScores.encode, []

    def dies(self, texts, role, prompt):
        if len(scored) == 2 and not survives:
            raise RuntimeError("the device is gone")
        scored.append(len(texts))
        return encode(self, texts, role, prompt)

    monkeypatch.setattr(CrossScores, "encode", dies)
    candidate, survives = parse(f"rerank({tiny_model}, cross:{cross_model}, 3)"), False
    with pytest.raises(RuntimeError, match="the device is gone"):
        record(Bench(store), odd, candidate)
    survives = True
    whole = record(Bench(store), odd, candidate)["ids"]
    assert len(scored) == 3, "one query's pairs were left to score"
    monkeypatch.setattr(CrossScores, "encode", encode)
    live = build(Bench(store), candidate, odd)
    live.index(odd.documents)
    np.testing.assert_array_equal(live.search(odd.queries, whole.shape[1], odd.tie_rank)[0], whole)
