"""Bundles of several stages: they answer as measured, hold each model once, and a change in them is found."""

import json
import shutil

import numpy as np
import pytest

from sizewise.bundle.layout import Layout
from sizewise.bundle.load import load_bundle
from sizewise.bundle.score import served_record
from sizewise.bundle.verify import verify
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.core.progress import Silent
from sizewise.data.task import DEPTH
from sizewise.evaluate import record

KINDS = [
    "fuse(bm25, {tiny})",
    "fuse({tiny}+int8, {dense}+pca=8, w=0.3)",
    "rerank({tiny}+binary, {tiny}, 10)",
    "rerank(rerank({tiny}+binary, {tiny}+int8, 30), {dense}, 10, when=margin<0.05)",
    "rerank(fuse(bm25, {tiny}+truncate=8), {dense}, 7, when=agreement<0.7, fresh)",
    "asym({tiny}, {dense}+int8)",
]


@pytest.fixture(scope="module")
def named(tiny_model, dense_model):
    return lambda kind: kind.replace("{tiny}", str(tiny_model)).replace("{dense}", str(dense_model))


def assert_answers(bundle, bench, task, candidate, measured=None):
    measured, live = measured or record(bench, task, candidate), load_bundle(bundle)
    live.index(task.documents)
    ids, scores = live.search(task.queries, DEPTH, task.tie_rank)
    kept = measured["ids"].shape[1]
    np.testing.assert_array_equal(measured["ids"], ids[:, :kept])
    np.testing.assert_allclose(measured["scores"], scores[:, :kept], rtol=1e-5, atol=1e-5)
    again = served_record(load_bundle(bundle), task, bench.store, Silent())
    np.testing.assert_array_equal(again["ids"][:, :kept], measured["ids"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_answers_as_measured(kind, named, write_bundle, bench, task):
    text = named(kind)
    bundle = write_bundle(text)
    assert_answers(bundle, bench, task, parse(text))
    found = verify(bundle)
    assert found.passed, found.problem
    assert found.candidate == str(parse(text))


@pytest.mark.parametrize("engine", ["", "@fp32/openvino", "@fp32/onnx"])
def test_with_a_cross_encoder(engine, cross_model, tiny_model, write_bundle, bench, task, tmp_path):
    """Served when the model that it was made from is gone."""
    copy = shutil.copytree(cross_model, tmp_path / "cross")
    text = f"rerank({tiny_model}, cross:{copy}{engine}, 5)"
    bundle = write_bundle(text)
    measured = record(bench, task, parse(text))
    shutil.rmtree(copy)
    assert_answers(bundle, bench, task, parse(text), measured)
    assert verify(bundle).passed


def test_each_model_lies_there_once(named, write_bundle):
    bundle = write_bundle(named("rerank(rerank({tiny}+binary, {tiny}+int8, 30), {tiny}, 10)"))
    assert [path.name for path in sorted((bundle / "models").iterdir())] == ["0"]
    assert {str(part.candidate) for part in Layout.read(bundle).parts} == {
        named(name) for name in ("{tiny}+binary", "{tiny}+int8", "{tiny}")
    }


def test_the_model_that_it_was_made_from_may_be_gone(named, write_bundle, dense_model, tmp_path):
    copy = shutil.copytree(dense_model, tmp_path / "gone")
    bundle = write_bundle(f"fuse(bm25, {copy})")
    shutil.rmtree(copy)
    live = load_bundle(bundle)
    live.index(["a river", "the moon"])
    assert live.search(["moon"], 1)[0].tolist() == [[1]]


def test_a_changed_part_is_found(named, write_bundle):
    bundle = write_bundle(named("rerank(bm25, {dense}, 5)"))
    path = bundle / "learned-0.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    assert "learned-0.safetensors was changed" in verify(bundle).problem


@pytest.mark.parametrize("where", ["../outside", "/tmp", "models\\0"])
def test_parts_lie_inside_the_bundle(where, named, write_bundle):
    bundle = write_bundle(named("rerank(bm25, {dense}, 5)"))
    about = json.loads((bundle / "sizewise.json").read_text())
    about["parts"][0]["model"] = where
    (bundle / "sizewise.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="is no path inside a bundle"):
        load_bundle(bundle)


def test_a_part_that_is_not_named(named, write_bundle):
    bundle = write_bundle(named("rerank(bm25, {dense}, 5)"))
    about = json.loads((bundle / "sizewise.json").read_text())
    about["parts"] = []
    (bundle / "sizewise.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="does not say where"):
        load_bundle(bundle)
