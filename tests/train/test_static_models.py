"""Static models: in model2vec's format, near to their teacher, in a byte a number or a smaller vocabulary."""

from dataclasses import replace

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode.resolve import resolve
from sizewise.encode.tokens import Tokens
from sizewise.pipeline.bench import Bench
from sizewise.train import teacher as teachers
from sizewise.train.static import SIF, StaticDistillation, frequency_weights, make_static


@pytest.fixture(autouse=True)
def plain_teacher(monkeypatch):
    monkeypatch.setattr(teachers, "quick", lambda model: model)


@pytest.fixture
def make(tiny_model, tmp_path, store):
    def made(name="made", text=None, **changed):
        asked = StaticDistillation(Model(str(tiny_model)), **{"dimensions": 16, **changed})
        about = make_static(asked, text, tmp_path / name, Bench(store))
        return about, tmp_path / name

    return made


def vectors(folder, texts):
    return resolve(Model(f"static:{folder}")).encode(texts, "text", "")


TEXTS = ["a bird over the river", "the moon", "market and money"]


def test_all_libraries_read_it_alike(make):
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    _, folder = make()
    found = vectors(folder, TEXTS)
    assert found.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    theirs = StaticModel.from_pretrained(folder).encode(TEXTS)
    np.testing.assert_allclose(found, theirs, atol=1e-5)
    usual = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(TEXTS)
    np.testing.assert_allclose(found, usual, atol=1e-5)


def test_training_brings_it_nearer(make, training_texts):
    about, folder = make(text=training_texts, epochs=6, batch_tokens=512)
    assert about.found["cosine_with_the_teacher"] > about.found["cosine_with_the_teacher_before"] + 0.01
    assert about.training["steps"] > 0
    assert vectors(folder, TEXTS).shape == (3, 16)


def test_a_byte_a_number(make):
    _, plain = make("plain")
    _, small = make("small", int8=True)
    assert (vectors(plain, TEXTS) * vectors(small, TEXTS)).sum(1).min() > 0.999
    assert (small / "model.safetensors").stat().st_size < 0.45 * (plain / "model.safetensors").stat().st_size


def test_a_vocabulary_of_ones_own(make, training_texts):
    text = replace(training_texts, texts=training_texts.texts[:20])
    _, plain = make("plain", text=text)
    _, own = make("own", text=text, own_vocabulary=True)
    same = list(text.texts)
    np.testing.assert_allclose(vectors(own, same), vectors(plain, same), atol=1e-4)
    assert (own / "model.safetensors").stat().st_size < (plain / "model.safetensors").stat().st_size
    assert np.isfinite(vectors(own, ["letters that never came: jewel quartz fjord"])).all()


def test_frequent_tokens_weigh_less():
    tokens = Tokens(np.array([1, 1, 1, 1, 2], dtype=np.int32), np.array([0, 5]))
    found = frequency_weights(tokens, np.ones(4, dtype=bool))
    chance = np.array([1, 5, 2, 1]) / 9
    np.testing.assert_allclose(found, SIF / (SIF + chance), rtol=1e-6)
    by_order = frequency_weights(Tokens.of([]), np.array([False, True, True, True]))
    assert by_order[1] < by_order[2] < by_order[3]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dimensions": 33}, "give a number up to the teacher's 32"),
        ({"epochs": 1}, "training needs text"),
        ({"learning_rate": 0}, "--learning-rate must be above"),
    ],
)
def test_what_cannot_be(make, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        make(**changed)
    assert not (tmp_path / "made").exists()
