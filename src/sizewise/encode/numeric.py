"""The numeric path: what besides weights and texts decides the last digits of a vector."""

import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

_LEVELS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "avx", "asimd")


@cache
def instruction_set() -> str:
    """The widest arithmetic instructions that libraries would choose here, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    flags = next((line.split() for line in text.splitlines() if line.startswith(("flags", "Features"))), [])
    return next((level for level in _LEVELS if level in flags), platform.machine())


def versions(*packages: str) -> dict[str, str]:
    """Installed versions by package."""
    return {package: version(package) for package in packages}


def threads() -> int:
    """Threads that a runtime may use: `OMP_NUM_THREADS` where it is set (cost is measured with a stated number), else
    the processors that this process may run on."""
    if (given := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
