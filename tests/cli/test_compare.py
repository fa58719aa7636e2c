"""`sizewise compare`: what is told of two runs."""

import json

import pytest

from sizewise.report.between import flat


def test_a_run_with_itself(sizewise, run):
    found = sizewise("compare", run, run)
    assert (found.code, found.err) == (0, "")
    assert "Hardware, versions, threads, prices and terms are the same in both runs." in found.out
    assert "Scores: 0 of 6 changed beyond noise." in found.out
    assert "search, intents: the same units in both runs, compared unit by unit." in found.out
    assert "Costs: 0 of " in found.out
    assert "Both runs recommend " in found.out


@pytest.fixture
def other(write_run):
    """Another machine, other versions, one candidate better and slower, other data for one task."""
    return write_run(
        "other",
        gains={"large": 0.2},
        slower={"small": 3.0},
        data={"intents": "other data"},
        environment={"processor": "another", "threads": 8, "versions": {"torch": "3.0"}},
        limits={"p95_ms": 25.0},
        extra="new",
    )


def test_two_runs(sizewise, run, other):
    found = sizewise("compare", run, other)
    assert found.code == 0, found.err
    for words in (
        "│ versions torch",
        "│ processor",
        "│ threads",
        "│ terms limits p95_ms",
        "Scores that changed beyond noise (2 of 2, the largest first)",
        "with 95%: Bonferroni (Dunn, JASA 56, 1961).",
        "search: the same units in both runs, compared unit by unit.",
        "intents: other data under the same name, compared as independent samples.",
        "Costs that changed by more than drift",
        "│ p95_ms",
        f"Candidates only in {other}: new.",
        "Each run decides under its own terms, and these differ.",
        "The recommendation changed: small",
    ):
        assert words in found.out, words


def test_as_json(sizewise, run, other, tmp_path):
    found = json.loads(sizewise("compare", run, other, "--json", "-").out)
    assert found["schema"] == 1
    assert (found["before"]["folder"], found["after"]["folder"]) == (str(run), str(other))
    assert found["before"]["candidate"] == "small"
    assert found["recommendation_changed"] is True
    assert found["comparisons"] == len(found["scores"]) == 6
    assert {one["candidate"] for one in found["scores"] if one["changed"]} == {"large"}
    assert {one["how"] for one in found["scores"]} == {"paired", "other data"}
    changed = [one for one in found["costs"] if one["changed"]]
    assert {one["candidate"] for one in changed} == {"small"}
    assert next(one["ratio"] for one in changed if one["figure"] == "p95_ms") == pytest.approx(3.0)
    assert {"what": "threads", "before": 2, "after": 8} in found["surroundings"]
    assert found["candidates_only_after"] == ["new"]
    assert sizewise("compare", run, other, "--json", tmp_path / "x.json").code == 0
    assert json.loads((tmp_path / "x.json").read_bytes()) == found


def test_nothing_in_common(sizewise, run, write_run):
    other = write_run("nothing", rename="elsewhere: ")
    found = sizewise("compare", run, other)
    assert found.code == 0, found.err
    assert "No candidate has a score on a task that is in both runs: no score was compared." in found.out
    assert f"Tasks only in {run}: search, intents." in found.out


@pytest.mark.parametrize("words", [["RUN", "/none"], ["/none", "RUN"]])
def test_no_such_run(sizewise, run, words):
    found = sizewise("compare", *(run if word == "RUN" else word for word in words))
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("sizewise: /none holds no finished run")


@pytest.mark.parametrize("command", ["presets", "compare", "export"])
def test_help(sizewise, command):
    found = sizewise(command, "--help")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith(f"Usage: sizewise {command}")


def test_nested_tables_as_one():
    assert flat({"a": {"b": {"c": 1}}, "d": 2, "e": {}}) == {"a b c": 1, "d": 2}
