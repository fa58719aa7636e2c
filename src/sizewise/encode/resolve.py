"""From a model as data to its encoder: by scheme, else by runtime."""

from typing import cast

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.core.grammar import SHORT
from sizewise.core.registry import ENCODERS, RUNTIMES
from sizewise.encode.encoder import Encoder, Trust, scheme

NETWORKS = ("shape", "cross")
"""Schemes whose models other runtimes can run too."""


def resolve(model: Model, trust: Trust | None = None) -> Encoder:
    """The encoder of `model`, its weights not loaded yet.

    Raises InputError when there is no such model, scheme or runtime.
    """
    found = encoder_class(model)
    if found.precisions is not None and model.precision not in found.precisions:
        *others, last = (SHORT[precision] for precision in found.precisions)
        raise InputError(
            f"{model.name}: {model.runtime} has no {SHORT.get(model.precision, model.precision)}; it runs "
            f"{', '.join(others)} and {last}"
        )
    return found(model, trust)


def encoder_class(model: Model) -> type[Encoder]:
    """What runs `model`. Raises InputError when there is no such scheme or runtime."""
    found = scheme(model.name)
    if found is None or (found[0] in NETWORKS and model.runtime != Model("").runtime):
        return cast("type[Encoder]", RUNTIMES.get(model.runtime))
    if found[0] not in ENCODERS:
        raise InputError(
            f"unknown kind of encoder {found[0]!r} in {model.name!r}; there are: {', '.join(ENCODERS.names())} "
            "(a folder whose name holds ':' is written ./like:this)"
        )
    return cast("type[Encoder]", ENCODERS.get(found[0]))
