"""Resamples: right totals, whole groups, the same for all, unbiased in their spread."""

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.stats.resample import CHUNK_BYTES, draw_counts, n_groups_of, resampled_counts


def test_every_resample_takes_n_units():
    counts = np.concatenate(list(resampled_counts(37, None, 500)))
    assert counts.shape == (500, 37)
    assert counts.dtype == np.float32
    assert np.all(counts.sum(axis=1) == 37)
    assert counts.var() == pytest.approx(1 - 1 / 37, abs=0.05)


def test_groups_are_taken_whole():
    groups = np.random.default_rng(0).integers(9, size=60) * 7 - 3
    counts = np.concatenate(list(resampled_counts(60, groups, 200)))
    labels, first = np.unique(groups, return_index=True)
    assert n_groups_of(60, groups) == len(labels) == 9
    for label, unit in zip(labels, first, strict=True):
        assert np.all(counts[:, groups == label] == counts[:, [unit]])
    assert np.all(counts[:, first].sum(axis=1) == 9)


def test_same_seed_same_resamples():
    a, b, other = (np.concatenate(list(resampled_counts(20, None, 50, seed))) for seed in (3, 3, 4))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, other)


def test_chunks_are_bounded():
    sizes = [chunk.nbytes for chunk in resampled_counts(100_000, None, 60)]
    assert len(sizes) > 1
    assert max(sizes) <= CHUNK_BYTES / 4


def test_seeds_keep_all_their_variance():
    values, counts = np.array([0.0, 1.0, 5.0]), draw_counts(3, 40_000)
    means = counts @ values / counts.sum(axis=1)
    assert means.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.03)


def test_one_draw_is_always_taken():
    assert np.all(draw_counts(1, 10) == 1)


def test_bad_sizes_are_refused():
    with pytest.raises(InputError, match="no units"):
        next(resampled_counts(0, None, 1))
    with pytest.raises(InputError, match="group labels"):
        next(resampled_counts(3, np.array([1, 2]), 1))
