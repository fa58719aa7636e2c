"""Measured means served: what a study derives from stored vectors is what the live pipeline answers."""

import json
import shutil

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.data.task import DEPTH
from sizewise.encode.numeric import has_bfloat16
from sizewise.evaluate import record
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.build import build, index_from_store
from sizewise.pipeline.live import EmbedPipeline
from sizewise.store.store import Store

KINDS = [
    "{model}",
    "{model}@bf16",
    "{model}+truncate=8",
    "{model}+pca=8",
    "{model}+whiten=8",
    "{model}+int8",
    "{model}+binary",
    "{model}+binary-asym",
    "{model}+pca=12+truncate=8+int8",
    "{model}+binary+rescore=20",
    "{model}+truncate=8+binary-asym+rescore=40",
    '{model}[document="the ocean ",query="a river "]',
    '{model}[query="moon "]@bf16+whiten=8+int8+rescore=30',
    "bm25",
    "fuse(bm25, {model})",
    "fuse({model}+int8, bm25, w=0.7)",
    "fuse(bm25, {model}+truncate=8, {model})",
    "rerank(bm25, {model}, 10)",
    "rerank({model}+binary, {model}+int8, 40)",
    "rerank(rerank({model}+binary, {model}+int8, 40), {model}, 10)",
    "rerank({model}+truncate=4, {model}, 5, when=margin<0.05)",
    "rerank(bm25, {model}+pca=8, 7, when=margin<1.5, fresh)",
    "rerank(fuse(bm25, {model}+binary), {model}, 1000)",
    "rerank(fuse(bm25, {model}+truncate=8), {model}, 9, when=agreement<0.8)",
    "asym({model}@bf16, {model}+int8)",
]
TUNED = [
    "fuse(bm25, {model}+truncate=4, w=tuned)",
    "rerank({model}+truncate=4, {model}, 20, when=margin, risk=40)",
    "rerank(fuse({model}+truncate=2, bm25, w=tuned), {model}, 20, when=agreement, risk=40)",
]
MODELS = ["tiny_model", "dense_model", "dot_model"]


@pytest.fixture(scope="module")
def task(retrieval_folder):
    return load_task(retrieval_folder)


@pytest.fixture(scope="module")
def tuned_task(tuned_folder):
    return load_task(tuned_folder)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One for the whole file: vectors are encoded once."""
    with Store(tmp_path_factory.mktemp("store")) as store:
        yield Bench(store)


def assert_served(bench, task, candidate):
    measured = record(bench, task, candidate)
    live = build(bench, candidate, task)
    live.index(task.documents)
    ids, scores = live.search(task.queries, DEPTH, task.tie_rank)
    kept = measured["ids"].shape[1]
    assert_alike(candidate, measured, ids[:, :kept], scores[:, :kept])
    return live, measured


def assert_alike(candidate, measured, ids, scores):
    """The same documents, each with the same score: those that rounding cannot tell apart may change places. Processors
    that do not multiply bfloat16 themselves round it otherwise in batches of another size."""
    rough = "@bf16" in str(candidate) and not has_bfloat16()
    rounding = {"rtol": 5e-3, "atol": 5e-3} if rough else {"rtol": 1e-5, "atol": 1e-5}
    wanted, found = np.argsort(measured["ids"], axis=1, kind="stable"), np.argsort(ids, axis=1, kind="stable")
    by_id = [np.take_along_axis(values, order, 1) for values, order in ((measured["ids"], wanted), (ids, found))]
    np.testing.assert_array_equal(*by_id)
    by_id = [np.take_along_axis(values, order, 1) for values, order in ((measured["scores"], wanted), (scores, found))]
    np.testing.assert_allclose(*by_id, **rounding)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_measured_means_served(bench, task, model, kind, request):
    candidate = parse(kind.replace("{model}", str(request.getfixturevalue(model))))
    live, measured = assert_served(bench, task, candidate)
    stored = build(bench, candidate, task)
    index_from_store(bench, stored, task)
    kept = measured["ids"].shape[1]
    ids, scores = stored.search(task.queries, DEPTH, task.tie_rank)
    assert_alike(candidate, measured, ids[:, :kept], scores[:, :kept])
    assert live.bytes_per_vector == stored.bytes_per_vector
    if isinstance(live, EmbedPipeline):
        codes = live.encode_documents(task.documents[:3])
        assert codes.shape == (3, live.chain.dimensions)
        assert live.encode_queries(task.queries[:2]).shape == (2, live.chain.dimensions)


@pytest.mark.parametrize("kind", TUNED)
def test_what_is_tuned_is_served(bench, tuned_task, kind, tiny_model):
    """The queries that it was tuned on are not those that it is measured on, so there is one pipeline to serve."""
    assert_served(bench, tuned_task, parse(kind.replace("{model}", str(tiny_model))))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "bf16" not in kind and "bm25" not in kind])
def test_static_models_are_served_as_measured(bench, task, kind, static_model):
    assert_served(bench, task, parse(kind.replace("{model}", f"static:{static_model}")))


def test_kinds_differ(bench, task, tiny_model):
    """Else the test above could pass with transforms that do nothing."""
    kinds = [
        kind for kind in KINDS if kind != "bm25" and "1000" not in kind
    ]  # all of them ranked again: the model's own
    ids = [record(bench, task, parse(kind.replace("{model}", str(tiny_model))))["ids"] for kind in kinds]
    alike = [(kinds[a], kinds[b]) for a in range(len(ids)) for b in range(a) if np.array_equal(ids[a], ids[b])]
    assert not alike


def test_a_tasks_prompts_are_served_too(bench, retrieval_folder, tmp_path, tiny_model):
    folder = shutil.copytree(retrieval_folder, tmp_path / "prompted")
    (folder / "task.toml").write_text('prompts = { query = "music " }\n')
    prompted = load_task(folder)
    _, measured = assert_served(bench, prompted, parse(str(tiny_model)))
    _, own = assert_served(bench, prompted, parse(f'{tiny_model}[query="music "]'))
    _, without = assert_served(bench, prompted, parse(f'{tiny_model}[query=""]'))
    np.testing.assert_array_equal(measured["ids"], own["ids"])
    assert not np.array_equal(measured["ids"], without["ids"])


def test_ties_are_broken_as_trec_eval_does(bench, tmp_path, tiny_model):
    """Documents of one text: the larger id comes first, measured and served."""
    folder = tmp_path / "ties"
    (folder / "qrels").mkdir(parents=True)
    ids = [f"d{at}" for at in (3, 10, 1, 7)]
    lines = [json.dumps({"_id": name, "title": "", "text": "the river and the bank"}) for name in ids]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "river"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\n")
    tied = load_task(folder)
    for kind in ("bm25", "{model}+truncate=4", "{model}"):
        _, measured = assert_served(bench, tied, parse(kind.replace("{model}", str(tiny_model))))
        assert [ids[at] for at in measured["ids"][0] if at >= 0] == ["d7", "d3", "d10", "d1"]


def test_searching_nothing_says_what_to_do(bench, task, tiny_model):
    for text in ("bm25", str(tiny_model)):
        with pytest.raises(InputError, match=r"search needs documents: call index\(documents\) first"):
            build(bench, parse(text), task).search(["a"], 3)


def test_an_empty_index_finds_nothing(bench, task, tiny_model):
    for text in ("bm25", str(tiny_model), f"{tiny_model}+int8+rescore=5"):
        live = build(bench, parse(text), task)
        live.index([])
        assert live.search(["a river"], 3)[0].tolist() == [[-1] * 3]


def test_the_last_documents_indexed_are_the_ones_searched(bench, task, tiny_model):
    live = build(bench, parse(str(tiny_model)), task)
    live.index(["the moon", "a river"])
    live.index(["a river"])
    assert live.search(["a river"], 2)[0].tolist() == [[0, -1]]
