"""Encode once: what is in the store is not encoded again, and a run that goes on makes the same vectors."""

import numpy as np
import pytest

from sizewise.core.errors import RunError
from sizewise.core.progress import Silent
from sizewise.encode import stored
from sizewise.encode.stored import missing_texts, stored_vectors
from sizewise.store.store import Store


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(stored, "SHARD_CHARACTERS", 400)


def read(rows):
    return rows.block(0, len(rows))


def wanted(encoder, texts, prompt=""):
    return np.stack([encoder.vector(prompt + text) for text in texts])


class Heard(Silent):
    def __init__(self):
        self.said, self.total, self.done, self.closed = [], 0.0, 0.0, 0

    def say(self, message):
        self.said.append(message)

    def bar(self, label, total):
        self.label, self.total = label, total
        return self

    def advance(self, amount):
        self.done += amount

    def close(self):
        self.closed += 1


def test_vectors_stand_in_the_order_of_the_texts_and_each_text_is_encoded_once(store, make_encoder, sentences):
    encoder = make_encoder()
    texts = [sentences[at] for at in np.random.default_rng(0).integers(0, 60, 150)]
    found = stored_vectors(store, encoder, texts, "text", "", Silent())
    np.testing.assert_array_equal(read(found), wanted(encoder, texts))
    assert sorted(encoder.encoded) == sorted(set(texts))
    assert len(encoder.batches) > 3


def test_only_what_is_missing_is_encoded(store, make_encoder, sentences):
    first, second = make_encoder(), make_encoder()
    stored_vectors(store, first, sentences[:50], "text", "", Silent())
    assert missing_texts(store, second, sentences[40:60] * 2, "text", "") == sentences[50:60]
    found = stored_vectors(store, second, sentences[40:60], "text", "", Silent())
    assert sorted(second.encoded) == sorted(sentences[50:60])
    np.testing.assert_array_equal(read(found), wanted(second, sentences[40:60]))
    third = make_encoder(fail_after=0)
    np.testing.assert_array_equal(
        read(stored_vectors(store, third, sentences[:60], "text", "", Silent())), wanted(third, sentences[:60])
    )


def test_parts_are_kept_as_they_come(store, make_encoder, sentences):
    encoder, texts = make_encoder(), sentences[:50]
    encoder.in_requests = True

    def parts(given, role, prompt):
        assert len(given) == 50, "all at once, to make parts of"
        for start in range(0, 30, 10):
            yield 10, np.stack([encoder.vector(text) for text in given[start : start + 10]])

    encoder.encode_parts = parts
    with pytest.raises(RunError, match="made vectors for 30 of 50 texts"):
        stored_vectors(store, encoder, texts, "text", "", Silent())
    rest = make_encoder()
    found = stored_vectors(store, rest, texts, "text", "", Silent())
    assert len(rest.encoded) == 20
    np.testing.assert_array_equal(read(found), wanted(encoder, texts))


def test_prompts_have_vectors_of_their_own(store, make_encoder, sentences):
    encoder = make_encoder()
    for prompt in ("", "query: ", "query:"):
        found = stored_vectors(store, encoder, sentences[:9], "query", prompt, Silent())
        np.testing.assert_array_equal(read(found), wanted(encoder, sentences[:9], prompt))
    assert len(encoder.encoded) == 27


def test_roles_share_vectors_unless_the_encoder_tells_them_apart(store, make_encoder, sentences):
    encoder = make_encoder()
    stored_vectors(store, encoder, sentences[:5], "query", "", Silent())
    stored_vectors(store, encoder, sentences[:5], "document", "", Silent())
    assert len(encoder.encoded) == 5
    encoder.depends_on_role = True
    stored_vectors(store, encoder, sentences[:5], "query", "", Silent())
    stored_vectors(store, encoder, sentences[:5], "document", "", Silent())
    assert len(encoder.encoded) == 15
    assert missing_texts(store, encoder, sentences[:5], "query", "") == []


def test_longest_texts_come_first_in_shards_of_about_one_length(store, make_encoder, sentences):
    encoder = make_encoder()
    stored_vectors(store, encoder, sentences, "text", "", Silent())
    lengths = [len(text) for text in encoder.encoded]
    assert lengths == sorted(lengths, reverse=True)
    assert all(sum(len(text) + 10 for text in batch[:-1]) <= 400 + 250 for batch in encoder.batches)


def test_large_sets_get_larger_shards(store, make_encoder, monkeypatch):
    monkeypatch.setattr(stored, "MOST_SHARDS", 5)
    encoder = make_encoder()
    stored_vectors(store, encoder, [f"{at:0100}" for at in range(100)], "text", "", Silent())
    assert len(encoder.batches) in (5, 6)


@pytest.mark.parametrize("interruptions", [[1], [0, 3], [2, 1, 5], [1] * 30])
def test_a_run_that_goes_on_makes_the_same_batches(tmp_path, make_encoder, sentences, interruptions):
    """So even an encoder whose last digits depend on the batch makes the same vectors to the last bit."""
    texts = sentences + sentences[:20]
    whole = make_encoder()
    with Store(tmp_path / "whole") as store:
        at_once = read(stored_vectors(store, whole, texts, "text", "", Silent()))
    batches = []
    with Store(tmp_path / "parts") as store:
        for kept in interruptions:
            encoder = make_encoder(fail_after=kept)
            try:
                stored_vectors(store, encoder, texts, "text", "", Silent())
            except KeyboardInterrupt:
                assert len(encoder.batches) == kept
            batches += encoder.batches
        last = make_encoder()
        found = read(stored_vectors(store, last, texts, "text", "", Silent()))
    assert batches + last.batches == whole.batches
    np.testing.assert_array_equal(found, at_once)


def test_an_interrupted_torch_run_ends_with_the_same_bits(tmp_path, tiny_model, sentences, monkeypatch):
    from sizewise.core.candidate import Model
    from sizewise.encode.torch import TorchEncoder

    monkeypatch.setattr("sizewise.encode.torch.BATCH", {"cpu": 4})
    encoder = TorchEncoder(Model(str(tiny_model)))
    with Store(tmp_path / "whole") as store:
        at_once = read(stored_vectors(store, encoder, sentences, "text", "", Silent()))
    calls, encode = [], encoder.encode

    def interrupted(texts, role, prompt):
        calls.append(len(texts))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return encode(texts, role, prompt)

    with Store(tmp_path / "parts") as store:
        monkeypatch.setattr(encoder, "encode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stored_vectors(store, encoder, sentences, "text", "", Silent())
        assert len(missing_texts(store, encoder, sentences, "text", "")) == len(sentences) - sum(calls[:3])
        np.testing.assert_array_equal(read(stored_vectors(store, encoder, sentences, "text", "", Silent())), at_once)


def test_what_another_process_has_done_meanwhile_is_used(store, make_encoder, sentences, monkeypatch):
    """It finished between our look and our turn to write."""
    from sizewise.store.vectors import Space

    other, mine, heard = make_encoder(), make_encoder(fail_after=0), Heard()
    really = Space.writing

    def after_the_other(space):
        monkeypatch.setattr(Space, "writing", really)
        with Store(store.root) as theirs:
            stored_vectors(theirs, other, sentences[:9], "text", "", Silent())
        return really(space)

    monkeypatch.setattr(Space, "writing", after_the_other)
    found = stored_vectors(store, mine, sentences[:9], "text", "", heard)
    np.testing.assert_array_equal(read(found), wanted(mine, sentences[:9]))
    space = next((store.root / "vectors").iterdir())
    assert all(file.stat().st_size for file in space.glob("*.keys")), "an empty shard is no use to anybody"


def test_who_waited_for_another_process_is_told(store, make_encoder, sentences, monkeypatch):
    from contextlib import contextmanager

    from sizewise.store.vectors import Space

    @contextmanager
    def waited(space):
        yield True

    monkeypatch.setattr(Space, "writing", waited)
    heard = Heard()
    stored_vectors(store, make_encoder("mine"), sentences[:9], "text", "", heard)
    assert heard.said == ["mine: another process was encoding; 9 texts are left to do"]


def test_progress_adds_up_even_when_interrupted(store, make_encoder, sentences):
    heard = Heard()
    with pytest.raises(KeyboardInterrupt):
        stored_vectors(store, make_encoder("mine", fail_after=2), sentences, "text", "", heard)
    assert (heard.label, heard.closed) == ("encode mine", 1)
    assert 0 < heard.done < heard.total
    rest = Heard()
    stored_vectors(store, make_encoder("mine"), sentences, "text", "", rest)
    assert rest.done == pytest.approx(rest.total)
    assert heard.done + rest.done == pytest.approx(heard.total)


def test_a_limit_of_tokens_limits_the_work():
    short, long, nothing = stored._work(["a" * 10, "a" * 1000, ""], 20, 1_000_000)
    assert (short, long, nothing) == pytest.approx((20, 90, 10), rel=1e-4)
    assert stored._work(["a" * 1000], None, 1_000_000).tolist() == [1010.0]


def test_work_counts_what_a_script_costs_and_the_attention_of_long_texts():
    plain, chinese = stored._work(["a" * 300, "中" * 100], None, 384)
    assert plain == chinese
    short, long = stored._work(["a" * 400, "a" * 4000], 8192, 384)
    assert long / short == pytest.approx(10 * (1 + 1000 / 2304) / (1 + 100 / 2304), rel=0.03)


def test_vectors_that_depend_on_their_neighbours_are_never_stored(store, make_encoder):
    encoder = make_encoder("moody")
    encoder.depends_on_batch = True
    with pytest.raises(RunError, match="moody: its vectors depend on their batch neighbours and cannot be stored"):
        stored_vectors(store, encoder, ["a"], "text", "", Silent())
    assert encoder.batches == []
    assert not (store.root / "vectors").exists()


def test_an_encoder_that_loses_a_text_is_found_out(store, make_encoder, monkeypatch):
    encoder = make_encoder("careless")
    monkeypatch.setattr(encoder, "encode", lambda texts, role, prompt: np.zeros((len(texts) - 1, 6), np.float32))
    with pytest.raises(RunError, match="careless returned an array of shape"):
        stored_vectors(store, encoder, ["a", "b", "c"], "text", "", Silent())


def test_the_name_is_told_and_not_part_of_the_key(store, make_encoder, sentences):
    stored_vectors(store, make_encoder("one"), sentences[:5], "text", "p: ", Silent())
    again = make_encoder("two", fail_after=0)
    stored_vectors(store, again, sentences[:5], "text", "p: ", Silent())
    assert [usage.encoder for usage in store.usage()] == ["one"]
