"""The fitted transforms of a chain as arrays in a file, and back: safetensors, so that nothing is unpickled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sizewise.core.candidate import Step
from sizewise.core.errors import InputError
from sizewise.core.registry import TRANSFORMS
from sizewise.transform.chain import Chain, check_steps

Arrays = dict[str, npt.NDArray[Any]]


def save(path: Path, chain: Chain, steps: Sequence[Step]) -> None:
    """What every transform learned, under `POSITION.NAME`, as in `0.axes`.

    Raises InputError when a transform's parameters cannot be kept or do not make it again.
    """
    arrays: Arrays = {}
    for at, (step, transform) in enumerate(zip(steps, chain.transforms, strict=True)):
        for name, array in transform.parameters().items():
            if array.dtype.kind not in "biuf":
                raise InputError(f"{step} cannot be put into a bundle: its {name} is no array of numbers")
            arrays[f"{at}.{name}"] = np.ascontiguousarray(array)
    save_arrays(path, arrays)
    load(path, steps, chain.incoming, cosine=chain.cosine)


def load(path: Path, steps: Sequence[Step], incoming: int, *, cosine: bool) -> Chain:
    """The chain that `save` kept. Raises InputError when the file is not that of `steps`."""
    check_steps(steps, incoming)
    arrays = load_arrays(path)
    transforms = []
    for at, step in enumerate(steps):
        prefix = f"{at}."
        mine = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        try:
            transforms.append(TRANSFORMS.get(step.name).from_parameters(step.value, mine))
        except (InputError, KeyError, IndexError) as error:
            raise InputError(f"{path}: {step} cannot be made again from {sorted(mine) or 'nothing'}: {error}") from None
    return Chain(tuple(transforms), cosine, incoming)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Named arrays as safetensors; {"format": "pt"} is what torch libraries look for."""
    save_file(arrays, path, metadata={"format": "pt"})


def load_arrays(path: Path) -> Arrays:
    """Named arrays. Raises InputError when there is no such file or it is broken."""
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
