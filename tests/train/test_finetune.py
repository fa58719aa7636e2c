"""Fine-tuning on pairs and labels: it learns what they hold, in full or in low rank, and goes on after a stop."""

from dataclasses import replace

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.core.progress import Silent
from sizewise.data.seen import Seen
from sizewise.pipeline.bench import Bench
from sizewise.train import finetune as module
from sizewise.train.card import Provenance, seen_by
from sizewise.train.examples import LabelledTexts, Pairs
from sizewise.train.finetune import FineTuning, finetune


@pytest.fixture(autouse=True)
def plain_vectors(monkeypatch):
    """Of negatives, by torch in float32."""
    monkeypatch.setattr(module, "quick", lambda model: model)


@pytest.fixture
def asked(tiny_model):
    return FineTuning(Model(str(tiny_model)), epochs=4, batch=16, learning_rate=2e-3)


@pytest.fixture(scope="session")
def labelled(sentences):
    """The label is whether a word of water is in the text."""
    water = {"river", "ocean", "rain", "ship", "wave", "fish"}
    codes = np.array([bool(water & set(text.split())) for text in sentences], dtype=np.int64)
    assert 30 < codes.sum() < 170
    return LabelledTexts(tuple(sentences), codes, ("dry", "wet"))


@pytest.fixture(scope="session")
def pairs(sentences):
    """A text, and the same in another language: a word for each word, so that nothing but training finds it."""
    long = list(dict.fromkeys(text for text in sentences if len(text.split()) > 3))[:80]
    words = sorted({word for text in long for word in text.split()})
    other = dict(zip(words, words[1:] + words[:1], strict=True))
    return Pairs(tuple(long), tuple(" ".join(other[word] for word in text.split()) for text in long), ())


def make(asked, examples, out, store, progress=None):
    return finetune(asked, examples, out, Bench(store, progress=progress or Silent()))


def loaded(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def apart(folder, labelled):
    """How well labels are told apart: mean cosine within labels less that between them."""
    vectors = loaded(folder).encode(list(labelled.texts), normalize_embeddings=True)
    same = labelled.codes[:, None] == labelled.codes[None, :]
    alike = vectors @ vectors.T
    return alike[same].mean() - alike[~same].mean()


@pytest.mark.parametrize("lora", [False, True])
def test_labels_are_told_apart(asked, labelled, tiny_model, tmp_path, store, lora):
    about = make(replace(asked, lora=lora, epochs=6), labelled, tmp_path / "made", store)
    assert apart(tmp_path / "made", labelled) > apart(tiny_model, labelled) + 0.05
    assert (about.kind, about.texts) == ("fine-tuned", 200)
    assert about.made == "fine-tuned on 200 texts of 2 labels"
    assert Provenance.read(tmp_path / "made").settings["lora"] is lora
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert "adapter_config.json" not in names, "updates are merged: anybody loads it"


def test_pairs_find_each_other(asked, pairs, tiny_model, tmp_path, store):
    from sizewise.train.adapter import reciprocal_ranks

    def rank(folder):
        model = loaded(folder)
        sides = (model.encode(list(side), normalize_embeddings=True) for side in (pairs.anchors, pairs.positives))
        return reciprocal_ranks(*sides).mean()

    about = make(replace(asked, epochs=30), pairs, tmp_path / "made", store)
    assert rank(tmp_path / "made") > rank(tiny_model) + 0.1
    assert about.found["mined_negatives"] + about.found["random_negatives"] == len(pairs)


def test_few_examples_are_seen_more_often(asked, pairs, tmp_path, store):
    few = pairs.take(np.arange(20))
    assert make(replace(asked, epochs=None), few, tmp_path / "few", store).training["steps"] >= module.LEAST_STEPS
    assert make(replace(asked, epochs=3), few, tmp_path / "said", store).training["steps"] == 6


def test_pairs_with_negatives_and_widths(asked, pairs, tmp_path, store):
    given = replace(pairs, negatives=tuple(pairs.positives[1:] + pairs.positives[:1]))
    about = make(replace(asked, widths=(16,), epochs=1), given, tmp_path / "made", store)
    assert about.settings["matryoshka"] == [16]
    assert about.training["loss"] > 0


@pytest.mark.parametrize("lora", [False, True])
def test_after_ctrl_c_it_goes_on_as_if_nothing_had_been(asked, labelled, tmp_path, store, heard, lora):
    asked = replace(asked, learning_rate=2e-2, lora=lora)
    steps = make(asked, labelled, tmp_path / "whole", store).training["steps"]
    with pytest.raises(KeyboardInterrupt):
        make(asked, labelled, tmp_path / "made", store, heard(stop_at=steps // 2))
    assert not (tmp_path / "made").exists()
    about = make(asked, labelled, tmp_path / "made", store)
    assert 0 < about.training["resumed_from"] < steps == about.training["steps"]
    whole, made = (
        loaded(tmp_path / name).encode(list(labelled.texts), normalize_embeddings=True) for name in ("whole", "made")
    )
    assert (whole * made).sum(1).min() > 0.999, "what the loss had learned was kept too"


def test_other_labels_of_the_same_texts_are_another_recipe(asked, labelled, tmp_path, store, heard):
    with pytest.raises(KeyboardInterrupt):
        make(asked, labelled, tmp_path / "made", store, heard(stop_at=5))
    told = heard()
    swapped = replace(labelled, codes=1 - labelled.codes)
    about = make(asked, swapped, tmp_path / "made", store, told)
    assert about.training["resumed_from"] == 0
    assert any("another recipe, which is discarded" in line for line in told.said)


def test_what_the_start_has_seen_the_made_one_has_seen(asked, labelled, pairs, tmp_path, store):
    make(replace(asked, epochs=1), labelled, tmp_path / "first", store)
    make(replace(asked, model=Model(str(tmp_path / "first")), epochs=1), pairs, tmp_path / "second", store)
    seen = seen_by(tmp_path / "second")
    assert seen.holds([*labelled.texts, *pairs.texts]).all()
    assert len(seen) == len(Seen.of([*labelled.texts, *pairs.texts]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"epochs": 0}, "must be above zero"), ({"batch": 5}, "give an even number of 4 or more")],
)
def test_what_cannot_be(asked, labelled, tmp_path, store, changed, message):
    with pytest.raises(InputError, match=message):
        make(replace(asked, **changed), labelled, tmp_path / "made", store)
    with pytest.raises(InputError, match="is no transformer in a folder"):
        make(replace(asked, model=Model("static:x")), labelled, tmp_path / "made", store)


@pytest.fixture
def cross(asked):
    return replace(asked, reranker=True, epochs=20, learning_rate=1e-3)


def test_a_reranker_tells_what_belongs_together(cross, pairs, tmp_path, store):
    from sizewise.encode.cross import CrossScores
    from sizewise.encode.pairs import pair

    about = make(cross, pairs, tmp_path / "made", store)
    assert about.made == "a reranker fine-tuned on 80 pairs"
    assert seen_by(tmp_path / "made").holds(pairs.anchors[:3]).all()
    scorer = CrossScores(Model(f"cross:{tmp_path / 'made'}"))
    own = scorer.encode([pair(*both) for both in zip(pairs.anchors, pairs.positives, strict=True)], "text", "")
    others = [*pairs.positives[7:], *pairs.positives[:7]]
    wrong = scorer.encode([pair(*both) for both in zip(pairs.anchors, others, strict=True)], "text", "")
    assert (own.shape, own.dtype) == ((80, 1), np.float32)
    assert (own > wrong).mean() > 0.65, "of 80 that is no chance"


def test_a_stopped_reranker_goes_on(cross, pairs, tmp_path, store, heard):
    with pytest.raises(KeyboardInterrupt):
        make(cross, pairs, tmp_path / "made", store, heard(stop_at=20))
    about = make(cross, pairs, tmp_path / "made", store)
    assert 0 < about.training["resumed_from"] < about.training["steps"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"negatives": 0}, "--negatives 0: a reranker learns"),
        ({"lora": True}, "--lora is for encoders, not for --reranker"),
        ({"widths": (8,)}, "--matryoshka is for encoders"),
    ],
)
def test_what_a_reranker_cannot_be(cross, pairs, tmp_path, store, given, message):
    with pytest.raises(InputError, match=message):
        make(replace(cross, **given), pairs, tmp_path / "made", store)
