"""Texts that a model has seen, by their hashes."""

import numpy as np
import pytest

from sizewise.data.seen import Seen, normalised


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("The river is cold.", "the  RIVER\n is cold. "),
        ("Straße", "STRASSE"),
        ("e\u0301t\u00e9", "\u00e9te\u0301"),
        ("\uff21\uff22", "ab"),
        ("the \ud83d river", "the \ufffd river"),
    ],
)
def test_what_makes_no_other_text(text, same):
    assert same in Seen.of([text])


def test_others_are_not_in_it():
    seen = Seen.of(["the river is cold", "the bridge is closed", "The bridge is closed"])
    assert len(seen) == 2
    assert seen.holds(["the river is cold", "the river is cold.", ""]).tolist() == [True, False, False]
    assert len(Seen.of([])) == 0
    assert "" not in Seen.of([])


def test_hashes_do_not_change_between_versions():
    """They travel with models."""
    assert Seen.of(["The  river"]).digests.tolist() == Seen.of(["the river"]).digests.tolist() == [15168841841091893364]
    assert Seen.of(["x"]).digests.dtype == Seen.of([]).near.dtype == np.uint64
    assert normalised(" A\u00a0b ") == "a b"


def test_near_duplicates():
    """But for punctuation, numbers and the order of words; a text without other words is near to nothing."""
    seen = Seen.of(["The river is cold, in 2024!", "42"])
    assert seen.nearly_holds(["in 1999 the cold river is", "the river is", "43", ""]).tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert not seen.holds(["in 1999 the cold river is"]).any()
