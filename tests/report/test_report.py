"""What people see: the picture, the terminal, progress."""

import io
import re
import xml.etree.ElementTree as ET

import pytest
from rich.console import Console

from sizewise.decide.recommendation import decide
from sizewise.decide.terms import Terms
from sizewise.decide.words import sentences
from sizewise.report.files import write_picture
from sizewise.report.picture import frontier_svg
from sizewise.report.progress import TerminalProgress
from sizewise.report.terminal import MOST_ROWS, show_run

LATENCY = Terms("p95_ms")
LADDER = {"small+int8": (1.0, 50.0), "middle": (4.0, 60.0), "large": (30.0, 70.0), "worse": (31.0, 40.0)}
NAN = float("nan")


def texts_of(svg):
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


# --- the picture


def test_the_picture_names_the_frontier(evidence, tmp_path):
    found = decide(evidence(LADDER), LATENCY)
    path = write_picture(tmp_path, found)
    texts = texts_of(path.read_text())
    assert {"small+int8", "middle", "large"} <= set(texts)
    assert "worse" not in texts
    assert "p95 ms (ms 95th-percentile latency)" in texts
    assert "mean score over tasks (x100)" in texts
    assert {"recommended", "frontier", "dominated"} <= set(texts)
    assert [one.name for one in tmp_path.iterdir()] == ["frontier.svg"]


def test_names_with_markup_are_escaped(evidence):
    names = ['<script>alert("1")</script>', 'a&b[query="q: "]+int8', "</svg>"]
    found = decide(evidence({name: (1.0 + at, 50.0 + 9 * at) for at, name in enumerate(names)}), LATENCY)
    svg = frontier_svg(found)
    assert "<script" not in svg
    assert set(names) <= set(texts_of(svg))


def test_long_names_are_whole(evidence):
    name = (
        'intfloat/multilingual-e5-large-instruct[document="passage: ",query="query: "]+truncate=128+binary+rescore=100'
    )
    assert name in texts_of(frontier_svg(decide(evidence({name: (1.0, 50.0), "b": (9.0, 70.0)}), LATENCY)))


@pytest.mark.parametrize("candidates", [{}, {"one": (1.0, 50.0)}, {"one": (None, 50.0)}, {"one": (1.0, NAN)}])
def test_a_picture_of_little_or_nothing(evidence, candidates):
    texts_of(frontier_svg(decide(evidence(candidates), LATENCY)))


def test_agreement_is_drawn_as_agreement(evidence):
    texts = texts_of(frontier_svg(decide(evidence(LADDER, is_quality=False), LATENCY)))
    assert "mean agreement with the reference over tasks (x100)" in texts


# --- the terminal


def shown(evidence, terms=LATENCY, width=160, about=None):
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False)
    found = decide(evidence, terms)
    show_run(console, evidence, found, about or {"truncation": []})
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    return text, found


def plain(text):
    """Without frames and line breaks."""
    return re.sub(r"\s+", " ", re.sub(r"[│┃╭╮╰╯─━┏┓┗┛┡┩┳┴╇]", " ", text))


@pytest.mark.parametrize("width", [80, 160])
def test_the_terminal(evidence, width):
    about = {"truncation": [{"task": "support/search", "texts": 200, "truncated_texts": 25}]}
    run = evidence(LADDER, shapes=("shape:bert-large",), notes=("known-item search",))
    text, found = shown(run, width=width, about=about)
    words = plain(text)
    for sentence in sentences(found):
        assert sentence in words
    assert "Recommendation: proven" in words
    assert "12.5%" in words
    assert "support/search: known-item search" in words
    assert "335.0M" in words
    assert "335.0M" in words
    for name in (*LADDER, "shape:bert-large"):
        assert name in words.replace(" ", "") or name in words
    assert "+10.0" in words, "what a step gains"


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize(
    ("candidates", "title"),
    [
        ({}, "No recommendation"),
        ({"one": (1.0, 50.0)}, "Recommendation: proven"),
        ({"one": (None, 50.0)}, "No recommendation"),
        ({"one": (1.0, NAN)}, "No recommendation"),
        ({"one": (1.0, 50.0), "bm25": (0.1, NAN)}, "Recommendation: proven"),
    ],
)
def test_little_or_nothing(evidence, width, candidates, title):
    text, _ = shown(evidence(candidates), width=width)
    assert title in text


def test_names_are_shown_as_they_are(evidence):
    names = ['m[document="p: ",query="[/red]"]', "./models:tiger:x", "[bold]m"]
    text, _ = shown(evidence({name: (1.0 + at, 50.0 + 9 * at) for at, name in enumerate(names)}))
    for name in names:
        assert name in text


def test_many_candidates(evidence):
    run = evidence({f"m{at}": (1.0 + at, 50.0 + (at % 7)) for at in range(100)})
    text, found = shown(run)
    assert f"{MOST_ROWS} of 100" in text
    assert found.candidate in text


# --- progress


def test_progress_without_a_terminal_is_lines():
    console = Console(file=io.StringIO(), force_terminal=False, width=200, markup=False)
    progress = TerminalProgress(console)
    progress.say("read [again]")
    bar = progress.bar("encode m[/x]", 10)
    bar.advance(5)
    bar.close()
    assert console.file.getvalue() == "read [again]\nencode m[/x] ...\n"


def test_progress_on_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=200, markup=False)
    progress = TerminalProgress(console)
    outer, inner = progress.bar("encode m[/x]", 10), progress.bar("nothing", 0)
    inner.close()
    outer.advance(10)
    outer.close()
    assert "encode m[/x]" in console.file.getvalue()
    assert progress.bar("again", 1) is not None
