"""The canary texts are of many kinds."""

import unicodedata

from sizewise.bundle.canary import TEXTS


def test_they_are_many_and_different():
    assert len(TEXTS) == len(set(TEXTS)) == 48


def test_they_are_of_many_kinds():
    scripts = {unicodedata.name(letter).split()[0] for text in TEXTS for letter in text if letter.isalpha()}
    assert {
        "LATIN",
        "CYRILLIC",
        "GREEK",
        "ARABIC",
        "HEBREW",
        "DEVANAGARI",
        "CJK",
        "HIRAGANA",
        "HANGUL",
        "THAI",
    } <= scripts
    words = sorted(len(text.split()) for text in TEXTS)
    assert words[0] == 0, "white space alone"
    assert words[-2] > 300, "several hundred words"
    assert any(ord(letter) > 0x1F000 for text in TEXTS for letter in text), "emoji"
    assert sum(text.endswith("?") for text in TEXTS) >= 6
    assert any("SELECT" in text for text in TEXTS)


def test_some_differ_in_one_word():
    pairs = [
        (a, b)
        for a in TEXTS
        for b in TEXTS
        if a < b and len(a.split()) == len(b.split()) > 3
        and sum(x != y for x, y in zip(a.split(), b.split(), strict=True)) == 1
    ]  # fmt: skip
    assert len(pairs) >= 2
