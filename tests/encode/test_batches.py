"""Plans of batches: every text once, nothing over the budget, and bounded reading of endless iterators."""

from itertools import count, islice, pairwise

import numpy as np
import pytest

from sizewise.encode.batches import plan, windows


def cost(lengths, batch, *, padded):
    return lengths[batch].max() * len(batch) if padded else lengths[batch].sum()


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("budget", [1, 7, 64, 2048, 10**9])
@pytest.mark.parametrize("seed", range(5))
def test_every_text_goes_once_longest_first_and_within_the_budget(padded, budget, seed):
    chance = np.random.default_rng(seed)
    lengths = np.concatenate([chance.integers(1, 40, 300), chance.integers(200, 512, 20)])
    batches = plan(lengths, budget, padded=padded)
    order = np.concatenate(batches)
    assert sorted(order) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) <= 0).all()
    for batch in batches:
        assert cost(lengths, batch, padded=padded) <= budget or len(batch) == 1
    for batch, after in pairwise(batches):
        one_more = np.append(batch, after[0])
        assert cost(lengths, one_more, padded=padded) > budget, "a batch is as many texts as fit"


def test_a_text_over_the_budget_goes_alone():
    assert [batch.tolist() for batch in plan([5, 900, 5, 700], 100)] == [[1], [3], [0, 2]]
    assert [batch.tolist() for batch in plan([5, 900, 5, 700], 100, padded=False)] == [[1], [3], [0, 2]]


def test_texts_of_one_length_keep_their_order():
    assert [batch.tolist() for batch in plan([3] * 5, 9)] == [[0, 1, 2], [3, 4]]


def test_empty_texts_take_a_row_and_nothing_makes_no_batch():
    assert [len(batch) for batch in plan([0] * 10, 4)] == [4, 4, 2]
    assert plan([], 8) == []
    with pytest.raises(ValueError, match="at least 1 token, not 0"):
        plan([1], 0)


def test_little_is_padded():
    lengths = np.random.default_rng(0).lognormal(3.5, 0.8, 4000).astype(int) + 2
    padded = sum(cost(lengths, batch, padded=True) for batch in plan(lengths, 2048))
    assert padded < 1.03 * lengths.sum()


def test_windows_are_bounded_in_texts_and_characters():
    texts = ["a" * 10] * 5 + ["b" * 95, "c" * 500, "d", "e" * 99]
    found = list(windows(texts, most_texts=4, most_characters=100))
    assert [len(some) for some in found] == [4, 1, 1, 1, 2]
    assert [text for some in found for text in some] == texts
    assert all(sum(map(len, some)) <= 100 for some in found if len(some) > 1)
    assert list(windows([])) == []


def test_windows_may_begin_small_and_grow():
    found = list(windows("abcdefghijklmnop", most_texts=6, first_texts=2))
    assert [len(some) for some in found] == [2, 4, 6, 4]
    assert [len(some) for some in windows("abcdefg", most_texts=3, first_texts=5)] == [3, 3, 1]


def test_an_endless_iterator_is_read_no_further_than_needed():
    read = []

    def endless():
        for number in count():
            read.append(number)
            yield str(number)

    some = list(islice(windows(endless(), most_texts=10), 3))
    assert [text for part in some for text in part] == [str(number) for number in range(30)]
    assert len(read) == 31
