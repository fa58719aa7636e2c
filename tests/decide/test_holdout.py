"""Units held out: whole groups, chosen by name, and opened once."""

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.decide.holdout import Holdout, confirmation


def names(task, positions):
    return {task.units.ids[at] for at in positions}


def test_nothing_is_held_out_by_default(task):
    kept, held = Holdout().split(task("t", 50))
    assert kept.tolist() == list(range(50))
    assert len(held) == 0
    assert not Holdout()


def test_a_share_of_units(task):
    one = task("t", 2000)
    kept, held = Holdout(0.3).split(one)
    assert 500 < len(held) < 700
    assert sorted([*kept, *held]) == list(range(2000))
    assert names(one, held) != names(one, range(len(held))), "not the first ones"


def test_whole_groups_are_held_out(task):
    groups = np.arange(600) % 100
    kept, held = Holdout(0.3).split(task("t", 600, groups))
    assert not set(groups[kept]) & set(groups[held])
    assert 15 < len(set(groups[held])) < 45


def test_units_added_later_move_no_others(task):
    before, after = task("t", 300), task("t", 350)
    (_, held), (_, more) = (Holdout(0.3).split(one) for one in (before, after))
    assert names(before, held) == names(after, more) & set(before.units.ids)


def test_groups_added_later_move_no_others(task):
    """Codes of groups are their places among all: a new group counts them anew."""
    groups = np.arange(300) // 3
    before = task("t", 300, groups)
    after = task("t", 330, np.append(groups + 1, np.zeros(30, np.int64)))
    (_, held), (_, more) = (Holdout(0.3).split(one) for one in (before, after))
    assert names(before, held) == names(after, more) & set(before.units.ids)


def test_another_task_has_other_units(task):
    first, second = task("a", 300), task("b", 300)
    assert Holdout(0.3).split(first)[1].tolist() != Holdout(0.3).split(second)[1].tolist()


def test_a_file_of_ids(task, tmp_path):
    file = tmp_path / "held.txt"
    file.write_text("\ufefft-3\r\n\n  t-7 \nsomething else\n", encoding="utf-8")
    kept, held = Holdout(file=file).split(task("t", 20))
    assert held.tolist() == [3, 7]
    assert len(kept) == 18
    assert Holdout(file=file)
    kept, held = Holdout(file=file).split(task("another", 20))
    assert (len(kept), len(held)) == (20, 0)


@pytest.mark.parametrize(
    ("share", "groups", "message"),
    [
        (0.0001, None, r"confirm holds out 0 of the 40 units of t; at least two must be held out and two be left"),
        (0.9999, None, r"confirm holds out 40 of the 40 units of t"),
        (0.5, np.zeros(40, np.int64), r"confirm holds out [01] of the 1 groups of t"),
    ],
)
def test_a_split_without_two_on_each_side(task, share, groups, message):
    with pytest.raises(InputError, match=message):
        Holdout(share).split(task("t", 40, groups))


def test_files_that_do_not_do(task, tmp_path):
    one = task("t", 20, np.arange(20) // 2)
    with pytest.raises(InputError, match=r"confirm: .*none.txt cannot be read .*; it holds unit ids, one a line"):
        Holdout(file=tmp_path / "none.txt").split(one)
    file = tmp_path / "held.txt"
    file.write_bytes(b"t-1\n\xff\n")
    with pytest.raises(InputError, match="cannot be read"):
        Holdout(file=file).split(one)
    file.write_text("t-0\nt-1\nt-2\n")
    with pytest.raises(InputError, match="some units of a group of t and not the others"):
        Holdout(file=file).split(one)
    file.write_text("t-0\nt-1\n")
    with pytest.raises(InputError, match="confirm holds out 1 of the 10 groups of t"):
        Holdout(file=file).split(one)


def test_confirmation_is_a_paired_difference_on_the_held_units(task, noisy):
    one = task("t", 400)
    chosen, best = ({"values": noisy(400, mean, own=0.01, seed=at)} for at, mean in enumerate((0.60, 0.61)))
    held = np.arange(150, 350)
    found = confirmation(one, chosen, best, held, 2.0, None)
    a, b = chosen["values"][held], best["values"][held]
    assert found["score"] == pytest.approx(100 * a.mean(), abs=1e-4)
    assert found["best_score"] == pytest.approx(100 * b.mean(), abs=1e-4)
    assert found["loss"] == pytest.approx(100 * (b - a).mean(), abs=1e-4)
    error = 1.96 * 100 * (b - a).std() / np.sqrt(200)
    assert found["high"] - found["loss"] == pytest.approx(error, rel=0.2)
    assert found["holds"] is (found["high"] < 2.0) is True
    assert confirmation(one, chosen, best, held, 0.5, None)["holds"] is False
    assert found["units"] == 200
