"""`@auto` in text, what is remembered, and, slowly, all of it on a tiny model."""

import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from sizewise.auto import measure as measuring
from sizewise.auto import settle as module
from sizewise.auto.choice import Choice
from sizewise.auto.settle import has_auto, one_of, settled, settled_in
from sizewise.core.candidate import Embed, Model
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse, with_engine, without_auto
from sizewise.core.progress import Silent
from sizewise.cost import measure as cost
from sizewise.cost.measure import Plan
from sizewise.cost.sample import Sample
from sizewise.encode.tuned import FILE, Tuning, keep, machine, recall
from sizewise.pipeline.bench import Bench
from sizewise.store.store import Store

CHOICE = Choice("@int8", "@int8/onnx", {"@int8": 1523.0, "@fp32": 212.0}, {"@int8/onnx": 2.1}, "2026-11-22")


class Heard(Silent):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


@pytest.fixture
def bench(tmp_path):
    with Store(tmp_path / "store") as store:
        yield Bench(store, progress=Heard())


@pytest.fixture
def chosen(monkeypatch):
    """How often something was measured."""
    calls = []
    monkeypatch.setattr(module, "chosen", lambda bench, model, plan: calls.append(plan) or CHOICE)
    monkeypatch.setattr(module, "device_names", list)
    return calls


# --- text


@pytest.mark.parametrize(
    ("written", "without"),
    [
        ("m@auto", "m"),
        (" m@auto ", "m"),
        ("m@auto+pca=8+int8", "m+pca=8+int8"),
        ('m[query="@auto "]@auto+int8', 'm[query="@auto "]+int8'),
        ('"a \\" @auto"@auto', '"a \\" @auto"'),
    ],
)
def test_auto_is_found_and_taken_out(written, without):
    assert str(without_auto(written)) == without


@pytest.mark.parametrize(
    "written", ["m", "bm25", "auto", "m@int8", 'm[query="@auto"]', '"m@auto"', "m@auto/onnx", "m@automatic"]
)
def test_what_has_no_auto(written):
    assert without_auto(written) is None
    assert not has_auto([written])


def test_parse_refuses_auto():
    with pytest.raises(InputError, match=r"^candidate 'm@auto\+int8': @auto takes no runtime, and gives way"):
        parse("m@auto+int8")
    with pytest.raises(InputError, match="@auto takes no runtime"):
        parse("m@auto/onnx")
    with pytest.raises(InputError, match="bm25 has no engines to choose from"):
        without_auto("bm25@auto")


def test_an_engine_in_its_place():
    asked = without_auto('m[query="q"]@auto+binary+rescore=9')
    assert str(with_engine(asked, "@int8/onnx")) == 'm[query="q"]@int8/onnx+binary+rescore=9'
    assert str(with_engine(asked, "@fp32")) == 'm[query="q"]+binary+rescore=9'


# --- settled


def test_one_text_becomes_two_and_is_measured_once(bench, chosen, tiny_model):
    asked = ["bm25", f"{tiny_model}@auto+int8", f"{tiny_model}@bf16"]
    wanted = ["bm25", f"{tiny_model}@int8+int8", f"{tiny_model}@int8/onnx+int8", f"{tiny_model}@bf16"]
    assert settled(bench, asked, threads=2) == wanted
    assert settled(bench, asked, threads=2) == wanted
    assert len(chosen) == 1
    assert bench.progress.said[-1] == (
        f"{tiny_model}@auto: @int8 in bulk (1,523 texts/s; @fp32 212), @int8/onnx for single texts (2.1 ms); "
        "as measured on 2026-11-22"
    )


def test_another_machine_or_model_is_measured_again(bench, chosen, tiny_model, dense_model, monkeypatch):
    for threads in (2, 3, 2):
        settled(bench, [f"{tiny_model}@auto"], threads=threads)
    assert len(chosen) == 2
    settled(bench, [f"{dense_model}@auto"], threads=2)
    assert len(chosen) == 3
    monkeypatch.setattr(module, "device_names", lambda: ["NVIDIA H100"])
    settled(bench, [f"{tiny_model}@auto"], threads=2)
    assert len(chosen) == 4


def test_the_same_weights_elsewhere_are_the_same_model(bench, chosen, tiny_model, tmp_path):
    import shutil

    shutil.copytree(tiny_model, tmp_path / "copy")
    settled(bench, [f"{tiny_model}@auto", f"{tmp_path / 'copy'}@auto"])
    assert len(chosen) == 1


def test_a_damaged_file_is_said_and_measured_again(bench, chosen, tiny_model):
    file = bench.store.root / "engines" / FILE
    for damage in (b"{", b'{"entries": 3}', b"[]", b"\xff"):
        settled(bench, [f"{tiny_model}@auto"])
        before = len(chosen)
        file.write_bytes(damage)
        settled(bench, [f"{tiny_model}@auto"])
        assert len(chosen) == before + 1
        assert any(f"{file} is damaged and counts as empty" in line for line in bench.progress.said)


def test_a_plan_measures_nothing(bench, chosen, tiny_model):
    assert settled(bench, [f"{tiny_model}@auto+int8"], dry=True) == [f"{tiny_model}+int8"]
    assert not chosen
    assert "is not measured yet" in bench.progress.said[-1]


def test_without_auto_nothing_is_opened(tmp_path):
    assert settled_in(["m@int8"], ["no such task"], store=tmp_path / "none") == ["m@int8"]
    assert not (tmp_path / "none").exists()


def test_what_has_no_choice_of_engines(bench):
    for name in ("shape:bert-base", "static:x", "remote:large"):
        with pytest.raises(InputError, match=f"^{name}@auto: only models by name or folder have a choice of engines"):
            settled(bench, [f"{name}@auto"])


def test_where_one_candidate_is_wanted():
    assert one_of("m@auto", ["m@int8"]) == "m@int8"
    with pytest.raises(InputError, match=re.escape("m@auto stands for m@int8 in bulk and m@int8/onnx for")):
        one_of("m@auto", ["m@int8", "m@int8/onnx"])


# --- memory


def test_what_is_kept_is_found_by_what_it_is_about(tmp_path):
    about = {"machine": machine(2, "numpy")}
    keep(tmp_path, about, {"tokens": 1})
    keep(tmp_path, {"other": 1}, {"tokens": 2})
    keep(tmp_path, about, {"tokens": 3})
    assert recall(tmp_path, about, print) == {"tokens": 3}
    assert recall(tmp_path, {"machine": machine(1, "numpy")}, print) is None
    assert recall(tmp_path / "elsewhere", about, print) is None


def test_an_encoder_runs_as_it_was_tuned_under_the_same_key(bench, tiny_model, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    model = Model(str(tiny_model), runtime="onnx")
    plain = bench.encoder(model)
    assert plain.tuning == Tuning(512, 2)
    keep(bench.store.root, plain.tuned_for(2), {"tokens": 1024, "threads": 1})
    bench.forget(model)
    tuned = bench.encoder(model)
    assert tuned.tuning == Tuning(1024, 1)
    assert tuned._budget.tokens == 1024
    assert tuned.key("") == plain.key("")


# --- in real processes


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(measuring, "TUNING_SECONDS", 0.02)
    monkeypatch.setattr(measuring, "TOKENS", (128,))


@pytest.mark.slow
@pytest.mark.parametrize("bulk", [True, False])
def test_what_runs_best_is_kept_and_changes_no_vector(bench, tiny_model, sentences, quick, bulk):
    model = Model(str(tiny_model), runtime="onnx")
    plan = Plan(Sample(sentences[:20], sentences, "text", "text", "sentences"), 2, store=bench.store.root)
    tuning = measuring.tuned(bench, model, plan, bulk=bulk)
    assert tuning in (Tuning(512, 2), Tuning(512, 1), *([Tuning(128, 2)] if bulk else []))
    encoder = bench.encoder(model)
    assert recall(bench.store.root, encoder.tuned_for(2), print) == asdict(tuning)
    assert bench.progress.said[-1].startswith(f"{tiny_model}@fp32/onnx: blocks of {tuning.tokens} tokens, ")
    before = encoder.encode(sentences, "text", "")
    encoder.tune(Tuning(64, 1))
    assert np.abs(encoder.encode(sentences, "text", "") - before).max() < 1e-5


@pytest.mark.slow
def test_measured_on_a_tiny_model(bench, tiny_model, quick, monkeypatch):
    monkeypatch.setattr(cost, "BULK_SECONDS", 0.05)
    monkeypatch.setattr(cost, "SINGLES", 10)
    kept = [("float32", "torch"), ("float32", "onnx"), ("int8", "onnx"), ("float8", "packed")]
    monkeypatch.setattr(measuring, "engines", lambda model: [replace(model, precision=p, runtime=r) for p, r in kept])
    found = settled(bench, [f"{tiny_model}@auto"], threads=2)
    known = [f"{tiny_model}{engine}" for engine in ("", "@fp32/onnx", "@int8/onnx")]
    assert 1 <= len(found) <= 2
    assert set(found) <= set(known)
    said = bench.progress.said
    assert any(line.startswith(f"{tiny_model}@auto: measuring @fp32, @fp32/onnx") for line in said)
    assert any(f"{tiny_model}@auto: left out: " in line and "@fp8" in line for line in said)
    assert said[-1].endswith("kept for the next time")
    count = len(said)
    assert settled(bench, [f"{Embed(Model(str(tiny_model)))}@auto"], threads=2) == found
    assert "as measured on" in said[-1]
    assert len(said) == count + 1
