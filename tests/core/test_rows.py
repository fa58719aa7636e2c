"""Matrices read in blocks give what the whole matrix gives."""

import numpy as np
import pytest

from sizewise.core import rows
from sizewise.core.rows import InMemory, Mapped, blocks, gather, materialise


class Watched:
    """Rows that remember which blocks were read."""

    def __init__(self, array):
        self.array, self.read = array, []
        self.dimensions = array.shape[1]

    def __len__(self):
        return len(self.array)

    def block(self, start, stop):
        self.read.append((start, stop))
        return self.array[start:stop]


@pytest.fixture
def array():
    return np.random.default_rng(0).standard_normal((23, 5)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 19, 20, 100, 459, 460, 461, 10**6])
def test_blocks_cover_all_rows_once(array, size, monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", size)
    found = list(blocks(InMemory(array)))
    assert [row for start, stop in found for row in range(start, stop)] == list(range(23))
    assert all((stop - start) * 20 <= max(size, 20) for start, stop in found)
    assert len(list(blocks(InMemory(array), bytes_per_row=5))) <= len(found)


def test_no_rows_no_blocks():
    assert list(blocks(InMemory(np.empty((0, 5), np.float32)))) == []
    assert list(blocks(InMemory(np.empty((0, 0), np.float32)))) == []


@pytest.mark.parametrize("positions", [[], [0], [22, 0, 7, 7, 3], list(range(23))[::-1], [5] * 30])
def test_gather_is_indexing_block_by_block(array, positions, monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 80)
    wanted = np.array(positions, dtype=np.int64)
    source = Watched(array)
    found = gather(source, wanted)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array[wanted])
    assert all(any(start <= at < stop for at in positions) for start, stop in source.read), "a block read for nothing"


def test_gather_keeps_the_type():
    codes = np.arange(12, dtype=np.int8).reshape(4, 3)
    found = gather(InMemory(codes), np.array([3, 1]))
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, codes[[3, 1]])


def test_mapped_rows_are_made_as_they_are_read(array):
    source = Watched(array)
    mapped = Mapped(source, lambda block: block[:, :2] * 2, 2)
    assert (len(mapped), mapped.dimensions, source.read) == (23, 2, [])
    np.testing.assert_array_equal(mapped.block(3, 9), array[3:9, :2] * 2)
    assert source.read == [(3, 9)]


def test_materialise_reads_all_or_nothing(array):
    source = Watched(array)
    assert materialise(source, limit=23 * 5 * 4 - 1) is source
    assert source.read == [(0, 1)]
    found = materialise(source, limit=23 * 5 * 4)
    assert isinstance(found, InMemory)
    np.testing.assert_array_equal(found.block(0, 23), array)
