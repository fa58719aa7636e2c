"""Distillation: it comes nearer to its teacher, says where it comes from, and survives what stops it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError, RunError
from sizewise.core.progress import Silent
from sizewise.pipeline.bench import Bench
from sizewise.train import teacher as teachers
from sizewise.train.card import Provenance, seen_by
from sizewise.train.distil import Distillation, distil


@pytest.fixture(autouse=True)
def plain_teacher(monkeypatch):
    """Its vectors by torch in float32."""
    monkeypatch.setattr(teachers, "quick", lambda model: model)


def make(asked, text, out, store, progress=None):
    return distil(asked, text, out, Bench(store, progress=progress or Silent()), sources=["made up"])


@pytest.fixture
def asked(tiny_model):
    return Distillation(Model(str(tiny_model)), layers=1, epochs=4, batch_tokens=256, learning_rate=1e-3)


def loaded(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def test_a_layer_less_and_nearer_than_before(asked, training_texts, tiny_model, tmp_path, store):
    about = make(asked, training_texts, tmp_path / "made", store)
    model = loaded(tmp_path / "made")
    assert len(model[0].auto_model.encoder.layer) == model[0].auto_model.config.num_hidden_layers == 1
    found = about.found
    assert found["cosine_with_the_teacher"] > found["cosine_with_the_teacher_before"] + 0.005
    unseen = ["a bird over the river", "moon and market"]
    cosines = (model.encode(unseen) * loaded(tiny_model).encode(unseen)).sum(1)
    assert (cosines > 0.8).all()
    assert not list(tmp_path.glob(".*")), "nothing of the work is left"


@pytest.mark.parametrize("layers", [1, None])
def test_into_the_space_of_another(asked, layers, training_texts, dense_model, tmp_path, store):
    """A student of another width gives the other model's vectors. It begins as their best alignment, so that weights
    drawn at random have little to gain."""
    other = Model(str(dense_model))
    about = make(
        replace(asked, layers=layers, into=other),
        training_texts,
        tmp_path / "made",
        store,
    )
    student, large = loaded(tmp_path / "made"), loaded(dense_model)
    unseen = ["a bird over the river", "moon and market"]
    found, wanted = student.encode(unseen), large.encode(unseen, normalize_embeddings=True)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert about.found["cosine_with_the_teacher_before"] > 0.8
    gained = about.found["cosine_with_the_teacher"] - about.found["cosine_with_the_teacher_before"]
    assert gained > (0 if layers is None else -0.02)
    assert about.settings["into"] == str(dense_model)
    assert about.made.endswith(f"trained to match the vectors of {dense_model} for queries")


def test_a_space_has_its_own_width(asked, training_texts, dense_model, tmp_path, store):
    with pytest.raises(InputError, match="--into takes the dimensions of the space"):
        make(replace(asked, into=Model(str(dense_model)), dimensions=4), training_texts, tmp_path / "made", store)


def test_it_says_where_it_comes_from(asked, training_texts, tmp_path, store):
    made = tmp_path / "made"
    about = make(asked, training_texts, made, store)
    assert Provenance.read(made) == replace(
        about,
        sources=list(about.sources),
        training=json.loads(json.dumps(about.training)),
        environment=json.loads(json.dumps(about.environment)),
    )
    assert (about.kind, about.texts, about.sources) == ("distilled", 300, ("made up",))
    assert about.training["steps"] > 0
    card = (made / "README.md").read_text()
    assert f"| steps | {about.training['steps']:,} in " in card
    seen = seen_by(made)
    assert seen.holds(training_texts.texts).all()
    assert "never seen by anybody" not in seen


def test_its_identity_is_not_that_of_its_card(asked, training_texts, tmp_path, store):
    from sizewise.encode.folder import ModelFolder

    make(asked, training_texts, tmp_path / "made", store)
    before = ModelFolder("x", tmp_path / "made")
    parameters, digest = before.parameters, before.sha256
    for name in ("training.json", "seen.safetensors", "README.md"):
        (tmp_path / "made" / name).unlink()
    after = ModelFolder("x", tmp_path / "made")
    assert (after.parameters, after.sha256) == (parameters, digest)


def test_a_narrower_output_that_may_be_cut(asked, training_texts, tmp_path, store):
    make(replace(asked, dimensions=16, widths=(8,)), training_texts, tmp_path / "made", store)
    vectors = loaded(tmp_path / "made").encode(["a bird", "the moon"])
    assert vectors.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_after_ctrl_c_it_goes_on(asked, training_texts, tmp_path, store, heard):
    whole = make(asked, training_texts, tmp_path / "whole", store)
    stopped = heard(stop_at=whole.training["steps"] // 2)
    with pytest.raises(KeyboardInterrupt):
        make(asked, training_texts, tmp_path / "made", store, stopped)
    assert not (tmp_path / "made").exists()
    again = heard()
    about = make(asked, training_texts, tmp_path / "made", store, again)
    assert 0 < about.training["resumed_from"] < whole.training["steps"] == about.training["steps"]
    assert any("going on behind step" in line for line in again.said)
    assert about.found["cosine_with_the_teacher"] == pytest.approx(whole.found["cosine_with_the_teacher"], abs=2e-3)
    assert about.training["loss"] == pytest.approx(whole.training["loss"], rel=0.1)


def test_another_recipe_does_not_go_on_with_it(asked, training_texts, tmp_path, store, heard):
    with pytest.raises(KeyboardInterrupt):
        make(asked, training_texts, tmp_path / "made", store, heard(stop_at=3))
    other = heard()
    about = make(replace(asked, seed=1, epochs=1), training_texts, tmp_path / "made", store, other)
    assert about.training["resumed_from"] == 0
    assert any("another recipe, which is discarded" in line for line in other.said)


def test_batches_halve_when_memory_runs_out(asked, training_texts, tmp_path, store, heard, monkeypatch):
    import torch

    from sizewise.train.losses import Agreement

    forward, sizes = Agreement.forward, []

    def narrow(self, features, labels):
        sizes.append(len(labels))
        if len(labels) > 9:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, features, labels)

    monkeypatch.setattr(Agreement, "forward", narrow)
    told = heard()
    about = make(replace(asked, epochs=1), training_texts, tmp_path / "made", store, told)
    assert any("out of memory: going on with batches in" in line for line in told.said)
    assert about.found["cosine_with_the_teacher"] > about.found["cosine_with_the_teacher_before"]
    assert sizes[-1] <= 9


def test_looking_needs_no_more_memory_than_training_leaves(dense_model, monkeypatch):
    import torch
    from sentence_transformers import SentenceTransformer

    from sizewise.train.look import COSINE, agreement

    model, texts = SentenceTransformer(str(dense_model), device="cpu"), ["a river", "the moon", "an ocean"] * 5
    wanted = model.encode(texts, normalize_embeddings=True)
    encode, sizes = SentenceTransformer.encode, []

    def narrow(self, texts, batch_size, **asked):
        sizes.append(batch_size)
        if batch_size > 9:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(self, texts, batch_size=batch_size, **asked)

    monkeypatch.setattr(SentenceTransformer, "encode", narrow)
    assert agreement(model, texts, wanted)()[COSINE] == pytest.approx(1, abs=1e-5)
    assert sizes == [64, 32, 16, 8]


def test_one_text_that_does_not_fit(asked, training_texts, tmp_path, store, monkeypatch):
    from sizewise.train.losses import Agreement

    def full(self, features, labels):
        raise MemoryError

    monkeypatch.setattr(Agreement, "forward", full)
    with pytest.raises(RunError, match=r"memory ran out with .* cut texts at fewer tokens"):
        make(asked, training_texts, tmp_path / "made", store)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layers": 2}, "has 2 layers; keep fewer than that, not 2"),
        ({"dimensions": 32}, "give a number below the teacher's 32"),
        ({"widths": (40,)}, "--matryoshka 40"),
        ({"epochs": 0}, "must be above zero"),
        ({"teacher": Model("shape:layers=2:hidden=32:heads=4:vocab=300")}, "random weights"),
    ],
)
def test_what_cannot_be(asked, training_texts, tmp_path, store, changed, message):
    with pytest.raises(InputError, match=message):
        make(replace(asked, **changed), training_texts, tmp_path / "made", store)
    assert not (tmp_path / "made").exists()


def test_models_for_dot_products_are_refused(asked, dot_model, training_texts, tmp_path, store):
    with pytest.raises(InputError, match="compared by dot products"):
        make(replace(asked, teacher=Model(str(dot_model))), training_texts, tmp_path / "made", store)


def test_what_is_there_is_left_alone(asked, training_texts, tmp_path, store):
    (tmp_path / "made").mkdir()
    with pytest.raises(InputError, match="is there already"):
        make(asked, training_texts, tmp_path / "made", store)
    with pytest.raises(InputError, match="is no folder"):
        make(asked, training_texts, tmp_path / "none" / "made", store)


KILLED = """
import sys
from pathlib import Path
from sizewise.cli.main import run
sys.argv = ["sizewise", *sys.argv[1:]]
run()
"""


@pytest.mark.slow
def test_stopped_and_killed_in_the_middle_it_ends_the_same(tiny_model, training_texts, tmp_path):
    """A real process, stopped by Ctrl-C when its first checkpoint is there, and killed later."""
    (tmp_path / "texts.txt").write_text("\n".join(training_texts.texts))
    command = [
        sys.executable, "-c", KILLED, "distill", f"{tiny_model}@fp32/torch", "--layers", "1", "--text",
        str(tmp_path / "texts.txt"), "--epochs", "10", "--batch-tokens", "256", "--store", str(tmp_path / "store"),
    ]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    whole = subprocess.run(
        [*command, "--out", str(tmp_path / "whole")], env=environment, capture_output=True, text=True
    )
    assert whole.returncode == 0, whole.stderr
    for after, how, code in ((1, signal.SIGINT, 130), (3, signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(
            [*command, "--out", str(tmp_path / "made")], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        checkpoints = tmp_path / ".made.training" / "checkpoints"
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            steps = [int(path.name.split("-")[1]) for path in checkpoints.glob("checkpoint-*")]
            if steps and max(steps) >= after * 20:
                process.send_signal(how)
                break
            time.sleep(0.01)
        process.communicate()
        assert process.returncode == code, "it was to be stopped before its end"
        assert not (tmp_path / "made").exists()
    last = subprocess.run([*command, "--out", str(tmp_path / "made")], env=environment, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert "going on behind step" in last.stderr
    about, wanted = (json.loads((tmp_path / name / "training.json").read_text()) for name in ("made", "whole"))
    assert about["training"]["resumed_from"] > 0
    assert about["training"]["steps"] == wanted["training"]["steps"]
    assert about["training"]["loss"] == pytest.approx(wanted["training"]["loss"], rel=0.1)
