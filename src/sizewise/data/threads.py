"""Small fits run on one thread: the arithmetic is the same on every machine, and nothing spins."""

from contextlib import AbstractContextManager
from typing import Any


def single_threaded() -> AbstractContextManager[Any]:
    """One BLAS and OpenMP thread inside the `with`.

    Products as small as those of a probe gain little from a second thread, and where cores are shared its busy waiting
    costs far more: 0.2 s became 6 s for one regression on 2,321 texts.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits
