"""Memory of GPUs: what is free, and what a process that runs an encoder there will take."""

import subprocess

from sizewise.core.candidate import Cross, Embed, Part, model_of
from sizewise.encode.encoder import Trust, scheme
from sizewise.encode.resolve import NETWORKS, resolve

CONTEXT_BYTES = 0.6e9
"""That CUDA itself takes in every process."""
WORK_BYTES = 6e9
"""For batches at their largest: what does not fit is run in smaller ones, at another speed."""
UNKNOWN_BYTES = 2e9
"""For weights of unknown size."""
ELSEWHERE = ("openvino", "onnx")
"""Runtimes that use no GPU."""
QUERY = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")

NAMES = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")


def free_device_memory() -> int | None:
    """Bytes free on the GPU that has the least; None where the system shows none. Takes no memory there itself."""
    try:
        said = subprocess.run(QUERY, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    free = [int(line) for line in said.split() if line.isdecimal()]
    return min(free) * 2**20 if free else None


def device_names() -> list[str]:
    """What the makers call the GPUs of this machine, as far as the system shows them."""
    try:
        said = subprocess.run(NAMES, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return said.splitlines()


def expected_device_bytes(subject: Part, trust: Trust) -> float:
    """About what the process that measures `subject` will take of a GPU: 0 for what runs on processors."""
    if not isinstance(subject, Embed | Cross) or subject.model.is_remote:
        return 0.0
    model = model_of(subject)
    found = scheme(model.name)
    if model.runtime in ELSEWHERE or (found is not None and found[0] not in NETWORKS):
        return 0.0  # for static models too, and for third parties', of which nothing is known
    weights = resolve(model, trust).disk_bytes or UNKNOWN_BYTES
    return CONTEXT_BYTES + WORK_BYTES + weights
