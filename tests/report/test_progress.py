"""Time left that proves right, whatever the pieces; told on a terminal only."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from sizewise.core.progress import Silent
from sizewise.encode import stored
from sizewise.encode.stored import stored_vectors
from sizewise.report.progress import Pace, TerminalProgress

WIDE = ("中", 1.0)
LATIN = ("x", 4.5)


class Clock:
    """A clock that stands still until work is done."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Watched(Silent):
    """Bars whose pace is read after each piece: how far the work is, when, and the time left by then."""

    def __init__(self, clock):
        self.clock, self.read, self.total, self.done = clock, [], 0.0, 0.0

    def bar(self, label, total):
        self.total, self.pace = total, Pace(total, self.clock())
        return self

    def advance(self, amount):
        self.pace.advance(amount, self.clock())
        self.done += amount
        self.read.append((self.done / self.total, self.clock(), self.pace.left(self.clock())))

    def close(self):
        self.ended = self.clock()

    def errors(self):
        """How far off each estimate was from 20% of the work on, as a share of the truth; not of the last pieces,
        after which next to nothing is left."""
        return [left / (self.ended - now) - 1 for share, now, left in self.read if 0.2 <= share <= 0.95]


def texts_of(tokens, scripts):
    """A text of about so many tokens each, told apart by its number."""
    rng = np.random.default_rng(1)
    drawn = [scripts[at] for at in rng.integers(0, len(scripts), len(tokens))]
    return [
        f"{at:06}" + letter * int(size * count)
        for at, (count, (letter, size)) in enumerate(zip(tokens, drawn, strict=True))
    ]


def uneven(name):
    rng = np.random.default_rng(0)
    body = rng.lognormal(3.6, 0.9, 4000)
    return {
        "mixed": texts_of(np.minimum(body, 2000), [LATIN]),
        "a long tail": texts_of([*rng.lognormal(3, 0.5, 4000), *rng.uniform(500, 8000, 60)], [LATIN]),
        "two scripts": texts_of(rng.lognormal(3.6, 0.6, 4000), [LATIN, WIDE]),
        "all alike": texts_of([20.0] * 4000, [LATIN]),
    }[name]


@pytest.fixture
def timed(make_encoder):
    """An encoder of so many tokens at most whose work moves the clock: `scale` seconds a token, more for long texts,
    8% up or down by chance, 40 seconds to load, and a slow first batch."""

    def made(clock, limit, scale):
        rng = np.random.default_rng(2)
        encoder = make_encoder(f"timed-{limit}-{scale}", dimensions=384)

        def load():
            clock.now += 40.0

        def encode(texts, role, prompt):
            sizes = np.array([len(t) / 4.5 if t[-1] == "x" else len(t) for t in texts])
            tokens = np.minimum(sizes, limit) + 2
            clock.now += 10 * scale * (not encoder.batches) + scale * rng.lognormal(0, 0.08) * float(
                (tokens * (1 + tokens / 2304)).sum()
            )
            encoder.batches.append(len(texts))
            return np.zeros((len(texts), 384), np.float32)

        encoder.load, encoder.encode = load, encode
        type(encoder).max_tokens = property(lambda self: limit)
        return encoder

    return made


@pytest.mark.parametrize("scale", [1e-4, 1e-2])
@pytest.mark.parametrize("limit", [256, 8192])
@pytest.mark.parametrize("name", ["mixed", "a long tail", "two scripts", "all alike"])
def test_from_a_fifth_on_the_time_left_is_right_within_a_third(store, timed, monkeypatch, name, limit, scale):
    """30% is asked for. Pieces take from a tenth of a second to minutes: the longest texts come first."""
    monkeypatch.setattr(stored, "SHARD_CHARACTERS", 10_000)
    clock = Clock()
    heard = Watched(clock)
    encoder = timed(clock, limit, scale)
    stored_vectors(store, encoder, uneven(name), "text", "", heard)
    errors = heard.errors()
    assert len(errors) > 8
    assert max(map(abs, errors)) < 0.3, sorted(errors)
    assert heard.done == pytest.approx(heard.total)


def test_loading_does_not_falsify_the_first_estimate(store, timed, monkeypatch):
    monkeypatch.setattr(stored, "MOST_SHARDS", 2)
    monkeypatch.setattr(stored, "SHARD_CHARACTERS", 1)
    heard = Watched(Clock())
    stored_vectors(store, timed(heard.clock, 256, 1e-4), uneven("all alike"), "text", "", heard)
    assert max(map(abs, heard.errors())) < 0.3
    assert heard.errors()


def test_before_anything_is_done_nothing_is_known():
    assert Pace(10.0, 5.0).left(100.0) is None


def test_between_pieces_the_time_runs_down_to_zero():
    pace = Pace(10.0, 0.0)
    pace.advance(5.0, 50.0)
    assert pace.left(50.0) == pytest.approx(50.0)
    assert pace.left(80.0) == pytest.approx(20.0)
    assert pace.left(1000.0) == 0.0


def test_the_first_piece_warms_up_and_is_forgotten():
    pace = Pace(10.0, 0.0)
    pace.advance(1.0, 100.0)
    pace.advance(1.0, 101.0)
    assert pace.left(101.0) == pytest.approx(8.0)


def test_loading_is_no_work():
    pace = Pace(10.0, 0.0)
    pace.advance(0.0, 60.0)
    assert pace.left(60.0) is None
    pace.advance(5.0, 65.0)
    assert pace.left(65.0) == pytest.approx(5.0)


def test_a_machine_that_becomes_slower_is_noticed():
    pace = Pace(100.0, 0.0)
    for at in range(1, 31):
        pace.advance(1.0, float(at))
    for at in range(1, 31):
        pace.advance(1.0, 30.0 + 3 * at)
    assert pace.left(120.0) == pytest.approx(120.0, rel=0.2)


def shown(terminal):
    """What a bar over ten steps of 20 seconds writes, and what is said beside it."""
    clock, console = Clock(), Console(file=io.StringIO(), force_terminal=terminal, width=100, markup=False)
    progress = TerminalProgress(console)
    bar = progress.bar("encode m[0]", 10.0)
    if progress._progress is not None:
        progress._progress.get_time = clock
        bar._pace._last = 0.0
        for task in progress._progress.tasks:
            task.start_time, task._get_time = 0.0, clock
    for _ in range(5):
        clock.now += 40.0
        bar.advance(1.0)
        if progress._progress is not None:
            progress._progress.refresh()
    progress.say("a line [bold]beside it[/bold]")
    bar.close()
    assert progress._progress is None
    return console.file.getvalue()


def test_on_a_terminal_the_time_left_is_told_even_where_pieces_take_longer_than_half_a_minute():
    text = shown(terminal=True)
    assert "encode m[0]" in text
    assert re.search(r" 50%.*left.*0:03:20", text)


def test_without_a_terminal_there_are_lines_only():
    assert shown(terminal=False).splitlines() == ["encode m[0] ...", "a line [bold]beside it[/bold]"]
