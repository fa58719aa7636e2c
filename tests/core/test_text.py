"""Text from data, made safe to show."""

import json
import unicodedata

import pytest

from sizewise.core.text import clipped, printable, printable_json

WRITTEN = [
    ("\x1b[2J", "\\x1b[2J"),
    ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    ("a\rb\x00\x08\x7f", "a\\x0db\\x00\\x08\\x7f"),
    ("\x9b31m\x85", "\\x9b31m\\x85"),
    ("user\u202egnp.exe", "user\\u202egnp.exe"),
    ("\u2066\u2069\u200e\u200f\u061c", "\\u2066\\u2069\\u200e\\u200f\\u061c"),
    ("one\u2028two\u2029", "one\\u2028two\\u2029"),
    ("half \ud83d of a pair", "half \\ud83d of a pair"),
]


@pytest.mark.parametrize(("text", "shown"), WRITTEN)
def test_what_would_act_is_written_out(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown, "what was written out stays as it is"
    shown.encode()


@pytest.mark.parametrize(
    "text", ["", "plain\n\ttext", "naïve Ünïcode", "日本語", "עברית ו العربية", "नमस्ते", "👩‍👩‍👧", "</script>"]
)
def test_letters_of_any_script_stay(text):
    assert printable(text) == text
    assert printable_json(text) == text


def test_no_control_character_is_left():
    """All of Unicode's controls, surrogates and marks of direction; joiners are needed to write."""
    everything = "".join(map(chr, range(0x11000)))
    left = {hex(ord(one)) for one in printable(everything) if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")}
    assert left == {"0x9", "0xa"}
    turning = {
        one for one in printable(everything) if unicodedata.bidirectional(one) in ("RLO", "LRO", "RLE", "LRE", "PDF")
    }
    assert turning == set()


def test_a_long_text_is_cut_and_says_so():
    assert printable("abc", 3) == "abc"
    assert printable("abcd" * 1000, 3) == "abc... (4,000 characters in all)"
    assert printable("\x1b" * 1000, 2) == "\\x1b\\x1b... (1,000 characters in all)"
    assert len(printable("x" * 1_000_000, 400)) < 440


def test_a_long_message_keeps_both_ends():
    message = "/data/test.csv:7: '" + "9" * 10_000 + "' is no number; correct it or remove the line"
    short = clipped(message, 300)
    assert short.startswith("/data/test.csv:7: '999")
    assert short.endswith("9' is no number; correct it or remove the line")
    assert f"({len(message) - 300:,} characters left out)" in short
    assert len(short) < 350
    assert clipped("\x1b short", 300) == "\\x1b short"
    assert "\x1b" not in clipped("\x1b" * 1000, 300)


def test_json_means_the_same():
    value = {"name": "a\x7f\u202e\x9b\u2028 é </script>", "list": ["\x1b[2J\n"]}
    document = json.dumps(value, ensure_ascii=False, indent=2)
    assert "\u202e" in document
    safe = printable_json(document)
    assert json.loads(safe) == value
    assert safe == printable(safe)
    assert "é" in safe
