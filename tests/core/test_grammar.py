"""The string form of candidates: the writer and the parser are each other's inverse, and errors say where."""

import random
import re
import shlex
from dataclasses import replace

import pytest

from sizewise.core.candidate import (
    ROLES,
    Asym,
    Candidate,
    Cross,
    Embed,
    Fuse,
    Lexical,
    Model,
    Rerank,
    Step,
    When,
    encoders,
    is_shape,
    leaves,
)
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse, write

ODD_CHARACTERS = [*"ab0 .-_/:@+=,;[](){}<>|&$`!?*#~%^'\"\\\n\t\r\0\x07\x1b\x7f",
    "é", "ß", "中", "हि", "\u0301", "\u200f", "\u2028", "\xa0", "\u00ad", "😀", "bm25", "rescore", "cross:", "w=",
    "fuse(", "//", "C:\\",
]  # fmt: skip
STEPS = [Step("truncate", 64), Step("pca", 1), Step("whiten", 10**9), Step("int8"), Step("binary"), Step("binary-asym"),
         Step("x_1.y-2", 0)]  # fmt: skip


def text(chance: random.Random, least: int) -> str:
    return "".join(chance.choices(ODD_CHARACTERS, k=chance.randint(least, 12)))


def candidate(chance: random.Random, deep: int = 3) -> Candidate:
    """Of any kind, several stages deep."""
    if not deep:
        return embed(chance)
    kind = chance.choice(["embed", "embed", "bm25", "fuse", "rerank", "asym"])
    inner = [candidate(chance, deep - 1) for _ in range(2)]
    if kind == "bm25":
        return Lexical("bm25")
    if kind == "fuse" and inner[0] != inner[1]:
        return Fuse(tuple(inner), chance.choice([None, 0.25, 1e-9, "tuned", chance.random() or 0.5]))
    if kind == "rerank":
        one = embed(chance)
        second = Cross(one.model) if chance.random() < 0.3 else replace(one, rescore=0)
        signal = "agreement" if isinstance(inner[0], Fuse) and chance.random() < 0.5 else "margin"
        when = chance.choice(
            [None, *(When(signal, below) for below in (0.02, 1e-12, 3.0, 1e16)), When(signal, None, 0.5)]
        )
        fresh = isinstance(second, Embed) and chance.random() < 0.5
        return Rerank(inner[0], second, chance.choice([1, 50, 10**6]), when, fresh)
    return Asym(embed(chance).plain, embed(chance)) if kind == "asym" else embed(chance)


def embed(chance: random.Random) -> Embed:
    roles = sorted(chance.sample(ROLES, chance.randint(0, 3)))
    model = Model(
        name=text(chance, 1),
        precision=chance.choice(["float32", "bfloat16", "float16", "int8", "float8"]),
        runtime=chance.choice(["torch", "openvino", "a-b.c_1"]),
        prompts=tuple((role, text(chance, 0)) for role in roles),
    )
    steps = tuple(chance.choices(STEPS, k=chance.randint(0, 3)))
    return Embed(model, steps, chance.choice([0, 1, 100]) if steps else 0)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_parses_back(seed):
    chance = random.Random(seed)
    for _ in range(200):
        wanted = candidate(chance)
        written = write(wanted)
        assert parse(written) == wanted, written
        assert write(parse(written)) == written
        assert parse(f"\n {written}\t") == wanted


@pytest.mark.parametrize("seed", range(5))
def test_what_is_written_survives_a_shell_in_single_quotes(seed):
    chance = random.Random(seed)
    for _ in range(200):
        written = write(candidate(chance))
        assert "'" not in written
        assert "\0" not in written
        assert written.isprintable()
        assert not written.startswith("-")
        assert shlex.split(f"'{written}'") == [written]


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("bm25", Lexical("bm25")),
        ('"bm25"', Embed(Model("bm25"))),
        ("all-MiniLM-L6-v2", Embed(Model("all-MiniLM-L6-v2"))),
        ("./my-model@bf16/openvino", Embed(Model("./my-model", "bfloat16", "openvino"))),
        ("m@fp32/openvino", Embed(Model("m", "float32", "openvino"))),
        ("m+pca=128+binary+rescore=100", Embed(Model("m"), (Step("pca", 128), Step("binary")), 100)),
        (
            'intfloat/e5-small-v2[document="passage: ",query="query: "]',
            Embed(Model("intfloat/e5-small-v2", prompts=(("document", "passage: "), ("query", "query: ")))),
        ),
        ("shape:layers=3:hidden=128", Embed(Model("shape:layers=3:hidden=128"))),
        ('"a b"', Embed(Model("a b"))),
    ],
)
def test_examples(written, wanted):
    assert parse(written) == wanted
    assert write(wanted) == written
    assert str(wanted) == written


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("m@fp32", "m"),
        ("m@float32/torch", "m"),
        ("m@bfloat16", "m@bf16"),
        ("m+pca=0128", "m+pca=128"),
        ('"m"', "m"),
        ('m[query="q",document="d"]', 'm[document="d",query="q"]'),
        ('m[query="it\\u0027s"]', 'm[query="it\\u0027s"]'),
        ('m[query="it\'s"]', 'm[query="it\\u0027s"]'),
    ],
)
def test_other_spellings_have_one_canonical_form(written, canonical):
    assert str(parse(written)) == canonical


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "candidate '': expected a model name, a folder or bm25 at character 1, found the end"),
        ('""', "candidate '\"\"': expected a model name, a folder or bm25 at character 3, found the end"),
        ("@bf16", "candidate '@bf16': expected a model name, a folder or bm25 at character 1, found '@bf16'"),
        ("a b", "candidate 'a b': expected end of the candidate, '@', '+' or '[' at character 2, found ' b'"),
        ("both(bm25, a)", "there is no pipeline both(...); there are fuse, rerank and asym"),
        ("fuse(bm25)", "fuse takes two or more different candidates"),
        ("fuse(a, bm25, a)", "fuse takes two or more different candidates"),
        ("fuse(bm25, a", "expected ',' or ')' at character 13, found the end"),
        ("fuse(bm25, a) ,", "expected end of the candidate"),
        ("fuse(a, b, w=1)", "w is the share of the first of two, between 0 and 1"),
        ("fuse(a, b, c, w=0.5)", "w is the share of the first of two, between 0 and 1"),
        ("fuse(a, b, w=half)", "expected a weight from 0 to 1, or tuned, at character 14, found 'half)'"),
        ("rerank(a, b)", "expected ',' at character 12, found ')'"),
        ("rerank(a, b, many)", "expected how many to rank again at character 14, found 'many)'"),
        ("rerank(a, b, 0)", "rerank takes a depth of 1 or more"),
        ("rerank(a, bm25, 5)", "bm25 has no vectors"),
        ("rerank(a, b+binary+rescore=5, 5)", "b+binary+rescore=5 scores what was found; name it without rescore"),
        ("rerank(a, cross:b+int8, 5)", "b+int8 scores what was found; name it without rescore"),
        ("rerank(a, cross:b, 5, fresh)", "expected when=margin<NUMBER at character 23, found 'fresh)'"),
        ("rerank(a, b, 5, fresh, fresh)", "expected when=margin<NUMBER at character 24, found 'fresh)'"),
        ("rerank(a, b, 5, when=margin<1, fresh, 3)", "expected ')' at character 39, found '3)'"),
        ("asym(bm25, a)", "asym takes two encoders, not bm25"),
        ("rerank(a, b, 5, when=agreement<1)", "agreement is that of the first two rankings of a fuse; a is none"),
        ("rerank(a, b, 5, when=doubt<1)", "when=doubt is not known; there are margin and agreement"),
        ("rerank(a, b, 5, when=margin)", "expected '<' and a number, or ', risk=' and points"),
        ("rerank(a, b, 5, when=margin, risk=0)", "risk is points (x100) that may be lost, above 0 and below 100"),
        ("fuse(a, b, w=tune)", "expected a weight from 0 to 1, or tuned, at character 14"),
        ("rerank(a, b, 5, when=margin<1e999)", "a limit of the margin that is finite"),
        ("cross:m", "a cross-encoder ranks again what was found; write rerank(bm25, cross:NAME, 50)"),
        ("asym(a+int8, b)", "steps belong to the documents of asym; name a alone"),
        ("m@", "expected a precision such as bf16 at character 3, found the end"),
        ("m@int3", "unknown precision 'int3'; there are fp32, bf16, fp16, int8, fp8"),
        ("m@bf16/", "expected a runtime such as torch at character 8, found the end"),
        ("m@bf16@bf16", "expected end of the candidate, '@', '+' or '[' at character 7, found '@bf16'"),
        ("m+", "expected a transform such as truncate=128 or int8 at character 3, found the end"),
        ("m+pca=", "expected a whole number at character 7, found the end"),
        ("m+pca=-1", "expected a whole number at character 7, found '-1'"),
        ("m+pca=1.5", "expected end of the candidate, '@', '+' or '[' at character 8, found '.5'"),
        ("m+pca=" + "9" * 5000, "expected end of the candidate"),
        ("m+rescore=10", "rescore takes a number of results and follows a transform, as in MODEL+binary+rescore=100"),
        ("m+binary+rescore", "rescore takes a number of results"),
        ("m+binary+rescore=0", "rescore takes a number of results"),
        ("m+binary+rescore=10+int8", "rescore comes last"),
        ("m+binary+rescore=10+rescore=10", "rescore comes last"),
        ("m[]", "expected query, document or text at character 3, found ']'"),
        ('m[title="x"]', "a prompt is for query, document or text, not 'title'"),
        ("m[query]", "expected '=' at character 8, found ']'"),
        ("m[query=q: ]", "expected a prompt in double quotes at character 9, found 'q: ]'"),
        ("m[query='q: ']", "expected a prompt in double quotes at character 9"),
        ('m[query="q"', "expected ',' or ']' at character 12, found the end"),
        ('m[query="q",query="r"]', "two prompts for query; give one"),
        ('m[query="\\x"]', '"\\x" is not a JSON string (Invalid \\escape'),
        ('m[query="open', "expected a prompt in double quotes at character 9"),
        ("bm25+int8", "bm25 has no vectors, so it takes no prompts, precision or transforms"),
        ("bm25@bf16", "bm25 has no vectors"),
    ],
)
def test_errors(written, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse(written)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("candidate ")


def test_random_text_parses_or_is_an_input_error():
    chance = random.Random(1)
    for _ in range(3000):
        made = "".join(
            chance.choices(
                [
                    "m",
                    "[",
                    "]",
                    "query",
                    "=",
                    '"',
                    "@",
                    "bf16",
                    "+",
                    "pca",
                    "9",
                    "(",
                    "\\",
                    ",",
                    "fuse(",
                    "rerank(",
                    ")",
                ],
                k=8,
            )
        )
        try:
            parsed = parse(made)
        except InputError:
            continue
        assert parse(write(parsed)) == parsed


def test_candidates_are_data():
    made = parse("m+int8")
    assert made == parse("m+int8")
    assert len({made, parse("m+int8"), parse("m")}) == 2
    assert made.plain == parse("m")
    assert is_shape(parse("shape:bert-base+int8"))
    assert not is_shape(parse("m"))
    nested = parse("rerank(fuse(bm25, m+int8), shape:bert-base, 5)")
    assert is_shape(nested)
    assert [str(one) for one in leaves(nested)] == ["bm25", "m+int8", "shape:bert-base"]
    assert [str(one) for one in encoders(nested)] == ["m", "shape:bert-base"]
    assert not is_shape(Lexical())
