"""Conditions on fields, as they are typed and as JSON."""

import pytest

from sizewise.core.errors import InputError
from sizewise.index.where import MOST_CONDITIONS, MOST_VALUES, Condition, Where


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("lang=en", Condition("lang", ("en",))),
        ("year=2020", Condition("year", ("2020", 2020.0))),
        ("code=007", Condition("code", ("007",))),
        ("share=1e3", Condition("share", ("1e3",))),
        ("n=\udcff", Condition("n", ("\ufffd",))),
        ("open=true", Condition("open", ("true", True))),
        ("a b.c = x=y", Condition("a b.c", ("x=y",))),
        ("empty=", Condition("empty", ("",))),
        ("year>=2020", Condition("year", least=2020.0)),
        ("share <= -0.5", Condition("share", most=-0.5)),
        ('tag=["a", 1, true]', Condition("tag", ("a", 1.0, True))),
    ],
)
def test_typed(text, condition):
    assert Where.parse([text]).conditions == (condition,)


@pytest.mark.parametrize(
    "text", ["lang", "=en", "year>=new", "year>=nan", "tag=[1", "tag=[]", "tag=[null]", "", 'a"b=1']
)
def test_what_is_no_condition(text):
    with pytest.raises(InputError):
        Where.parse([text])


def test_json():
    where = Where.from_json({"lang": "en", "tag": ["a", "b"], "year": {">=": 2020, "<=": 2024}, "open": True, "n": 3})
    assert where.conditions == (
        Condition("lang", ("en",)),
        Condition("tag", ("a", "b")),
        Condition("year", least=2020.0, most=2024.0),
        Condition("open", (True,)),
        Condition("n", (3.0,)),
    )
    assert not Where.from_json({})


@pytest.mark.parametrize(
    "value",
    [
        [],
        "lang=en",
        {"a": None},
        {"a": {}},
        {"a": {">": 1}},
        {"a": {">=": "x"}},
        {"a": {">=": True}},
        {"a": []},
        {'a"b': 1},
        {"a\\": 1},
        {"a\0": 1},
        {"": 1},
    ],
)
def test_json_that_is_no_filter(value):
    with pytest.raises(InputError):
        Where.from_json(value)


def test_halves_of_surrogate_pairs_are_as_in_documents():
    assert Where.from_json({"a\ud800": ["\ud800", "b"]}).conditions == (Condition("a\ufffd", ("\ufffd", "b")),)


def test_a_filter_has_bounds():
    one = {"a": list(range(MOST_VALUES))}
    assert Where.from_json(one)
    for wanted in (one | {"b": 1}, dict.fromkeys(map(str, range(MOST_CONDITIONS + 1)), 1)):
        with pytest.raises(InputError, match=r"64 with 10,000 at most; ask for fewer"):
            Where.from_json(wanted)
    with pytest.raises(InputError, match="the filter has 65 conditions with 65 values"):
        Where.parse(["a=b"] * (MOST_CONDITIONS + 1))


def test_narrowed_to_the_kinds_that_a_field_has():
    columns = {("year", "number"), ("lang", "text"), ("mixed", "text"), ("mixed", "number")}
    where = Where.parse(["year=2020", "lang=7", "mixed=7", "nobody=7", "year>=3"]).narrowed(columns)
    assert where.conditions == (
        Condition("year", (2020.0,)),
        Condition("lang", ("7",)),
        Condition("mixed", ("7", 7.0)),
        Condition("nobody", ("7", 7.0)),
        Condition("year", least=3.0),
    )
