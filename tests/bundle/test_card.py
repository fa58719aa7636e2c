"""The model card: its header, what it says of use, and that what users wrote does nothing in it."""

import re

import pytest

from sizewise.bundle.card import number
from sizewise.core.markdown import cell, code, escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, with a comma (and more).", "plain words, with a comma (and more)."),
        ("<img src=x onerror=y>", r"\<img src=x onerror=y\>"),
        ("[click](http://x)", r"\[click\](http://x)"),
        ("a_b*c*`d`", r"a\_b\*c\*\`d\`"),
        ("# a heading", r"\# a heading"),
        ("12. a list", r"12\. a list"),
        ("- a list", r"\- a list"),
        ("a - b # c", "a - b # c"),
        ("a | b & c", r"a \| b \& c"),
        ("one\nline\r\n\ttwo", "one line two"),
        ("\x1b[31mred", r"\\x1b\[31mred"),
    ],
)
def test_text_is_shown_as_it_is(text, shown):
    assert escaped(text) == shown


def test_code_spans():
    assert code("a|b") == "`a|b`"
    assert cell("a|b") == r"`a\|b`"
    assert code("a `b` c") == "``a `b` c``"
    assert code("`a`") == "`` `a` ``"
    assert code("") == "` `"
    assert code("a\nb") == "`a b`"


def test_numbers():
    assert [number(value) for value in (None, 0.0, 1.23456, 22713216, 998.76)] == [
        "-",
        "0",
        "1.235",
        "22,713,216",
        "998.8",
    ]


def card_of(folder):
    return (folder / "README.md").read_text()


def test_the_header(write_bundle, tiny_model):
    found = card_of(write_bundle(f"{tiny_model}+truncate=8+int8"))
    header = found.split("---\n")[1].splitlines()
    assert header[:2] == ["library_name: sentence-transformers", "pipeline_tag: sentence-similarity"]
    assert "base_model" not in found, "a folder is no name on the hub"
    assert "These are the vectors before int8, which sentence-transformers does not apply." in found
    assert "$ sizewise verify path/to/this/folder" in found
    assert "a check of integrity, not of authorship" in found


def test_the_whole_is_said_of_rescoring(write_bundle, tiny_model):
    assert "before binary and rescoring of the first 20 results, which" in card_of(
        write_bundle(f"{tiny_model}+binary+rescore=20")
    )
    assert "does not apply" not in card_of(write_bundle(f"{tiny_model}+truncate=8"))


def test_bm25(write_bundle):
    found = card_of(write_bundle("bm25"))
    assert "library_name: sizewise" in found
    assert "SentenceTransformer" not in found
    assert "load_bundle" in found


EVIL = "x|y `z` <script>\n# [a](b)"


def test_what_users_wrote_stays_text(write_bundle, tiny_model):
    row = {"task": EVIL, "metric": EVIL, "value": 1.0, "ci95": [0.0, 2.0], "units": 3, "approximate": EVIL,
           "reference": EVIL, "fitted_here": False}  # fmt: skip
    environment = {"processor": EVIL, "threads": 2, "accelerator": None, "python": "3", "versions": {}}
    cost = {
        "figures": {"p95_ms": 3.21, "parameters": 22_713_216},
        "end_to_end": {"p95_ms": 4.0},
        "environment": environment,
    }
    found = card_of(
        write_bundle(f"{tiny_model}+int8", measured=[row], fitted_on=EVIL, decided=[EVIL], cost=cost, run=EVIL)
    )
    assert "22,713,216" in found
    assert "| 95th percentile of latency, ms | 3.21 | 4 |" in found
    assert not re.search(r"^# \[a\]", found, re.MULTILINE)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", found.split("---\n", 2)[2])
    assert "<script>" not in outside
    assert "[a](b)" not in outside
    for line in found.splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)
            assert len(cells) in (5, 8), line
