"""The bench: what transforms may be fitted on, and that encoders are kept and let go."""

from dataclasses import replace

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.data.task import TextSet
from sizewise.pipeline import bench as module
from sizewise.pipeline.bench import Bench, fit_sample
from sizewise.transform.project import PCA


@pytest.fixture
def bench(store):
    return Bench(store)


def spy(monkeypatch):
    """The arrays that PCA is fitted on."""
    seen, really = [], PCA.fit.__func__

    def fit(cls, vectors, value):
        seen.append(vectors)
        return really(cls, vectors, value)

    monkeypatch.setattr(PCA, "fit", classmethod(fit))
    return seen


def test_transforms_never_see_test_units(bench, similarity_folder, tiny_model, monkeypatch):
    task, seen = load_task(similarity_folder), spy(monkeypatch)
    bench.chain(parse(f"{tiny_model}+pca=8"), task)
    encoder = bench.encoder(parse(str(tiny_model)).model)
    training = encoder.encode(sorted(set(task.training)), "text", "")
    tested = encoder.encode([*task.first, *task.second], "text", "")
    assert len(seen) == 1
    assert len(seen[0]) == len(set(task.training))
    assert ((seen[0] @ training.T).max(axis=1) > 1 - 1e-5).all()
    assert ((tested @ seen[0].T).max(axis=1) < 1 - 1e-5).all()


def test_for_retrieval_they_see_documents_and_never_queries(bench, retrieval_folder, tiny_model, monkeypatch):
    task, seen = load_task(retrieval_folder), spy(monkeypatch)
    bench.chain(parse(f"{tiny_model}+pca=8"), task)
    encoder = bench.encoder(parse(str(tiny_model)).model)
    np.testing.assert_allclose(seen[0], encoder.encode(task.documents, "document", ""), atol=1e-6)


def test_where_there_is_no_text_to_fit_on(bench, similarity_folder, tiny_model):
    task = replace(load_task(similarity_folder), training=())
    with pytest.raises(
        InputError,
        match=r"int8 needs 1 or more texts that are not tested to be fitted on, and task .*pairs .* offers none",
    ):
        bench.chain(parse(f"{tiny_model}+int8"), task)
    assert bench.chain(parse(f"{tiny_model}+truncate=8"), task).dimensions == 8
    assert bench.fit_vectors(parse(str(tiny_model)).model, task).shape == (0, 32)


def test_too_little_text_names_candidate_and_task(bench, similarity_folder, tiny_model):
    task = replace(load_task(similarity_folder), training=("one", "two"))
    with pytest.raises(InputError, match=r"\+pca=8: pca=8 needs 9 or more texts .*pairs .* offers 2"):
        bench.chain(parse(f"{tiny_model}+pca=8"), task)


class Offering:
    def __init__(self, *sizes):
        self.parts = [
            TextSet(f"part {at}", "text", [f"{at}:{i}" for i in range(size)]) for at, size in enumerate(sizes)
        ]

    def fit_texts(self):
        return self.parts


def test_the_sample_is_fixed_and_no_larger_than_it_should_be(monkeypatch):
    monkeypatch.setattr(module, "FIT_TEXTS", 100)
    offered = Offering(300, 0, 50, 1)
    first, second = (fit_sample(offered) for _ in range(2))
    assert first == second
    texts = [text for part in first for text in part.texts]
    assert len(texts) == len(set(texts)) == 100
    assert set(texts) <= {text for part in offered.parts for text in part.texts}
    assert 60 < len(first[0].texts) < 100
    assert all(part.texts for part in first)


def test_all_is_taken_where_it_is_little():
    assert [part.texts for part in fit_sample(Offering(3, 0, 2))] == [["0:0", "0:1", "0:2"], ["2:0", "2:1"]]
    assert fit_sample(Offering()) == []


def test_encoders_are_made_once_and_let_go(bench, tiny_model):
    model = parse(str(tiny_model)).model
    first = bench.encoder(model)
    assert bench.encoder(model) is first
    bench.forget(model)
    bench.forget(model)
    assert bench.encoder(model) is not first
