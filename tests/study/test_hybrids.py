"""Hybrids in a study: made from `[hybrids]`, scored, their costs composed of those of their parts."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sizewise.core.candidate import is_hybrid
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse, parse_part
from sizewise.core.progress import Silent
from sizewise.cost.figures import Figures
from sizewise.cost.measure import Plan, measure
from sizewise.cost.sample import sample
from sizewise.data.load import load_task
from sizewise.decide.holdout import Holdout
from sizewise.evaluate import record
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.build import build
from sizewise.report.hybrids import hybrids
from sizewise.study.combine import Hybrids, combined
from sizewise.study.composed import searches
from sizewise.study.config import read_config
from sizewise.study.costing import baseline_task
from sizewise.study.hybrids import Timed, asked_of, hybrid_figures, indexing
from sizewise.study.study import Study

SMALL, LARGE = (
    Figures(
        mean_ms=ms, p50_ms=ms, p95_ms=2 * ms, p99_ms=3 * ms, texts_per_s=1000 / ms, peak_memory_mb=100 * ms, load_s=ms
    )
    for ms in (1.0, 10.0)
)
LEXICAL = Figures(texts_per_s=4000.0, peak_memory_mb=20.0, load_s=0.5)
NOTHING = {"mean_ms": 0.5, "p50_ms": 0.5, "p95_ms": 0.5, "p99_ms": 0.5, "bytes_per_vector": 8.0, "index_mb": 4.0}


def figures(text, **escalated):
    known = {parse("small"): SMALL, parse("large"): LARGE, parse("bm25"): LEXICAL}
    shares = {str(parse(name)): share for name, share in escalated.items()}
    return hybrid_figures(parse(text), known, {**NOTHING, "escalated": shares})


def test_each_encoder_of_a_query_is_paid_once():
    assert figures("rerank(small, large, 50)").p95_ms == 0.5 + 2 + 20
    assert figures("rerank(rerank(large+binary, large+int8, 200), large, 50)").p95_ms == 0.5 + 20
    assert figures("fuse(bm25, small)").mean_ms == 0.5 + 1
    assert figures("fuse(small, small+int8)").mean_ms == 0.5 + 1
    assert figures("asym(small, large)").p50_ms == 0.5 + 1


def test_what_is_for_some_queries_counts_where_it_is_reached():
    one = "rerank(small, large, 50, when=margin<0.1)"
    found = hybrid_figures(
        parse(one), {parse("small"): SMALL, parse("large"): LARGE}, {**NOTHING, "escalated": {one: 0.2}}
    )
    assert found.mean_ms == pytest.approx(0.5 + 1 + 0.2 * 10)
    assert (found.p50_ms, found.p95_ms, found.p99_ms) == (0.5 + 1, 0.5 + 2 + 20, 0.5 + 3 + 30)


def test_fresh_documents_are_encoded_when_they_are_found():
    found = figures("rerank(small, large, 50, fresh)")
    assert found.mean_ms == pytest.approx(0.5 + 1 + 10 + 50 * 10)
    assert found.texts_per_s == SMALL.texts_per_s, "only the first stage encodes documents beforehand"
    assert figures("rerank(small, large, 50)").texts_per_s == pytest.approx(1000 / 11)
    assert found.memory_mb == 100 + 1000 + 4
    lexical = figures("rerank(bm25, large, 50, fresh)")
    assert (lexical.texts_per_s, lexical.memory_mb) == (4000, 20 + 1000 + 4), "bm25 has an index to make and to keep"


def test_a_cross_encoder_reads_what_was_found():
    known = {parse("small"): SMALL, parse_part("cross:x"): replace(LARGE, parameters=7, disk_mb=3.0)}
    found = hybrid_figures(parse("rerank(small, cross:x, 50)"), known, {**NOTHING, "escalated": {}})
    assert found.mean_ms == pytest.approx(0.5 + 1 + 50 * 10)
    assert (found.memory_mb, found.load_s) == (100 + 1000 + 4, 11.0)
    assert found.texts_per_s == SMALL.texts_per_s, "documents are read when they are found"


def test_what_is_not_known_of_a_part_is_not_known_of_the_whole():
    known = {parse("small"): SMALL, parse("large"): replace(LARGE, p95_ms=None, peak_memory_mb=None)}
    found = hybrid_figures(parse("rerank(small, large, 5)"), known, {**NOTHING, "escalated": {}})
    assert (found.p95_ms, found.memory_mb) == (None, None)
    assert found.p50_ms == 0.5 + 1 + 10


def test_who_encodes_what():
    nested = parse("rerank(fuse(bm25, small+int8), large, 9, fresh)")
    assert asked_of(nested) == {parse("small"): 1.0, parse("large"): 1.0}
    assert indexing(nested) == [parse("bm25"), parse("small")]
    assert indexing(parse("asym(small, large+int8)")) == [parse("large")]


def test_all_that_a_table_stands_for():
    asked = Hybrids(
        rerankers=("large",), depths=(5, 9), margins=(0.1,), weights=(0.3,), fuse=True, asym=True, funnels=True
    )
    candidates = [parse(one) for one in ("small", "large", "small+int8", "shape:bert-base")]
    found = combined(asked, candidates, lambda one: 64 if one == parse("small") else 384)
    names = [str(one) for one in found]
    assert len(names) == len(set(names))
    for wanted in (
        "fuse(small, large)", "fuse(small, bm25, w=0.3)", "rerank(bm25, large, 5)",
        "rerank(small, large, 9, when=margin<0.1)", "rerank(fuse(small, bm25), large, 5)", "asym(small, large)",
        "rerank(small+binary, small, 5)", "rerank(rerank(large+binary, large+int8, 36), large, 9)",
    ):  # fmt: skip
        assert wanted in names
    assert not [name for name in names if "shape:" in name]
    assert "rerank(large, large, 5)" not in names
    assert "rerank(large+truncate=128, large, 5)" in names
    assert "rerank(small+truncate=128, small, 5)" not in names, "it has no 128 dimensions"
    assert all(parse(name) == one for name, one in zip(names, found, strict=True))
    crossed = combined(Hybrids(rerankers=("cross:./ce",), depths=(5,), fresh=True), candidates, lambda _: 384)
    assert "rerank(small, cross:./ce, 5)" in [str(one) for one in crossed]


def test_what_is_tuned_is_asked_for():
    asked = Hybrids(rerankers=("large",), depths=(5,), risks=(0.5,), fuse=True, tune=True)
    names = [str(one) for one in combined(asked, [parse("small")], lambda _: 384)]
    for wanted in (
        "fuse(small, bm25, w=tuned)", "rerank(small, large, 5, when=margin, risk=0.5)",
        "rerank(fuse(small, bm25, w=tuned), large, 5, when=agreement, risk=0.5)",
    ):  # fmt: skip
        assert wanted in names
    assert "rerank(small, large, 5, when=agreement, risk=0.5)" not in names, "one view agrees with nobody"


@pytest.mark.parametrize("text", ["bm25", "fuse(a, b)", "m+binary+rescore=9"])
def test_what_does_not_rank_again(text):
    with pytest.raises(InputError, match="does not rank again; name an encoder"):
        combined(Hybrids(rerankers=(text,)), [parse("m")], lambda _: 384)


@pytest.fixture
def pair(tiny_model, dense_model):
    return str(tiny_model), str(dense_model)


def test_a_study_of_hybrids(pair, tasks, tmp_path, cheap_costs):
    small, large = pair
    patch = cheap_costs()
    try:
        run = Study(
            [tasks["retrieval"]], [small], store=tmp_path / "store", threads=1,
            hybrids=Hybrids((), (large,), (5, 20), (3e-4, 3e-3, 3e-2), weights=(0.5,), fuse=True, asym=True),
        ).run(tmp_path / "run")  # fmt: skip
    finally:
        patch.undo()
    names = set(run.evidence.candidates)
    assert {small, large, "bm25", f"fuse({small}, bm25)", f"asym({small}, {large})"} <= names
    for name in names:
        if is_hybrid(parse(name)):
            assert run.evidence.figures[name].source == "composed"
            assert run.evidence.figures[name].p95_ms > 0
    timed = searches(tmp_path / "run" / "searches.json")
    shares = {margin: timed[name]["escalated"][name] for margin in (3e-4, 3e-3, 3e-2)
              if (name := f"rerank({small}, {large}, 20, when=margin<{margin})")}  # fmt: skip
    assert list(shares.values()) == sorted(shares.values())
    margin = next(margin for margin, share in shares.items() if 0 < share < 1)
    adaptive = run.evidence.figures[f"rerank({small}, {large}, 20, when=margin<{margin})"]
    whole = run.evidence.figures[f"rerank({small}, {large}, 20)"]
    assert adaptive.mean_ms < whole.mean_ms
    deep = f"rerank({small}, {large}, 20)"
    found = run.evidence.compared[0].points
    assert found[run.evidence.candidates.index(deep)] != found[run.evidence.candidates.index(small)]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["evidence"]


@pytest.fixture
def tuned_run(pair, tuned_folder, tmp_path, cheap_costs):
    """A study whose weights and thresholds are found on queries kept for it."""

    def study(**more):
        small, large = pair
        patch = cheap_costs()
        try:
            return Study(
                [tuned_folder], [f"{small}+truncate=4"], store=tmp_path / "store", threads=1,
                hybrids=Hybrids(
                    (f"{small}+truncate=4", "bm25"), (large,), (5, 20), risks=(40.0,), fuse=True, tune=True
                ), **more,
            ).run(tmp_path / "run")  # fmt: skip
        finally:
            patch.undo()

    return study


def test_what_was_tuned_and_what_a_pool_holds_is_told(tuned_run, pair):
    run = tuned_run()
    small, large = pair
    cascade = f"rerank({small}+truncate=4, {large}, 20, when=margin, risk=40.0)"
    told = {one["stage"]: one for one in run.about["tuned"] if one["candidate"] == one["stage"]}
    assert told[f"fuse({small}+truncate=4, bm25, w=tuned)"]["found"].startswith("w=0.")
    assert told[cascade]["queries"] == 40
    assert told[cascade]["on"] == "queries kept for it"
    at = run.evidence.candidates.index
    points = run.evidence.compared[0].points
    pools = {(one["first"], one["depth"]): one["ceiling"] for one in run.about["ceilings"]}
    first = f"{small}+truncate=4"
    assert pools[first, 20] >= pools[first, 5] >= points[at(first)] - 1e-4
    for depth in (5, 20):
        assert points[at(f"rerank({first}, {large}, {depth})")] <= pools[first, depth] + 1e-4
    rows = hybrids(run, run.terms)
    assert {row["candidate"] for row in rows["cascades"]} >= {cascade}
    assert all(row["enough"] <= row["deepest"] == 20 for row in rows["depths"])
    assert {row["first"] for row in rows["depths"]} >= {first, "bm25"}
    one = next(row for row in rows["cascades"] if row["candidate"] == cascade)
    assert one["always"][1] <= one["always"][0] <= one["always"][2]


def test_chosen_by_other_queries_than_those_that_confirm(tuned_run, tuned_folder):
    run = tuned_run(confirm=Holdout(tune=True))
    assert run.evidence.tasks[0].units == 40, "decided on the queries kept for it"
    (confirmed,) = run.about["confirmation"]["tasks"]
    assert confirmed["units"] == 20
    assert 0 <= confirmed["score"] <= 100
    (again,) = run.tasks()
    assert again.is_tune
    assert again.queries == load_task(tuned_folder).tune.queries


def test_nothing_to_choose_by(retrieval_folder, tiny_model, tmp_path):
    with pytest.raises(InputError, match=r"no task has any; add qrels/train.tsv to one, or give a share"):
        Study([retrieval_folder], [str(tiny_model)], store=tmp_path, confirm=Holdout(tune=True)).plan()


def test_a_finalist_is_measured_end_to_end(quick, tasks, store):
    one, task = parse("rerank(fake:letters, fake:words, 10)"), load_task(tasks["retrieval"])
    record(Bench(store), task, one)
    plan = Plan(sample([task]), 1, task=baseline_task([task]), store=store.root, pipelines=True)
    found = measure([one], plan, Silent()).figures[one]
    assert found.source == "measured"
    assert 0 < found.p50_ms <= found.p95_ms
    assert found.bytes_per_vector > 0


def test_searches_are_timed_without_encoding(pair, tasks, store, monkeypatch):
    small, large = pair
    bench, task = Bench(store), load_task(tasks["retrieval"])
    one = parse(f"rerank(fuse({small}+int8, bm25), {large}, 10, when=margin<0.01, fresh)")
    record(bench, task, one)
    encoder = type(bench.encoder(parse(small).model))
    monkeypatch.setattr(encoder, "encode", lambda *_: pytest.fail("encoded"))
    found = Timed(bench, task, 5, 1).searched(one)
    assert found["mean_ms"] > 0
    assert found["bytes_per_vector"] == bench.encoder(parse(small).model).dimensions, (
        "nothing of the large one is stored"
    )
    assert np.isclose(found["index_mb"], found["bytes_per_vector"] * 70 / 1e6)


def test_a_study_without_a_search(pair, tasks, tmp_path, cheap_costs):
    """Hybrids rank documents, and there are none: told, not timed."""
    small, _ = pair
    patch = cheap_costs()
    try:
        run = Study([tasks["classification"]], [small, f"fuse(bm25, {small}+binary)"], store=tmp_path / "store").run(
            tmp_path / "run"
        )
    finally:
        patch.undo()
    hybrid = f"fuse(bm25, {small}+binary)"
    assert np.isnan(run.evidence.compared[0].points[run.evidence.candidates.index(hybrid)])
    assert run.evidence.figures[hybrid].p95_ms is None


def test_what_a_timing_depends_on(pair, tasks, store):
    bench, task = Bench(store), load_task(tasks["retrieval"])
    one, two = (parse(f"rerank(bm25, {name}, 5)") for name in pair)
    keys = {Timed(bench, task, 5, threads).key(each) for threads in (1, 2) for each in (one, two)}
    assert len(keys) == 4


def test_endpoints_are_no_part_of_a_hybrid_yet(tasks, tmp_path):
    with pytest.raises(InputError, match="ranks with an endpoint, whose price is not composed yet"):
        Study([tasks["retrieval"]], ["fuse(bm25, remote:large)"], store=tmp_path).plan()


def test_shapes_are_no_part_of_a_hybrid(tasks, tmp_path, tiny_model):
    with pytest.raises(InputError, match="whose weights are random; name shapes alone"):
        Study([tasks["retrieval"]], [f"rerank({tiny_model}, shape:bert-base, 5)"], store=tmp_path).plan()


def read(tmp_path, text):
    (tmp_path / "STUDY.toml").write_text(f'tasks = ["x"]\n{text}')
    return read_config(tmp_path / "STUDY.toml").hybrids


def test_what_a_study_file_may_say(tmp_path):
    assert read(tmp_path, '[hybrids]\nrerankers = ["m"]\ndepths = [7]\nmargins = [0.1, 2]\nfresh = true') == Hybrids(
        rerankers=("m",), depths=(7,), margins=(0.1, 2.0), fresh=True
    )
    assert read(tmp_path, "[hybrids]\nfuse = true\nweights = [0.5]") == Hybrids(fuse=True, weights=(0.5,))
    assert read(tmp_path, "") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[hybrids]", "hybrids asks for nothing"),
        ("[hybrids]\nfuse = true\nrisks = [100]", "hybrids.risks must be points"),
        ('[hybrids]\nrerankers = ["m"]\ntune = true', "hybrids.tune is for weights of fusions"),
        ("[hybrids]\nfuse = 1", "hybrids.fuse must be true or false"),
        ("[hybrids]\nfuse = true\nasym = true", "hybrids.asym needs rerankers"),
        ("[hybrids]\nfuse = true\nweights = [1.0]", "hybrids.weights must lie between 0 and 1"),
        ('[hybrids]\nrerankers = ["m"]\nmargins = [-1]', "hybrids.margins must be a list of numbers above zero"),
        ('[hybrids]\nreranker = ["m"]', "hybrids.reranker is not known; did you mean rerankers?"),
    ],
)
def test_what_it_may_not(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_cross_encoder_in_a_study(pair, tasks, tmp_path, cross_model, cheap_costs, store):
    """Scored once a pair, whatever found it and however deep; its time is that of a pair by the number of them."""
    small, _ = pair
    deep, shallow = (f"rerank({small}, cross:{cross_model}, {depth})" for depth in (20, 5))
    patch = cheap_costs()
    try:
        run = Study([tasks["retrieval"]], [deep, shallow], store=tmp_path / "store", threads=1).run(tmp_path / "run")
    finally:
        patch.undo()
    assert run.evidence.figures[deep].mean_ms > run.evidence.figures[shallow].mean_ms > 0
    assert run.evidence.figures[deep].memory_mb > run.evidence.figures[small].memory_mb > 0
    bench, task = Bench(store), load_task(tasks["retrieval"])
    live = build(bench, parse(deep), task)
    live.index(task.documents)
    ids, _ = live.search(task.queries, 10, task.tie_rank)
    np.testing.assert_array_equal(record(bench, task, parse(deep))["ids"][:, :10], ids)
    scorer = type(bench.encoder(parse(deep).second.scorer))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "encode", lambda *_: pytest.fail("scored again"))
        record(bench, task, parse(shallow))
    with pytest.raises(InputError, match=r"is no cross-encoder \(BertModel\)"):
        record(bench, task, parse(f"rerank(bm25, cross:{small}, 5)"))


def test_too_few_texts_to_align_on_are_told_before_work(pair, tmp_path):
    small, large = pair
    (tmp_path / "few").mkdir()
    for name, texts in (("corpus", ["a river", "the moon", "snow"]), ("queries", ["river", "moon"])):
        rows = [json.dumps({"_id": f"{name}{at}", "text": text}) for at, text in enumerate(texts)]
        (tmp_path / "few" / f"{name}.jsonl").write_text("\n".join(rows))
    (tmp_path / "few" / "qrels").mkdir()
    (tmp_path / "few" / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nqueries0\tcorpus0\t1\nqueries1\tcorpus1\t1\n"
    )
    study = Study([tmp_path / "few"], [f"fuse(bm25, asym({small}, {large}))"], store=tmp_path / "store")
    with pytest.raises(
        InputError, match=r"asym\(.*its alignment needs 10 or more texts that are not tested .* offers 3;"
    ):
        study.run(tmp_path / "run")
    assert not (tmp_path / "store" / "vectors").exists(), "nothing was encoded"
