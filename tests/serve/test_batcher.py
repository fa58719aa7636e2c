"""What is run together, in which order, and what happens to those who do not wait, ask too much, or break."""

import threading
import time

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.encode.encoder import Encoder
from sizewise.serve.batcher import Batcher, Full, Late, TooMuch
from sizewise.serve.pace import Pace


class Slow(Encoder):
    """Vectors are lengths; it runs when it may, and remembers what was run together."""

    def __init__(self, name="slow"):
        super().__init__(Model(name))
        self.ran, self.may = [], threading.Event()
        self.may.set()

    identity, dimensions = {}, 2

    def count_tokens(self, texts, prompt):
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def encode(self, texts, role, prompt):
        self.may.wait(10)
        self.ran.append(list(texts))
        if any("poison" in text for text in texts):
            raise ValueError("poisoned")
        return np.array([[len(text), len(prompt)] for text in texts], dtype=np.float32)


@pytest.fixture
def encoder(monkeypatch):
    monkeypatch.setattr("sizewise.serve.pace.LEAST", 1)
    monkeypatch.setattr("sizewise.serve.pace.WEIGHT", 0.0)
    monkeypatch.setattr("sizewise.serve.batcher.SHORT", 0)  # all are read while others run
    return Slow()


@pytest.fixture
def make(encoder):
    made = []

    def batcher(tokens=10, tokens_per_s=1000.0, **more):
        found = Batcher(**{"waiting_s": 5.0, "longest_s": 5.0} | more)
        found.pace(encoder, Pace(tokens_per_s, tokens / tokens_per_s))
        made.append(found)
        return found

    yield batcher
    encoder.may.set()
    for one in made:
        one.close()


def held(batcher, encoder):
    """A job that is running, so that the next ones wait."""
    encoder.may.clear()
    first = batcher.submit(encoder, ["first"], "text", "")
    while batcher.waiting[1]:
        time.sleep(0.001)
    return first


def waits_for(batcher, jobs):
    while sum(job.left for job in batcher._jobs) < jobs:
        time.sleep(0.001)


def nothing_waits(batcher):
    """Soon: who waits for a result has it a moment before the batcher hears that the job ended."""
    until = time.monotonic() + 5
    while batcher.waiting != (0, 0) and time.monotonic() < until:
        time.sleep(0.001)
    return batcher.waiting == (0, 0)


def test_in_the_order_of_the_texts(make, encoder):
    made = make().submit(encoder, ["a b c", "a", "a b c d e f g", "", "a b"], "text", "p").result(5)
    assert made.vectors.tolist() == [[5, 1], [1, 1], [13, 1], [0, 1], [3, 1]]
    assert made.lengths.tolist() == [3, 1, 7, 0, 2]
    assert not made.cut.any()
    assert min(made.read_s, made.queue_s, made.run_s) >= 0


def test_a_budget_of_tokens_and_the_longest_first(make, encoder):
    make().submit(encoder, ["a", "a b c d e f g", "a b c", "a b"], "text", "").result(5)
    assert encoder.ran == [["a b c d e f g", "a b c"], ["a b", "a"]]


def test_a_text_over_the_budget_runs_alone(make, encoder):
    make(tokens=4).submit(encoder, ["a", "a b c d e f g"], "text", "").result(5)
    assert encoder.ran == [["a b c d e f g"], ["a"]]


def test_waiting_requests_run_together_and_a_list_leaves_room_for_others(make, encoder, monkeypatch):
    monkeypatch.setattr("sizewise.serve.batcher.QUANTUM", 2)
    batcher = make(tokens=8)
    first = held(batcher, encoder)
    long = batcher.submit(encoder, ["l l"] * 20, "text", "")
    waits_for(batcher, 1)
    short = [batcher.submit(encoder, [f"s{at}"], "text", "") for at in range(3)]
    waits_for(batcher, 4)
    encoder.may.set()
    for one in (first, long, *short):
        one.result(5)
    assert sorted(encoder.ran[1]) == ["l l", "l l", "s0", "s1", "s2"]
    assert [len(some) for some in encoder.ran[2:]] == [4, 4, 4, 4, 2]


def test_what_goes_another_way_is_run_apart(make, encoder):
    batcher = make(tokens=100)
    other = Slow("other")
    batcher.pace(other, Pace(1000.0, 0.1))
    first = held(batcher, encoder)
    jobs = [
        batcher.submit(one, [text], "text", prompt)
        for one, text, prompt in [(encoder, "a", ""), (other, "b", ""), (encoder, "c", "p"), (encoder, "d", "")]
    ]
    waits_for(batcher, 4)
    encoder.may.set()
    assert [job.result(5).vectors.tolist() for job in jobs] == [[[1, 0]], [[1, 0]], [[1, 1]], [[1, 0]]]
    assert sorted(map(sorted, encoder.ran[1:])) == [["a", "d"], ["c"]]
    assert other.ran == [["b"]]
    first.result(5)


def test_what_breaks_fails_alone(make, encoder):
    batcher = make(tokens=100)
    first = held(batcher, encoder)
    jobs = [batcher.submit(encoder, [text], "text", "") for text in ("good", "poison", "better")]
    waits_for(batcher, 3)
    encoder.may.set()
    assert jobs[0].result(5).vectors.tolist() == [[4, 0]]
    assert jobs[2].result(5).vectors.tolist() == [[6, 0]]
    with pytest.raises(ValueError, match="poisoned"):
        jobs[1].result(5)
    first.result(5)
    assert nothing_waits(batcher)


def test_who_gives_up_is_not_run(make, encoder):
    batcher = make()
    first = held(batcher, encoder)
    gone, stays = (batcher.submit(encoder, [text], "text", "") for text in ("gone", "stays"))
    waits_for(batcher, 2)
    assert gone.cancel()
    assert batcher.waiting == (2, 1)
    encoder.may.set()
    assert stays.result(5).vectors.tolist() == [[5, 0]]
    first.result(5)
    assert ["gone"] not in encoder.ran


def test_a_list_that_is_given_up_half_way(make, encoder):
    batcher = make(tokens=2)
    encoder.may.clear()
    job = batcher.submit(encoder, ["a b"] * 50, "text", "")
    time.sleep(0.05)
    job.cancel()
    encoder.may.set()
    batcher.submit(encoder, ["x"], "text", "").result(5)
    assert len(encoder.ran) <= 3
    assert nothing_waits(batcher)


def test_a_deadline_that_passes(make, encoder):
    batcher = make()
    first = held(batcher, encoder)
    late = batcher.submit(encoder, ["late"], "text", "", time.monotonic() + 0.05)
    time.sleep(0.1)
    encoder.may.set()
    with pytest.raises(Late):
        late.result(5)
    first.result(5)
    assert ["late"] not in encoder.ran


def test_bounds(make, encoder):
    batcher = make(tokens_per_s=10.0, waiting_s=1.0, longest_s=30.0)
    first = held(batcher, encoder)
    with pytest.raises(TooMuch, match=r"would take about 1e\+02 s, and it may take 30 s; send fewer"):
        batcher.submit(encoder, ["word " * 4] * 146, "text", "")
    with pytest.raises(TooMuch):
        batcher.submit(encoder, ["word"] * 10, "text", "", time.monotonic() + 1.0)
    waiting = batcher.submit(encoder, ["one two three"], "text", "")
    with pytest.raises(Late):
        batcher.submit(encoder, ["word"], "text", "", time.monotonic() + 0.45)
    waiting.cancel()
    jobs = []
    while batcher.full() is None:
        jobs.append(batcher.submit(encoder, ["one two three"], "text", ""))
        waits_for(batcher, len(jobs))
    assert len(jobs) == 4
    with pytest.raises(Full) as found:
        batcher.submit(encoder, ["one"], "text", "")
    assert 0.1 <= found.value.retry_after <= 2
    encoder.may.set()
    for job in (first, *jobs):
        job.result(5)
    assert batcher.full() is None


def test_a_long_list_leaves_room_for_single_texts(make, encoder, monkeypatch):
    """It has its turns among others, and so counts for no more than they do: only another list like it would wait."""
    monkeypatch.setattr("sizewise.serve.batcher.QUANTUM", 2)
    batcher = make(tokens=2, tokens_per_s=10.0, waiting_s=1.0, longest_s=30.0)
    first = held(batcher, encoder)
    long = batcher.submit(encoder, ["a b"] * 20, "text", "")
    waits_for(batcher, 1)
    with pytest.raises(Full) as found:
        batcher.submit(encoder, ["a b"] * 10, "text", "")
    assert found.value.retry_after == pytest.approx(1.5)
    assert batcher.full(tokens=20) is not None
    assert batcher.full() is None
    single = batcher.submit(encoder, ["x"], "text", "", time.monotonic() + 1)
    waits_for(batcher, 2)
    encoder.may.set()
    assert single.result(5).vectors.tolist() == [[1, 0]]
    assert ["x"] in encoder.ran[:4]
    assert len(long.result(5).vectors) == 20
    first.result(5)


def test_who_was_let_in_is_not_asked_again(make, encoder):
    """A request of several stages: what was run for it already shall not be for nothing."""
    batcher = make(tokens_per_s=10.0, waiting_s=0.1)
    first = held(batcher, encoder)
    jobs = [batcher.submit(encoder, ["a b c d"], "text", "")]
    waits_for(batcher, 1)
    with pytest.raises(Full):
        batcher.submit(encoder, ["more"], "text", "")
    jobs.append(batcher.submit(encoder, ["more"], "text", "", begun=True))
    soon = time.monotonic() + 0.01
    with pytest.raises(TooMuch):
        batcher.submit(encoder, ["more"], "text", "", soon, begun=True)
    with pytest.raises(Late):
        batcher.submit(encoder, ["more"], "text", "", soon, begun=True, allowed_s=1.0)
    encoder.may.set()
    for job in (first, *jobs):
        job.result(5)


def test_a_bound_of_requests(make, encoder):
    batcher = make(most_jobs=2)
    first = held(batcher, encoder)
    second = batcher.submit(encoder, ["a"], "text", "")
    with pytest.raises(Full):
        batcher.submit(encoder, ["b"], "text", "")
    encoder.may.set()
    first.result(5)
    second.result(5)


def test_what_cannot_be_read(make, encoder, monkeypatch):
    """In either place it fails alone."""
    for short in (0, 10_000):
        monkeypatch.setattr("sizewise.serve.batcher.SHORT", short)
        batcher = make()
        with pytest.raises(TypeError):
            batcher.submit(encoder, [Unreadable("x")], "text", "").result(5)
        assert batcher.submit(encoder, ["good"], "text", "").result(5).vectors.tolist() == [[4, 0]]
        assert nothing_waits(batcher)


class Unreadable(str):
    split = None


def test_no_texts(make, encoder):
    assert make().submit(encoder, [], "text", "").result(5).vectors.shape == (0, 2)


def test_what_was_taken_is_finished(make, encoder):
    batcher = make(tokens=2)
    first = held(batcher, encoder)
    jobs = [batcher.submit(encoder, ["a b"] * 5, "text", "") for _ in range(5)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while batcher.alive:
        time.sleep(0.001)
    with pytest.raises(Full):
        batcher.submit(encoder, ["more"], "text", "")
    encoder.may.set()
    closing.join(10)
    assert all(len(job.result(0).vectors) == 5 for job in jobs)
    first.result(0)


@pytest.mark.parametrize("short", [0, 20, 10_000])
def test_many_threads(make, encoder, monkeypatch, short):
    """Every answer is that of its own texts, whatever else is asked, and wherever it is read."""
    monkeypatch.setattr("sizewise.serve.batcher.SHORT", short)
    batcher = make(tokens=20, most_jobs=10_000)
    wrong = []

    def ask(seed):
        chance = np.random.default_rng(seed)
        for _ in range(50):
            texts = ["x" * int(length) for length in chance.integers(1, 50, chance.integers(1, 6))]
            found = batcher.submit(encoder, texts, "text", "").result(10).vectors[:, 0]
            if found.tolist() != [len(text) for text in texts]:
                wrong.append(texts)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert nothing_waits(batcher)


def test_streams_share_what_is_there(make, encoder, monkeypatch):
    """Two threads run at a time, each with half of what waits; an encoder of one stream is not run twice at a time."""
    monkeypatch.setattr("sizewise.serve.batcher.QUANTUM", 2)
    batcher = make(tokens=100)
    twice = Slow("twice")
    batcher.pace(twice, Pace(1000.0, 0.1, streams=2))
    twice.may.clear()
    encoder.may.clear()
    jobs = [batcher.submit(one, [f"{at} x"], "text", "") for at in range(2) for one in (twice, encoder)]
    until = time.monotonic() + 5
    while sum(batcher._running.values()) < 2:
        assert time.monotonic() < until
        time.sleep(0.001)
    later = [batcher.submit(twice, [f"late {at}"], "text", "") for at in range(4)]
    time.sleep(0.05)
    assert batcher._running[id(encoder)] <= 1
    assert batcher._running[id(twice)] <= 2
    twice.may.set()
    encoder.may.set()
    for job in (*jobs, *later):
        assert job.result(5).vectors.tolist()[0][0] in (3, 6)
    assert max(map(len, twice.ran[2:])) <= 2


def test_where_company_does_not_pay_nobody_waits_for_it(make, encoder, monkeypatch):
    monkeypatch.setattr(encoder, "together", False)
    batcher = make(tokens=100)
    first = held(batcher, encoder)
    second = batcher.submit(encoder, ["a", "b c"], "text", "")
    waits_for(batcher, 1)
    third = batcher.submit(encoder, ["d"], "text", "")
    waits_for(batcher, 2)
    second.add_done_callback(lambda _: encoder.may.clear())
    encoder.may.set()
    assert second.result(5).vectors.tolist() == [[1, 0], [3, 0]]
    assert first.done()
    assert not third.done()
    encoder.may.set()
    assert third.result(5).vectors.tolist() == [[1, 0]]
    assert encoder.ran == [["first"], ["b c", "a"], ["d"]]


@pytest.mark.parametrize("streams", [1, 4])
def test_a_long_text_has_its_turn_among_short_ones(encoder, streams):
    """However many short ones come all the time, and though it is more than a stream's share of the budget."""
    batcher = Batcher(waiting_s=5.0, longest_s=5.0, most_jobs=10_000)
    batcher.pace(encoder, Pace(100_000.0, 0.001, streams))
    over = threading.Event()

    def ask():
        while not over.is_set():
            batcher.submit(encoder, ["s " * 20], "text", "").result(10)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    batcher.submit(encoder, ["l " * 90], "text", "").result(10)
    took = time.monotonic() - began
    over.set()
    for thread in threads:
        thread.join()
    batcher.close()
    assert took < 1.0


class Clumsy(Slow):
    """What it makes has not as many columns as it says."""

    def encode(self, texts, role, prompt):
        return super().encode(texts, role, prompt)[:, :1].repeat(3, axis=1)


def test_what_makes_other_vectors_than_it_says_kills_no_thread(make):
    clumsy = Clumsy("clumsy")
    batcher = make()
    batcher.pace(clumsy, Pace(1000.0, 0.1, streams=2))
    for _ in range(3):
        with pytest.raises(ValueError, match=r"clumsy made vectors \(1, 3\) where \(1, 2\)"):
            batcher.submit(clumsy, ["a", "b"], "text", "").result(5)
    assert batcher.alive
    assert nothing_waits(batcher)


def test_a_listener_that_fails_is_no_worker(encoder):
    def heard(*_):
        raise OSError("the disk is full")

    batcher = Batcher(waiting_s=5.0, longest_s=5.0, heard=heard)
    batcher.pace(encoder, Pace(1000.0, 0.1))
    for _ in range(3):
        assert batcher.submit(encoder, ["good"], "text", "").result(5).vectors.tolist() == [[4, 0]]
    assert batcher.alive
    batcher.close()


def test_a_job_ends_once(encoder):
    """Two streams that find out at a time that it is late, or that fail at it: one of them tells."""
    from sizewise.serve.job import Job

    for _ in range(200):
        job = Job(encoder, ["a"], "text", "", 0.0)
        threads = [threading.Thread(target=job.fail, args=(Late(1.0),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(Late):
            job.future.result(1)


def test_the_pace_is_learned():
    pace = Pace(10_000.0, 0.5)
    assert pace.tokens == 5_000
    assert pace.after(1_000, 1.0) is pace
    assert pace.after(5_000, 0.25).tokens_per_s == pytest.approx(12_000)
    assert Pace(1.0, 0.5).tokens == 1024
    assert Pace(1e9, 0.5).tokens == 65536
