"""Memory of GPUs: as the driver tells it, and about what an encoder takes."""

import pytest

from sizewise.core.candidate import Embed, Lexical, Model
from sizewise.cost import device
from sizewise.cost.device import CONTEXT_BYTES, WORK_BYTES, expected_device_bytes, free_device_memory
from sizewise.encode.encoder import Trust


@pytest.mark.parametrize(
    ("says", "bytes_"), [("echo 80000; echo 1000", 1000 * 2**20), ("echo [N/A]", None), ("exit 9", None)]
)
def test_the_gpu_with_the_least_counts(says, bytes_, monkeypatch):
    monkeypatch.setattr(device, "QUERY", ("sh", "-c", says))
    assert free_device_memory() == bytes_


def test_without_the_drivers_program_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(device, "QUERY", ("no-such-program",))
    assert free_device_memory() is None


def test_weights_are_counted_and_what_runs_on_processors_is_not(static_model, tiny_model):
    large, base = (
        expected_device_bytes(Embed(Model(f"shape:bert-{size}", "bfloat16")), Trust()) for size in ("large", "base")
    )
    assert large - base == pytest.approx(2 * (334e6 - 109e6), rel=0.01)
    assert expected_device_bytes(Embed(Model(str(tiny_model))), Trust()) > CONTEXT_BYTES + WORK_BYTES
    for other in (Embed(Model(f"static:{static_model}")), Embed(Model(str(tiny_model), "int8", "openvino")), Lexical()):
        assert expected_device_bytes(other, Trust()) == 0
