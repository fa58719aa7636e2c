"""Memory by arithmetic: against torch's profiler, and against control groups laid out in a temporary folder."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sizewise.core import memory
from sizewise.core.errors import InputError, RunError
from sizewise.core.memory import available_memory, fits, impractical, predicted_memory_bytes
from sizewise.core.shapes import SHAPES, model_arguments, parse_shape, transformers_config

GB = 10**9


@pytest.fixture
def one_thread():
    """torch on one thread: its attention kernel takes scratch memory for each."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def peak_activation_bytes(model, ids) -> int:
    """The most bytes that torch held at once while the model ran."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        model(input_ids=ids)
    held = peak = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "numbers",
    [
        "family=bert",
        "family=bert:intermediate=128",
        "family=roberta",
        "family=distilbert",
        "family=decoder",
        "family=decoder:kv_heads=2:head_dim=64",
        "family=gpt",
    ],
)
def test_predicted_activations_are_near_those_of_torch(numbers, precision, one_thread):
    torch = one_thread
    from transformers import AutoModel

    shape = parse_shape(f"layers=3:hidden=128:heads=4:vocab=100:{numbers}")
    model = AutoModel.from_config(transformers_config(shape), **model_arguments(shape))
    model = model.eval().to(getattr(torch, precision))
    ids = torch.ones((16, 256), dtype=torch.long)
    with torch.no_grad():
        measured = peak_activation_bytes(model, ids)
    predicted = predicted_memory_bytes(shape, precision, ids.numel()) - shape.weight_bytes(precision)
    assert predicted == pytest.approx(measured, rel=0.2)


def test_predicted_memory_is_weights_plus_activations_per_token():
    shape = SHAPES["bert-base"]
    assert predicted_memory_bytes(shape, "bfloat16", 0) == shape.weight_bytes("bfloat16")
    one = predicted_memory_bytes(shape, "float32", 1) - shape.weight_bytes("float32")
    assert one == 4 * (3 * 768 + 2 * 3072)
    assert predicted_memory_bytes(shape, "float32", 1000) == shape.weight_bytes("float32") + 1000 * one
    with pytest.raises(InputError, match="bert-base: unknown precision 'int3'"):
        predicted_memory_bytes(shape, "int3", 1)


def test_impractical_says_why():
    assert impractical(SHAPES["gpt3-175b"], "float32", 23 * GB) == (
        "gpt3-175b has 174.6 billion parameters: its weights alone take 698 GB in float32 (349 GB in bfloat16),"
        " and this machine has 23 GB free; one token takes 348 GFLOP"
    )
    assert impractical(SHAPES["decoder-7b"], "int8", 2 * GB, where="the GPU") == (
        "decoder-7b has 7.1 billion parameters: its weights alone take 7.11 GB in int8,"
        " and the GPU has 2 GB free; one token takes 14 GFLOP"
    )


def test_impractical_where_only_the_weights_fit():
    shape = SHAPES["minilm-l6"]
    assert impractical(shape, "float32", shape.weight_bytes("float32")) == (
        "minilm-l6 has 22.6 million parameters: its weights and one text of 256 tokens take 94.6 MB in float32,"
        " and this machine has 90.3 MB free; one token takes 21.2 MFLOP"
    )


def test_practical_where_one_text_fits():
    shape = SHAPES["bert-large"]
    needed = predicted_memory_bytes(shape, "float32", 512)
    assert impractical(shape, "float32", needed) is None
    assert impractical(shape, "float32", needed - 1) is not None
    assert fits(5, 5)
    assert not fits(6, 5)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = "MemTotal:       20000000 kB\nMemFree:          1000000 kB\nMemAvailable:   10000000 kB\n"
FREE = 10_000_000 * 1024


def test_without_limits_it_is_what_the_kernel_has_available(tmp_path):
    assert available_memory(write(tmp_path, {"proc/meminfo": MEMINFO})) == FREE


def test_version_2_group_and_those_above_it_limit(tmp_path):
    group = "sys/fs/cgroup/system.slice/app.service"
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/system.slice/app.service\n",
        f"{group}/memory.max": "max\n",
        f"{group}/memory.current": "700\n",
        "sys/fs/cgroup/system.slice/memory.max": "5000\n",
        "sys/fs/cgroup/system.slice/memory.current": "3000\n",
        "sys/fs/cgroup/system.slice/memory.stat": "anon 1800\ninactive_file 1000\nactive_file 200\n",
    }
    assert available_memory(write(tmp_path, files)) == 5000 - (3000 - 1000)
    write(tmp_path, {f"{group}/memory.max": "900\n"})
    assert available_memory(tmp_path) == 900 - 700


def test_version_2_container_sees_its_limit_at_the_mount_point(tmp_path):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": "4000000000\n",
        "sys/fs/cgroup/memory.current": "1000000000\n",
    }
    assert available_memory(write(tmp_path, files)) == 3_000_000_000


def test_version_1_limits_and_its_huge_number_does_not(tmp_path):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "5:devices:/\n4:memory:/docker/abc\n0::/\n",  # a container: /docker/abc is not there
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "1500\n",
        "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 400\n",
    }
    assert available_memory(write(tmp_path, files)) == 2000 - (1500 - 400)
    write(tmp_path, {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"})
    assert available_memory(tmp_path) == FREE


def test_an_overfull_group_has_nothing_left(tmp_path):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": "100\n",
        "sys/fs/cgroup/memory.current": "101\n",
    }
    assert available_memory(write(tmp_path, files)) == 0


def test_without_proc_it_asks_sysconf(tmp_path, monkeypatch):
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(memory.os, "sysconf_names", dict.fromkeys(pages, 0))
    monkeypatch.setattr(memory.os, "sysconf", pages.__getitem__)
    assert available_memory(tmp_path) == 4_096_000
    monkeypatch.setattr(memory.os, "sysconf_names", {})
    with pytest.raises(RunError, match="does not tell how much memory"):
        available_memory(tmp_path)


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs Linux's /proc")
def test_this_machine_has_some_memory():
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < available_memory() < total


def test_under_a_millisecond():
    def once() -> float:
        start = time.perf_counter()
        impractical(SHAPES["gpt3-175b"], "float32", available_memory())
        return time.perf_counter() - start

    assert min(once() for _ in range(20)) < 0.001


def test_needs_no_torch():
    code = "import sys, sizewise.core.memory; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
