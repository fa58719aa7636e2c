"""Candidates as written, crossed with the space."""

import pytest

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.study.ladder import LADDER
from sizewise.study.space import Space, expand


def expanded(candidates, space=None, dimensions=384):
    return [str(one) for one in expand(candidates, space or Space(), lambda _: dimensions)]


def test_the_baseline_is_always_there_and_once():
    assert expanded(["m"]) == ["m", "bm25"]
    assert expanded(["bm25", "m", "m"]) == ["bm25", "m"]


def test_crossing():
    space = Space((384, 128), (64,), ("float32", "int8", "binary+rescore=100"))
    ends = ("", "+int8", "+binary+rescore=100")
    wanted = [f"m{middle}{end}" for middle in ("", "+truncate=128", "+pca=64") for end in ends]
    assert sorted(expanded(["m"], space)) == sorted([*wanted, "bm25"])
    assert len(expanded(["m", "n"], space)) == 2 * 9 + 1


def test_dimensions_that_a_model_does_not_have_are_left_out():
    assert expanded(["m"], Space((384, 512, 100), (900,)), 384) == ["m", "m+truncate=100", "bm25"]


def test_shapes_and_candidates_with_transforms_are_not_crossed():
    given = ["m+int8", "shape:bert-base", "bm25"]
    assert expanded(given, Space((64,), (), ("binary",))) == given


def test_the_ladder():
    assert expanded(["ladder"])[:-1] == [str(parse(text)) for text in LADDER]
    assert len(LADDER) == len(set(LADDER))


def test_nothing_to_expand():
    with pytest.raises(InputError, match="a study needs at least one candidate, such as all-MiniLM-L6-v2"):
        expanded([])
    with pytest.raises(InputError, match="candidate"):
        expanded(["m"], Space(vectors=("int8+",)))
