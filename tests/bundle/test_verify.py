"""What `verify` looks at besides files: vectors, batch neighbours, rankings, sentence-transformers, scores."""

import json
import shutil

import numpy as np
import pytest

from sizewise.bundle import answers, elsewhere, fresh
from sizewise.bundle import verify as module
from sizewise.bundle.score import points, served_record
from sizewise.bundle.verify import Report, distance, near_tie, verify
from sizewise.core.errors import InputError, RunError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.encode.torch import TorchEncoder
from sizewise.evaluate import record
from sizewise.pipeline.build import build

CHECKS = ["certificate", "files", "vectors", "neighbours", "rankings", "sentence-transformers"]


@pytest.fixture(scope="module")
def whole(write_bundle, tiny_model):
    return write_bundle(f"{tiny_model}+truncate=16+int8")


def failed(report):
    return [one.check for one in report.findings if one.passed is False]


def one(report, check):
    return next(finding for finding in report.findings if finding.check == check)


def test_a_whole_bundle(whole):
    found = verify(whole)
    assert [one.check for one in found.findings] == CHECKS
    assert found.passed
    assert failed(found) == []
    for check in ("vectors", "neighbours", "sentence-transformers"):
        assert "worst cosine 1.0000000 (least: 0.99999)" in one(found, check).detail
    assert one(found, "rankings").detail == "the first 10 that each of 48 canaries finds are the same"
    assert one(found, "rankings").numbers["equal_codes"] == 1.0
    assert Report.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_bfloat16_may_differ_by_more(write_bundle, tiny_model):
    found = verify(write_bundle(f"{tiny_model}@bf16+pca=8"))
    assert found.passed, found
    assert one(found, "vectors").numbers["least_cosine"] == 0.999
    assert one(found, "sentence-transformers").numbers["worst_cosine"] > 0.9999


def test_lengths_matter_for_dot_products(write_bundle, dot_model, monkeypatch):
    folder = write_bundle(str(dot_model))
    assert "lengths at most" in one(verify(folder), "vectors").detail
    really = TorchEncoder.encode
    monkeypatch.setattr(TorchEncoder, "encode", lambda *given: np.float32(1.1) * really(*given))
    found = verify(folder)
    assert one(found, "vectors").numbers["worst_cosine"] == pytest.approx(1.0)
    assert failed(found) == ["vectors", "sentence-transformers"] or failed(found) == ["vectors"]


def test_bm25_has_rankings_only(write_bundle):
    found = verify(write_bundle("bm25"))
    assert [one.check for one in found.findings] == ["certificate", "files", "rankings"]
    assert found.passed


def test_other_vectors_are_found_out(whole, monkeypatch):
    """As if the runtime computed something else than it did."""
    really = TorchEncoder.encode

    def turned(self, texts, role, prompt):
        vectors = really(self, texts, role, prompt)
        return vectors + np.float32(0.02) * np.roll(vectors, 1, axis=1)

    monkeypatch.setattr(TorchEncoder, "encode", turned)
    found = verify(whole)
    assert "vectors" in failed(found)
    assert "neighbours" not in failed(found)
    assert "it is not so that canary vectors are those of the certificate: worst cosine 0.99" in found.problem


def test_neighbours_that_matter_are_found_out(whole, monkeypatch):
    really = TorchEncoder.encode

    def neighbourly(self, texts, role, prompt):
        vectors = really(self, texts, role, prompt)
        return vectors if len(texts) == 48 else vectors + np.float32(0.1) * vectors.mean(axis=0)[::-1]

    monkeypatch.setattr(TorchEncoder, "encode", neighbourly)
    assert failed(verify(whole)) == ["neighbours"]


def test_other_rankings_are_found_out(whole, monkeypatch):
    really = answers.Answers.of.__func__

    def mixed(cls, pipeline, texts):
        found = really(cls, pipeline, texts)
        return answers.Answers(found.scores[:, ::-1].copy(), found.vectors, found.queries, found.documents)

    monkeypatch.setattr(module.Answers, "of", classmethod(mixed))
    found = verify(whole)
    assert failed(found) == ["rankings"]
    assert "differ, and not by near ties only" in found.problem


def test_near_ties_may_change_places(whole, monkeypatch):
    """Two canaries whose scores are almost equal take each other's place at the end of the first ten."""
    then = answers.Answers.load(whole / "canary.safetensors")
    ordered = -np.sort(-then.scores, axis=1)[:, :47]
    spread = ordered[:, 0] - ordered[:, -1]
    at = int(((ordered[:, 9] - ordered[:, 10]) / spread + (ordered[:, 9] <= ordered[:, 10])).argmin())
    assert ordered[at, 9] - ordered[at, 10] < 0.02 * spread[at]
    scores = then.scores.copy()
    scores[at, np.argsort(-then.scores[at])[10]] = ordered[at, 9] + 0.001 * spread[at]
    monkeypatch.setattr(
        module.Answers,
        "of",
        classmethod(lambda *_: answers.Answers(scores, then.vectors, then.queries, then.documents)),
    )
    found = one(verify(whole), "rankings")
    assert found.passed
    assert "1 differ, by near ties only" in found.detail
    assert found.numbers["changed"] == 1
    assert 0.99 < found.numbers["overlap"] < 1


def test_near_ties():
    scores = np.array([9.0, 8.0, 7.0, 6.99, 1.0, -np.inf], dtype=np.float32)
    assert near_tie(scores, {2, 3}, {0, 1, 2}, 0.02)
    assert not near_tie(scores, {2, 4}, {0, 1, 2}, 0.02)
    assert not near_tie(scores, {2, 5}, {0, 1, 2}, 0.02)
    assert not near_tie(np.full(3, -np.inf, dtype=np.float32), {1}, set(), 0.02)


def test_distance():
    a = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=np.float32)
    assert distance(a, a) == (1.0, 0.0)
    assert distance(2 * a, a) == (1.0, 0.5)
    assert distance(a[:, ::-1], a)[0] == 0.0
    assert distance(np.full_like(a, np.nan), a)[0] < 0.5, "no number is no agreement"
    assert distance(a[:2], a) == (-1.0, np.inf)
    assert distance(np.zeros_like(a), a)[0] == 0.0


def test_sentence_transformers_is_asked_itself(whole, monkeypatch):
    really = elsewhere.vectors
    monkeypatch.setattr(elsewhere, "vectors", lambda *given: {k: v[::-1] for k, v in really(*given).items()})
    found = verify(whole)
    assert failed(found) == ["sentence-transformers"]
    assert "it is not so that sentence-transformers alone gives the same vectors" in found.problem


def test_what_does_not_load_is_said(whole, monkeypatch):
    monkeypatch.setattr(TorchEncoder, "encode", lambda *_: (_ for _ in ()).throw(RunError("no kernel for this")))
    found = verify(whole)
    assert failed(found) == ["load"]
    assert "it does not load (no kernel for this)" in found.problem


# --- scores


def row(task, value, **more):
    about = {"task": task.name, "kind": task.kind, "metric": task.metric, "value": value, "ci95": [0.0, 100.0],
             "approximate": "", "units": len(task.units), "groups": 1, "fingerprint": task.fingerprint,
             "protocol": None, "reference": None, "fitted_here": True, "measured": "when built"}  # fmt: skip
    return about | more


@pytest.fixture(scope="module")
def scored(write_bundle, tiny_model, bench, task):
    """`scored(**row)`: a bundle that claims a score, off by `off` points."""

    def make(off=0.0, **more):
        candidate = parse(f"{tiny_model}+pca=8")
        value = points(task, record(bench, task, candidate)) + off
        return write_bundle(str(candidate), measured=[row(task, value, **more)], fitted_on=task.name)

    return make


def test_the_score_is_measured_again(scored, retrieval_folder):
    found = verify(scored(), [retrieval_folder])
    assert found.findings[-1].check == "score"
    assert found.findings[-1].passed
    assert abs(found.findings[-1].numbers["difference"]) < 1e-6
    assert "ndcg@10" in found.findings[-1].detail


def test_another_score_is_refused(scored, retrieval_folder):
    assert verify(scored(off=0.05), [retrieval_folder]).passed
    found = verify(scored(off=0.2), [retrieval_folder])
    assert failed(found) == ["score"]
    assert "0.20 apart, allowed: 0.1" in found.problem


def test_other_data_have_no_score_to_compare_with(scored, retrieval_folder, tmp_path):
    folder = shutil.copytree(retrieval_folder, tmp_path / "other")
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "new", "title": "", "text": "a new river"}\n')
    found = verify(scored(), [folder])
    assert found.passed
    assert found.findings[-1].passed is None
    assert "no score to compare with: the certificate has none on these data" in found.findings[-1].detail


def test_a_score_of_some_units_is_not_comparable(scored, retrieval_folder):
    found = verify(scored(units=7), [retrieval_folder]).findings[-1]
    assert found.passed is None
    assert "7 of its 20 units were scored then, the others held out" in found.detail


def test_a_task_that_is_not_there(whole, tmp_path):
    with pytest.raises(InputError, match="is no folder; check the path"):
        verify(whole, [tmp_path / "nothing"])


def test_what_does_not_apply_to_bm25(write_bundle, similarity_folder):
    found = verify(write_bundle("bm25"), [similarity_folder]).findings[-1]
    assert (found.passed, found.detail.rpartition(": ")[2]) == (
        None,
        "similarity does not apply to what only ranks documents",
    )


def test_fidelity_needs_its_reference(write_bundle, retrieval_folder, tiny_model, tmp_path, bench):
    folder = shutil.copytree(retrieval_folder, tmp_path / "fidelity")
    shutil.rmtree(folder / "qrels")
    task = load_task(folder)
    candidate, plain = parse(f"{tiny_model}+truncate=4"), parse(str(tiny_model))
    value = points(task, record(bench, task, candidate), record(bench, task, plain))
    assert value < 100
    good = write_bundle(str(candidate), measured=[row(task, value, reference=str(plain))])
    assert verify(good, [folder]).findings[-1].passed
    gone = write_bundle(str(candidate), measured=[row(task, value, reference=str(tmp_path / "gone"))])
    assert "cannot be run here" in verify(gone, [folder]).findings[-1].detail
    assert "none is known" in verify(write_bundle(str(candidate)), [folder]).findings[-1].detail


def test_a_served_record_is_the_studys(bench, task, tiny_model, similarity_folder):
    from sizewise.core.progress import Silent

    for task_ in (task, load_task(similarity_folder)):
        candidate = parse(f"{tiny_model}+whiten=8+binary")
        measured = record(bench, task_, candidate)
        served = served_record(build(bench, candidate, task_), task_, bench.store, Silent())
        assert set(served) == set(measured)
        for name, array in measured.items():
            np.testing.assert_array_equal(array, served[name])


# --- in a process of its own


def test_a_fresh_process_gives_the_same_report(write_bundle, retrieval_folder, similarity_folder):
    folder = write_bundle("bm25")
    tasks = [retrieval_folder, similarity_folder]
    assert fresh.verify(folder, tasks) == verify(folder, tasks)


def test_nothing_in_the_current_folder_is_imported(write_bundle, tmp_path, monkeypatch):
    folder = write_bundle("bm25")
    (tmp_path / "orjson.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    assert fresh.verify(folder).passed


def test_errors_come_back_from_the_process(write_bundle, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is no bundle"):
        fresh.verify(tmp_path)
    monkeypatch.setattr(fresh.sys, "executable", "/bin/false")
    with pytest.raises(RunError, match=r"the process that checks .* ended with code 1"):
        fresh.verify(write_bundle("bm25"))


@pytest.mark.slow
def test_a_fresh_process_with_a_model(whole):
    found = fresh.verify(whole, threads=1)
    assert found.passed, found
    assert [one.check for one in found.findings] == CHECKS
