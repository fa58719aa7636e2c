"""The rule by which one of several measured engines is taken."""

from dataclasses import replace

import pytest

from sizewise.auto.choice import Choice, fastest
from sizewise.auto.engines import ENGINES, engines, obstacle, short, together
from sizewise.core.candidate import Model
from sizewise.core.errors import RunError
from sizewise.cost.figures import Figures
from sizewise.encode.encoder import Trust

MODEL = Model("all-MiniLM-L6-v2")
FP32, BF16 = MODEL, replace(MODEL, precision="bfloat16")
OPENVINO = replace(MODEL, precision="int8", runtime="openvino")
ONNX = replace(MODEL, precision="int8", runtime="onnx")


def figures(**found):
    known = {"fp32": FP32, "bf16": BF16, "openvino": OPENVINO, "onnx": ONNX}
    return {known[name]: Figures(texts_per_s=speed, p50_ms=ms) for name, (speed, ms) in found.items()}


def test_one_engine_in_bulk_and_another_for_single_texts():
    found = Choice.of(figures(fp32=(212, 15.0), openvino=(1523, 2.3), onnx=(900, 2.1)), "2026-11-22")
    assert (found.bulk, found.single, found.engines) == ("@int8", "@int8/onnx", ("@int8", "@int8/onnx"))
    assert found.sentence == (
        "@int8 in bulk (1,523 texts/s; @fp32 212, @int8/onnx 900), "
        "@int8/onnx for single texts (2.1 ms; @fp32 15, @int8 2.3)"
    )
    assert Choice.from_json(found.to_json()) == found


def test_one_engine_for_both():
    assert Choice.of(figures(fp32=(212, 15.0), openvino=(1523, 2.0)), "").engines == ("@int8",)


@pytest.mark.parametrize(
    ("drift", "wanted"), [(0.0, "@int8"), (0.04, "@int8"), (0.06, "@bf16"), (0.09, "@bf16"), (3.0, "@bf16")]
)
def test_within_the_drift_the_more_exact_one_wins(drift, wanted):
    """float32 is 12% slower than the fastest, which no drift makes a tie; bfloat16 is 5% slower."""
    found = figures(fp32=(1000 / 1.12, 1.12), bf16=(1000 / 1.05, 1.05), openvino=(1000, 1.0))
    choice = Choice.of(found, "", throughput_drift=drift, latency_drift=drift)
    assert (choice.bulk, choice.single) == (wanted, wanted)


def test_of_equally_exact_ones_the_faster_wins():
    assert fastest({OPENVINO: 1.0, ONNX: 1.01}, 0.1, lambda _: 2) == ONNX


def test_what_was_not_measured_is_not_taken():
    found = figures(fp32=(212, 15.0)) | {OPENVINO: Figures(note="does not fit")}
    assert Choice.of(found, "").engines == ("@fp32",)
    with pytest.raises(RunError, match="no engine was measured"):
        Choice.of({OPENVINO: Figures()}, "")


def test_every_engine_has_a_short_form_of_its_own():
    found = [short(model) for model in engines(Model("m", prompts=(("query", "q"),)))]
    assert found[0] == "@fp32"
    assert len(set(found)) == len(ENGINES)


def test_what_cannot_run_here_says_why(monkeypatch, tiny_model):
    from sizewise.auto import engines as module

    monkeypatch.setattr(module, "device", lambda: "cpu")
    monkeypatch.setattr(module, "has_bfloat16", lambda: False)
    model = Model(str(tiny_model))

    def why(precision, runtime):
        return obstacle(replace(model, precision=precision, runtime=runtime), Trust())

    assert why("float32", "torch") == why("int8", "openvino") == why("int8", "onnx") == ""
    assert why("bfloat16", "torch") == why("bfloat16", "openvino") == "this processor has no bfloat16 arithmetic"
    assert why("float16", "torch") == "float16 is for GPUs, and torch sees none here"
    monkeypatch.setattr(module, "has_bfloat16", lambda: True)
    assert why("bfloat16", "openvino") == ""

    def missing(package, feature):
        raise module.InputError(f"{feature} needs {package}; install it")

    monkeypatch.setattr(module, "require", missing)
    assert why("int8", "onnx") == "making a graph for onnx needs torch"
    left = [(replace(model, precision="int8", runtime="onnx"), "x"), (replace(model, runtime="onnx"), "x")]
    assert together(left) == ["@int8/onnx, @fp32/onnx (x)"]
