"""Records: derived from stored vectors, kept, and found again for exactly the same question."""

import shutil

import numpy as np
import pytest
from scipy.stats import spearmanr

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.encode.torch import TorchEncoder
from sizewise.evaluate import applies, evaluate, record, record_key
from sizewise.pipeline.bench import Bench


@pytest.fixture
def bench(store):
    return Bench(store)


@pytest.fixture(scope="module")
def search(retrieval_folder):
    return load_task(retrieval_folder)


@pytest.fixture(scope="module")
def pairs(similarity_folder):
    return load_task(similarity_folder)


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def candidates(*texts, model):
    return [parse(text.replace("M", str(model), 1) if text.startswith("M") else text) for text in texts]


# --- what comes out


@pytest.mark.parametrize("model", ["tiny_model", "dense_model", "dot_model"])
def test_similarity_is_that_of_sentence_transformers_and_scipy(bench, pairs, model, request):
    from sentence_transformers import SentenceTransformer

    folder = request.getfixturevalue(model)
    peer = SentenceTransformer(str(folder), device="cpu")
    wanted = peer.similarity_pairwise(peer.encode(list(pairs.first)), peer.encode(list(pairs.second))).numpy()
    found = record(bench, pairs, parse(str(folder)))
    np.testing.assert_allclose(found["scores"], wanted, rtol=1e-4, atol=1e-5)
    assert pairs.statistic([found]).point() == pytest.approx([spearmanr(wanted, pairs.gold).statistic])


def test_retrieval_is_exact_search_on_sentence_transformers_vectors(bench, search, tiny_model):
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(tiny_model), device="cpu")
    exactly = peer.encode(list(search.queries)) @ peer.encode(list(search.documents)).T
    found = record(bench, search, parse(str(tiny_model)))
    assert found["ids"].shape == (20, 100)
    np.testing.assert_allclose(found["scores"][:, :60], -np.sort(-exactly, axis=1), atol=1e-5)
    np.testing.assert_array_equal(found["ids"][:, 0], exactly.argmax(axis=1))
    assert (found["ids"][:, 60:] == -1).all()


def test_pairs_of_codes_are_scored_by_their_dot_products(bench, pairs, tiny_model):
    found = record(bench, pairs, parse(f"{tiny_model}+binary"))["scores"]
    assert set(np.unique(found)) <= set(range(-32, 33, 2)), "32 less twice the Hamming distance"


def test_vectors_of_labelled_texts(bench, tmp_path, tiny_model, sentences):
    import json

    for file, texts in (("train.jsonl", sentences[:40]), ("test.jsonl", sentences[40:60])):
        rows = [{"text": text, "label": "long" if len(text) > 40 else "short"} for text in texts]
        (tmp_path / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_task(tmp_path, protocol="full")
    for text in ("M", "M+truncate=8", "M+int8", "M+binary"):
        (candidate,) = candidates(text, model=tiny_model)
        found = record(bench, task, candidate)
        assert all(len(array) for array in found.values())


# --- what is left out


def test_lexical_ranking_applies_to_rankings_only(search, pairs):
    assert applies(parse("bm25"), search)
    assert not applies(parse("bm25"), pairs)
    assert applies(parse("m"), pairs)


def test_candidates_that_do_not_apply_are_left_out(bench, pairs, search, tiny_model):
    both = candidates("bm25", "M", model=tiny_model)
    assert [str(one) for one, _ in evaluate(bench, pairs, both)] == [str(both[1])]
    assert {str(one) for one, _ in evaluate(bench, search, both)} == {str(one) for one in both}


def test_shapes_are_refused_before_anything_is_encoded(bench, search, tiny_model, monkeypatch):
    monkeypatch.setattr(TorchEncoder, "encode", lambda *_: pytest.fail("encoded"))
    both = candidates("M", "shape:bert-base+int8", model=tiny_model)
    with pytest.raises(InputError, match=r"^shape:bert-base\+int8 has random weights: its cost can be measured"):
        list(evaluate(bench, search, both))


def test_candidates_of_one_model_follow_each_other(bench, search, tiny_model, dense_model):
    made = [parse(f"{model}+truncate={kept}") for kept in (8, 4) for model in (tiny_model, dense_model)]
    names = [str(one.model) for one, _ in evaluate(bench, search, made)]
    assert len(names) == 4
    assert names[0] == names[1] != names[2] == names[3]


# --- what is kept

ALL = ("bm25", "M", "M@bf16", "M+truncate=8", "M+whiten=8+int8", "M+binary+rescore=20")


def test_a_second_evaluation_neither_encodes_nor_computes(bench, store, search, tiny_model, monkeypatch):
    made = candidates(*ALL, model=tiny_model)
    first = {str(one): raw for one, raw in evaluate(bench, search, made)}
    monkeypatch.setattr(TorchEncoder, "encode", lambda *_: pytest.fail("encoded again"))
    monkeypatch.setattr("sizewise.evaluate.derived", lambda *_: pytest.fail("derived again"))
    monkeypatch.setattr("sizewise.pipeline.stages.lexical", lambda *_: pytest.fail("ranked again"))
    for one, raw in evaluate(Bench(store), search, made):
        assert_same(raw, first[str(one)])


def test_new_transforms_of_known_vectors_do_not_encode(bench, store, search, tiny_model, monkeypatch):
    record(bench, search, parse(str(tiny_model)))
    monkeypatch.setattr(TorchEncoder, "encode", lambda *_: pytest.fail("encoded again"))
    for one in candidates("M+truncate=8", "M+pca=4", "M+whiten=4+binary", "M+int8+rescore=5", model=tiny_model):
        record(Bench(store), search, one)


def test_the_same_task_elsewhere_and_the_same_model_elsewhere_are_known(
    bench, store, search, tiny_model, tmp_path, monkeypatch
):
    first = record(bench, search, parse(f"{tiny_model}+int8"))
    monkeypatch.setattr(TorchEncoder, "encode", lambda *_: pytest.fail("encoded again"))
    task = load_task(shutil.copytree(search.path, tmp_path / "task"), name="other")
    model = shutil.copytree(tiny_model, tmp_path / "model")
    assert_same(record(Bench(store), task, parse(f"{model}+int8")), first)


def test_every_candidate_has_a_record_of_its_own(bench, search, tiny_model, dense_model):
    made = [
        *candidates(*ALL, model=tiny_model),
        *candidates("M+int8", "M+int8+rescore=10", "M+int8+rescore=20", "M+pca=8", "M+pca=9", model=tiny_model),
        *candidates("M+binary", "M+binary-asym", "M+truncate=8+int8", model=tiny_model),
        *candidates('M[query="a "]', 'M[document="a "]', model=tiny_model),
        parse(str(dense_model)),
    ]  # fmt: skip
    keys = [record_key(bench, search, one) for one in made]
    assert len(set(keys)) == len(keys)


def test_a_record_depends_on_the_tasks_data_prompts_and_what_is_fitted_on(bench, search, pairs, tmp_path, tiny_model):
    fitted, plain = candidates("M+int8", "M", model=tiny_model)
    folder = shutil.copytree(pairs.path, tmp_path / "pairs")
    keys = {record_key(bench, pairs, fitted)}
    (folder / "train.csv").write_text("sentence1,sentence2,score\nthe sea,a lake,1\na bird,the fish,2\n")
    keys.add(record_key(bench, load_task(folder), fitted))
    (folder / "task.toml").write_text('prompts = { text = "moon " }\n')
    keys.add(record_key(bench, load_task(folder), fitted))
    keys |= {record_key(bench, pairs, plain), record_key(bench, search, plain)}
    assert len(keys) == 5


def test_a_record_depends_on_the_version_of_the_scoring(bench, search, tiny_model, monkeypatch):
    for one in candidates("bm25", "M", model=tiny_model):
        before = record_key(bench, search, one)
        monkeypatch.setattr("sizewise.evaluate.SCORING", 99)
        assert record_key(bench, search, one) != before
        monkeypatch.undo()


def test_an_interrupted_evaluation_goes_on(bench, store, search, tiny_model, monkeypatch):
    made = candidates("bm25", "M", "M+int8", model=tiny_model)
    going = evaluate(bench, search, made)
    done = [next(going) for _ in range(2)]
    going.close()
    monkeypatch.setattr(TorchEncoder, "encode", lambda *_: pytest.fail("encoded again"))
    found = {str(one): raw for one, raw in evaluate(Bench(store), search, made)}
    assert len(found) == 3
    for one, raw in done:
        assert_same(found[str(one)], raw)


@pytest.mark.slow
def test_the_real_model_scores_what_was_measured_before(bench):
    from pathlib import Path

    folder = Path(__file__).parents[2] / "shared" / "data" / "stsb" / "en"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    task = load_task(folder)
    found = record(bench, task, parse("all-MiniLM-L6-v2"))
    assert 100 * spearmanr(found["scores"], task.gold).statistic == pytest.approx(82.03, abs=0.02)
