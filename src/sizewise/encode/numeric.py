"""The numeric path: what besides weights and texts decides the last digits of a vector."""

import os
import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sizewise.core.environment import processors

_LEVELS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "avx", "asimd")
_X86 = ("x86_64", "amd64", "i386", "i686", "x86")


@cache
def instruction_set() -> str:
    """The widest arithmetic instructions that libraries would choose here, as far as the system tells."""
    return next((level for level in _LEVELS if level in _flags()), platform.machine())


def has_bfloat16() -> bool:
    """Whether the processor itself multiplies bfloat16, as far as the system tells."""
    return not _flags().isdisjoint(("amx_bf16", "avx512_bf16", "bf16"))


def int8_bits() -> int:
    """Of a weight, so that products with codes of uint8 add up right: x86 without VNNI adds two of them in 16 bits,
    which hold no two of 255 * 127. Where an x86 does not tell, it is taken to have none."""
    adds_in_32 = platform.machine().lower() not in _X86 or not _flags().isdisjoint(("avx512_vnni", "avx_vnni"))
    return 8 if adds_in_32 else 7


@cache
def _flags() -> frozenset[str]:
    """What the processor can do, in the system's words; nothing where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    return frozenset(next((line.split() for line in text.splitlines() if line.startswith(("flags", "Features"))), ()))


def versions(*packages: str) -> dict[str, str]:
    """Installed versions by package."""
    return {package: _version(package) for package in packages}


@cache
def _version(package: str) -> str:
    """Looked up once: that reads and parses a file."""
    return version(package)


def installed(*packages: str) -> dict[str, str]:
    """The same of those packages that are installed."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def threads() -> int:
    """Threads that a runtime may use: `OMP_NUM_THREADS` where it is set (cost is measured with a stated number), else
    the processors that this process may run on."""
    if (given := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() and int(given) > 0:
        return int(given)
    return processors()
