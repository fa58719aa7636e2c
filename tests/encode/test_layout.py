"""Texts in rows: every token where it belongs, none twice, little padding."""

import numpy as np
import pytest

from sizewise.encode.layout import BROKEN, NARROWEST, WIDTHS, fitting, one_row, own_rows, shared_rows
from sizewise.encode.tokens import Tokens


def tokens(lengths):
    """Every token different, so that a misplaced one shows."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Tokens(np.arange(1, starts[-1] + 1, dtype=np.int32), starts.astype(np.int64))


@pytest.mark.parametrize("seed", range(20))
def test_every_text_lies_whole_in_one_row(seed):
    chance = np.random.default_rng(seed)
    lengths = np.minimum(chance.geometric(0.03, chance.integers(1, 400)), 256)
    given = tokens(lengths)
    seen = np.zeros(len(lengths), dtype=int)
    for block in [*shared_rows(lengths, 512, 256), *own_rows(lengths, 512, 8)]:
        ids, mask = block.fill(given.take(block.texts))
        assert ids.shape == mask.shape
        assert ids.size <= max(512, ids.shape[1])
        for text, row, start, number in zip(block.texts, block.row, block.start, block.number, strict=True):
            here = slice(start, start + lengths[text])
            np.testing.assert_array_equal(ids[row, here], given.ids[given.starts[text] : given.starts[text + 1]])
            np.testing.assert_array_equal(np.flatnonzero(mask[row] == number), np.arange(here.start, here.stop))
        assert (mask > 0).sum() == lengths[block.texts].sum()
        seen[block.texts] += 1
    assert (seen == 2).all()


def test_shared_rows_waste_little():
    lengths = np.minimum(np.random.default_rng(0).geometric(1 / 53, 3000), 256)
    blocks = shared_rows(lengths, 512, 256)
    cells = sum((block.row.max() + 1) * block.width for block in blocks)
    assert lengths.sum() / cells > 0.98
    assert {block.width for block in blocks} <= {NARROWEST, 2 * NARROWEST, 4 * NARROWEST}


def test_there_are_few_shapes_however_many_texts_there_are():
    chance = np.random.default_rng(0)
    blocks = [
        block
        for count in range(1, 200)
        for block in shared_rows(np.minimum(chance.geometric(1 / 53, count), 256), 512, 256)
    ]
    narrow = (*range(8, 32, 8), *range(40, 64, 8), *range(64, 129, 16))
    assert {(int(block.row.max()) + 1, block.width) for block in blocks} <= {
        *((1, width) for width in narrow),
        *((rows, 64) for rows in (1, 2, 4, 8)),
        *((rows, 128) for rows in (1, 2, 4)),
        *((rows, 256) for rows in (1, 2)),
    }


def test_vectors_come_from_the_row_and_number_of_their_text():
    lengths = np.array([40, 10, 30, 20])
    (block,) = shared_rows(lengths, 512, 64)
    most = block.number.max()
    rows = block.row.max() + 1
    made = np.arange(rows * most, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(block.vectors(made)[:, 0], block.row * most + block.number - 1)


def test_positions_of_a_longer_list():
    (block,) = own_rows([3, 5], 100, 8)
    assert sorted(block.of(np.array([7, 9])).texts) == [7, 9]
    assert block.width == 8
    assert own_rows([3, 5], 100, step=1)[0].width == 5


def test_an_empty_text_has_a_row_and_a_long_one_goes_alone():
    assert len(shared_rows([0], 512, 256)[0].texts) == 1
    blocks = own_rows([0, 700, 3], 512, 8)
    assert [len(block.texts) for block in blocks] == [1, 2]


def test_a_text_alone():
    tokens = np.array([4, 5, 6], dtype=np.int32)
    ids, mask = one_row(tokens, 4)
    assert ids.tolist() == [[4, 5, 6, 0]]
    assert mask.tolist() == [[1, 1, 1, 0]]
    assert one_row(tokens, 3)[0].tolist() == [[4, 5, 6]]


def test_a_few_texts_are_one_row_that_fits_them():
    (block,) = shared_rows([5, 0, 9, 3], 512, 256)
    assert (block.width, block.row.max(), sorted(block.start)) == (24, 0, [0, 5, 6, 15])
    assert len(shared_rows([40, 40], 512, 64)) == 1
    assert shared_rows([40, 40], 512, 64)[0].width == 64, "no row is wider than the longest text may be"


def test_widths_that_fit():
    widths = [fitting(tokens) for tokens in range(1, 513)]
    assert all(tokens <= width < max(1.25 * tokens + 1, tokens + 16) for tokens, width in enumerate(widths, 1))
    assert widths == sorted(widths)
    assert len(set(widths)) == 19
    assert all(width % WIDTHS == 0 for width in widths)
    assert BROKEN not in widths
