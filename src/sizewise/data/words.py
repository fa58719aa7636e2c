"""Words and first sentences of text in any script, without a model: good enough to make and compare queries."""

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

_ENDS = ".!?…‼⁇⁈⁉؟۔।॥።༎။៕։。！？｡．"
"""Sentence ends: Latin, Arabic, Urdu, Indic, Ethiopic, Tibetan, Burmese, Khmer, Armenian, Chinese and Japanese."""
_UNSPACED_ENDS = "。！？｡．।॥።༎။៕"
"""Those after which the next sentence may follow without a space."""
_CLOSERS = "\"'”’»」』）)\\]`*"

_ASCII_WORD = re.compile(r"\w+", re.ASCII)
_SENTENCE = re.compile(
    rf"[{_UNSPACED_ENDS}]+[{_CLOSERS}]*\s*|[{_ENDS}]+[{_CLOSERS}]*\s+(?![a-zß-öø-ÿа-я])|\n[^\S\n]*\n\s*"
)
_NOT_AN_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|dr|mr|mrs|ms|prof|st|no|fig|eq|al|approx|resp|inc|bzw|ca)|\b[A-Z]|^\W*\d+)\.\s*$",
    re.IGNORECASE,
)
_UNSPACED_SCRIPTS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)


def words(text: str) -> list[str]:
    """The words of `text`, case folded. Scripts that do not set spaces between words count each character as one."""
    folded = text.casefold()
    return _ASCII_WORD.findall(folded) if folded.isascii() else _word().findall(folded)


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence of `text` and the rest, each on one line; all of it and "" where there is no second one.

    A sentence ends at an end mark of its script before white space that no lower-case letter follows (in Chinese or
    Hindi, at the mark), or at an empty line; not after an initial or an abbreviation such as "e.g.".
    """
    end = next(_ends(text), None)
    return (_one_line(text), "") if end is None else (_one_line(text[:end]), _one_line(text[end:]))


def sentences(text: str) -> list[str]:
    """All sentences of `text`, each on one line; what is blank is left out."""
    bounds = [0, *_ends(text), len(text)]
    found = (_one_line(text[start:end]) for start, end in pairwise(bounds))
    return [sentence for sentence in found if sentence]


def _ends(text: str) -> Iterator[int]:
    """Where sentences end that others may follow."""
    start = 0
    for end in _SENTENCE.finditer(text):
        sentence = text[start : end.end()].strip()
        if sentence and not _NOT_AN_END.search(sentence):
            start = end.end()
            yield start


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _word() -> re.Pattern[str]:
    # Python's \w leaves out combining marks, which are half of a word in Hindi, Tamil or vocalised Arabic.
    marks = "".join(
        chr(point) for point in range(0x300, min(0x1F000, sys.maxunicode)) if unicodedata.category(chr(point))[0] == "M"
    )
    return re.compile(rf"[{_UNSPACED_SCRIPTS}]|(?:[^\W{_UNSPACED_SCRIPTS}]+|[{marks}]+)+")
