"""When memory runs out batches get smaller, nothing is lost or done in another order, and it is said."""

import numpy as np
import pytest

from sizewise.core.errors import RunError
from sizewise.encode.budget import Budget, out_of_memory


class Device:
    """Makes vectors of texts with `lengths`, with room for so many padded tokens at once."""

    def __init__(self, lengths, room, error=MemoryError):
        self.lengths, self.room, self.error, self.costs = np.asarray(lengths), room, error, []

    def __call__(self, rows):
        cost = int(self.lengths[rows].max()) * len(rows)
        self.costs.append(cost)
        if cost > self.room:
            raise self.error("out of memory")
        return np.repeat(rows[:, None], 3, axis=1).astype(np.float32)


def fill(budget, device):
    out = np.full((len(device.lengths), 3), -1, dtype=np.float32)
    budget.fill(out, device.lengths, device)
    return out


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_batches_shrink_until_they_fit_and_every_text_gets_its_vector(padded, error):
    said, released = [], []
    lengths = np.random.default_rng(0).integers(1, 60, 500)
    budget = Budget(8192, padded=padded, say=said.append, release=lambda: released.append(1))
    device = Device(lengths, 700, error)
    out = fill(budget, device)
    np.testing.assert_array_equal(out[:, 0], np.arange(500))
    assert 60 <= budget.tokens <= 700
    assert len(said) == len(released) == sum(cost > 700 for cost in device.costs) >= 1
    assert said[0].startswith("out of memory with ")
    assert said[-1].endswith(f"going on with batches of {budget.tokens:,} tokens")


def test_the_smaller_budget_is_kept():
    budget = Budget(1000)
    fill(budget, Device([10] * 100, 300))
    before = budget.tokens
    device = Device([10] * 100, 300)
    fill(budget, device)
    assert budget.tokens == before
    assert max(device.costs) <= 300


def test_a_budget_far_above_the_work_shrinks_at_once():
    budget = Budget(10**9)
    device = Device([10] * 100, 300)
    fill(budget, device)
    assert device.costs[:3] == [1000, 500, 250]


def test_a_text_that_does_not_fit_alone_is_an_error():
    with pytest.raises(RunError, match="a text of 1,000 tokens does not fit into memory by itself; cut it"):
        fill(Budget(4096), Device([5, 1000, 5], 300))


def test_other_errors_are_not_swallowed():
    def broken(rows):
        raise RuntimeError("the kernel is wrong")

    with pytest.raises(RuntimeError, match="the kernel is wrong"):
        Budget(10).fill(np.empty((3, 3), np.float32), np.array([1, 1, 1]), broken)


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (np._core._exceptions._ArrayMemoryError((1,), np.dtype("f4")), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("expected scalar type Float"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error, is_one):
    assert out_of_memory(error) is is_one


def test_the_failed_try_is_freed_before_the_next():
    """What the frames of the error hold would take the memory that the next try needs."""
    import weakref

    held = []

    class Big:
        pass

    def run(rows):
        if held:
            assert held[0]() is None
            return np.zeros((len(rows), 3), np.float32)
        big = Big()
        held.append(weakref.ref(big))
        raise MemoryError

    Budget(10).fill(np.empty((4, 3), np.float32), np.array([1, 1, 1, 1]), run)
    assert held
