"""Does it fit? The memory that a shape needs and that the machine has, without torch and in under a millisecond."""

import os
from collections.abc import Iterator
from pathlib import Path

from sizewise.core.errors import RunError
from sizewise.core.shapes import BYTES_PER_WEIGHT, Shape

_ACTIVATION_BYTES = {
    "float32": 4,
    "bfloat16": 2,
    "float16": 2,
    "int8": 4,
    "float8": 2,
}  # int8 products come out as float32


def predicted_memory_bytes(shape: Shape, precision: str, batch_tokens: int) -> int:
    """Bytes of the weights and of the activations at their peak, for `batch_tokens` tokens encoded at once.

    Nothing is kept between layers, so the peak is that of one layer, in numbers a token: the embeddings, the residual
    stream and its normalised copy (3 x hidden), and the larger of
    attention: queries, keys, values and result (a fused kernel keeps no table of scores), and where heads share keys
    (kv_heads < heads) copies of keys and values for each head;
    feed-forward: its hidden numbers before and after the activation (2 x intermediate), with gates also their product
    (3 x), with GPT-2's GELU by tanh, which is not one kernel, also temporaries (4 x).
    Within 20% of torch 2.13's profiler on every family (tests/core/test_memory.py). The runtime itself (torch: some
    300 MB), a packed copy of the weights and allocator slack come on top.
    Raises InputError for a precision that is none.
    """
    weights = shape.weight_bytes(precision)
    copies = 0 if shape.kv_heads == shape.heads else 2 * shape.query_width
    attention = 2 * shape.query_width + 2 * shape.kv_width + copies
    feed_forward = (4 if shape.family == "gpt" else 3 if shape.gated else 2) * shape.intermediate
    per_token = 3 * shape.hidden + max(attention, feed_forward)
    return weights + batch_tokens * per_token * _ACTIVATION_BYTES[precision]


def fits(bytes_needed: int, available: int) -> bool:
    """Whether `bytes_needed` are there; no reserve is kept, as the kernel's own figure for `available` has one."""
    return bytes_needed <= available


def impractical(shape: Shape, precision: str, available: int, where: str = "this machine") -> str | None:
    """Why the shape cannot encode even one text of its full length in `available` bytes, or None where it can."""
    needed = predicted_memory_bytes(shape, precision, shape.max_tokens)
    if fits(needed, available):
        return None
    weights = shape.weight_bytes(precision)
    if fits(weights, available):
        need = f"its weights and one text of {shape.max_tokens} tokens take {_size(needed)} in {precision}"
    else:
        need = f"its weights alone take {_size(weights)} in {precision}{_in_next_precision(shape, precision)}"
    return (
        f"{shape} has {_count(shape.parameters)} parameters: {need}, and {where} has {_size(available)} free;"
        f" one token takes {_in_units(shape.flops_per_token(1), 'FLOP')}"
    )


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that a process can still take: the least of what the kernel has free and what each control group allows.

    Linux: MemAvailable of /proc/meminfo, and for the process's control group and all above it the limit less the use
    (version 2: memory.max, memory.current; version 1: memory.limit_in_bytes, memory.usage_in_bytes), where file cache
    that can be dropped (inactive_file of memory.stat) does not count as use, as for Docker and Kubernetes.
    Elsewhere: free, or failing that physical, pages by `os.sysconf`. `root` is the root of the file system read.
    Raises RunError where the system tells neither.
    """
    free = _meminfo_available(root / "proc/meminfo")
    if free is None:
        free = _sysconf_pages()
    return max(0, min([free, *_cgroup_rooms(root)]))


def _meminfo_available(path: Path) -> int | None:
    for line in _lines(path):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024  # "kB" there means 1,024 bytes
    return None


def _sysconf_pages() -> int:
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        if name in getattr(os, "sysconf_names", {}):
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    raise RunError(
        "this system does not tell how much memory it has; run on Linux or macOS, or choose a model that fits"
    )


def _cgroup_rooms(root: Path) -> Iterator[int]:
    """Bytes left under each memory limit that holds this process."""
    for folder, (limit_file, use_file, cache_key) in _cgroup_folders(root):
        limit, use = _number(folder / limit_file), _number(folder / use_file)
        if limit is not None and use is not None:
            yield limit - (use - _droppable(folder / "memory.stat", cache_key))


_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")


def _cgroup_folders(root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """This process's memory control groups, from the mount point down; in a container the mount point is its own."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, names = root / "sys/fs/cgroup", _VERSION_2
        elif "memory" in controllers.split(","):
            folder, names = root / "sys/fs/cgroup/memory", _VERSION_1
        else:
            continue
        yield folder, names
        for part in Path(path).parts[1:]:
            folder = folder / part
            yield folder, names


def _droppable(path: Path, key: str) -> int:
    return next((int(line.split()[1]) for line in _lines(path) if line.startswith(f"{key} ")), 0)


def _number(path: Path) -> int | None:
    """The number in a file; None where there is no such file, or it says "max"."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _in_next_precision(shape: Shape, precision: str) -> str:
    """The weights at the next smaller precision, in brackets; nothing where there is none."""
    smaller = [name for name in BYTES_PER_WEIGHT if BYTES_PER_WEIGHT[name] < BYTES_PER_WEIGHT[precision]]
    return f" ({_size(shape.weight_bytes(smaller[0]))} in {smaller[0]})" if smaller else ""


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:,.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:,.1f} million"


def _size(count: int) -> str:
    return _in_units(count, "B")


def _in_units(count: int, unit: str) -> str:
    """In G or M (10^9, 10^6) of the unit, to three digits or the whole number: 698 GB, 7.11 GB, 23 GB, 21.2 MFLOP."""
    value, prefix = (count / 1e9, "G") if count >= 1e9 else (count / 1e6, "M")
    return f"{value:,.0f} {prefix}{unit}" if value >= 100 else f"{value:.3g} {prefix}{unit}"
