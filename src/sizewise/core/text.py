"""Text from data made safe to show: nothing in it moves the cursor, reverses the line, or runs on for a megabyte."""

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1: ANSI escapes begin with one of them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of direction
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff]"  # half of a pair: cannot be written as UTF-8
)
CUT = "... ({:,} characters in all)"
"""What stands behind a text that was cut."""


_LONE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """`text` with each half of a surrogate pair replaced by U+FFFD, so that it can be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _LONE.sub("\ufffd", text)
    return text


def printable(text: str, most: int | None = None) -> str:
    """`text` with what would act on a terminal or a page written out, as Python does: `\\x1b`, `\\u202e`, `\\ud800`.

    Control characters except newline and tab, marks and overrides of the direction of writing, line and paragraph
    separators, and lone surrogates. Everything else, letters of any script among it, stays as it is. Of a text of
    more than `most` characters the first `most` are kept, and how long it is is said.
    """
    if most is None or len(text) <= most:
        return _HIDDEN.sub(_written, text)
    return _HIDDEN.sub(_written, text[:most]) + CUT.format(len(text))


def clipped(text: str, most: int) -> str:
    """The same for messages: of a long one both ends are kept, since what to do stands at its end."""
    left = len(text) - most
    if left <= 0:
        return printable(text)
    end = most // 3
    return printable(f"{text[: most - end]} ... ({left:,} characters left out) ... {text[len(text) - end :]}")


def printable_json(document: str) -> str:
    """The same for a JSON document, written so that it still means the same: `\\u202e` in place of the character."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _written(found: re.Match[str]) -> str:
    point = ord(found[0])
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"
