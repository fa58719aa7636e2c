"""Texts that a model has seen, by their hashes."""

import numpy as np
import pytest

from sizewise.data.seen import Seen, digests, normalised


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
    assert digests(["The  river"]).tolist() == digests(["the river"]).tolist() == [15168841841091893364]
    assert digests(["x"]).dtype == np.uint64
    assert normalised(" A\u00a0b ") == "a b"
