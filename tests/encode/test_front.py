"""The shared front end: vectors in order whatever the batches, one window ahead where that is wanted."""

import threading
from itertools import count, islice

import numpy as np
import pytest

from sizewise.encode import batches
from sizewise.encode.budget import Budget
from sizewise.encode.front import ahead, encode_texts
from sizewise.encode.tokens import TextTokenizer


@pytest.fixture
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(["the river and the bank"], trainer)
    return TextTokenizer(made, 30)


class Sums:
    """Number and sum of the ids of each text; remembers its batches."""

    def __init__(self, room=10**9):
        self.room, self.batches = room, []

    def __call__(self, tokens):
        cost = int(tokens.lengths.max()) * len(tokens)
        if cost > self.room:
            raise MemoryError
        self.batches.append(cost)
        sums = np.diff(np.concatenate([[0], np.cumsum(tokens.ids)])[tokens.starts])
        return np.stack([tokens.lengths, sums], axis=1).astype(np.float32)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("room", [10**9, 100])
def test_vectors_stand_in_the_order_of_the_texts(tokenizer, sentences, monkeypatch, overlap, room):
    monkeypatch.setattr(batches.windows, "__defaults__", (64, 10**6))
    run, said = Sums(room), []
    texts = [*sentences, "", "\ud800"]
    found = encode_texts(texts, "the ", tokenizer, run, 2, Budget(256, say=said.append), overlap=overlap)
    wanted = np.concatenate([Sums()(tokenizer([text], "the ")) for text in texts])
    np.testing.assert_array_equal(found, wanted)
    assert max(run.batches) <= min(256, room)
    assert len(run.batches) > 4
    assert bool(said) == (room == 100)
    assert found.dtype == np.float32


def test_nothing_to_encode(tokenizer):
    assert encode_texts([], "", tokenizer, Sums(), 2, Budget(9)).shape == (0, 2)


def test_one_is_made_while_the_caller_works_and_no_more():
    made, gates = [], [threading.Event() for _ in range(100)]

    def make(item):
        made.append(item)
        gates[item].set()
        return item

    results = ahead(count(), make)
    assert next(results) == 0
    assert gates[1].wait(5), "the next one is being made"
    assert list(islice(results, 3)) == [1, 2, 3]
    results.close()
    assert made == [0, 1, 2, 3, 4]
    assert list(ahead([], make)) == []


def test_as_many_are_made_early_as_is_said_and_come_in_order():
    made, fifth = [], threading.Event()

    def make(item):
        made.append(item)
        if item == 5:
            fifth.set()
        return item

    results = ahead(count(), make, threads=2, early=5)
    assert next(results) == 0
    assert fifth.wait(5), "five beyond the one that was asked for"
    assert list(islice(results, 50)) == list(range(1, 51))
    results.close()
    assert max(made) <= 55


def test_without_threads_nothing_is_made_early():
    made = []
    results = ahead(range(9), lambda item: made.append(item) or item, threads=0)
    assert next(results) == 0
    assert made == [0]


def test_an_error_comes_where_its_result_would():
    results = ahead([2, 1, 0], lambda item: 2 // item)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_stream_of_blocks_needs_no_end(make_encoder, monkeypatch):
    monkeypatch.setattr(batches.windows, "__defaults__", (10, 10**6))
    encoder = make_encoder()
    blocks = list(islice(encoder.stream((str(number) for number in count()), "text", "p "), 3))
    assert [block.shape for block in blocks] == [(10, 6)] * 3
    assert encoder.encoded == [str(number) for number in range(30)]
    np.testing.assert_array_equal(blocks[1][0], encoder.vector("p 10"))
