"""What is recommended: acceptance item 7 of the main job, and the rules of the decision one by one."""

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.cost.figures import COSTS, MORE_IS_BETTER, Figures
from sizewise.decide.recommendation import decide
from sizewise.decide.terms import Terms, breach, written
from sizewise.decide.words import UNITS, sentences
from sizewise.stats.compare import MIN_GROUPS_FOR_PROOF

LATENCY = Terms("p95_ms")


def said(found):
    return "\n".join(sentences(found))


def task(name, n, **more):
    from tests_decide import Values  # pragma: no cover

    return Values.of(name, n, **more)


# --- the five hard cases, in plain words


def test_no_candidate_within_the_limits(make, noisy):
    values = [noisy(400, 0.7)]
    evidence = make(
        {
            "large": ({"p95_ms": 90.0, "memory_mb": 1500.0}, values),
            "small": ({"p95_ms": 12.0, "memory_mb": 700.0}, values),
        }
    )
    found = decide(evidence, Terms("p95_ms", {"p95_ms": 10, "memory_mb": 1000}))
    assert (found.verdict, found.candidate, found.choice.tasks, found.figures) == ("none", None, (), {})
    words = sentences(found)
    assert words[0] == (
        "No candidate is within the limits (p95_ms at most 10, memory_mb at most 1,000), "
        "so there is nothing to recommend."
    )
    assert words[1] == "small is out: p95_ms 12 is above 10."
    assert words[2] == "large is out: p95_ms 90 is above 10; memory_mb 1,500 is above 1,000."
    assert "With no limit on p95_ms, the answer would be small (proven)." in words


def test_identical_candidates(make, noisy):
    values = [noisy(400, 0.7)]
    evidence = make({name: ({"p95_ms": cost}, values) for name, cost in (("a", 3.0), ("b", 1.0), ("c", 2.0))})
    found = decide(evidence, LATENCY)
    assert (found.verdict, found.candidate) == ("proven", "b")
    assert found.alike == {"task0": "all candidates are alike: proven within 2 points of each other"}
    assert "task0 does not tell candidates apart: all candidates are alike" in said(found)
    assert [point.candidate for point in found.frontier if point.on_frontier] == ["b"]
    assert found.marginal == ()
    few = make({name: ({"p95_ms": 1.0}, [noisy(60, 0.7)]) for name in "ab"})
    found = decide(few, LATENCY)
    assert found.alike == {"task0": "all candidates score the same"}
    assert found.verdict == "best guess", "with 60 units, 3 in 60 could be worse unseen"


def test_saturated_scores(make):
    perfect, nearly = np.ones(400), np.ones(400)
    nearly[:2] = 0
    evidence = make({"a": ({"p95_ms": 3.0}, [perfect]), "b": ({"p95_ms": 1.0}, [nearly])})
    found = decide(evidence, LATENCY)
    assert found.candidate == "b"
    assert found.alike == {"task0": "saturated: every candidate scores 99.5 or more"}
    assert "task0 does not tell candidates apart: saturated: every candidate scores 99.5 or more" in said(found)


def test_twelve_queries(make, noisy):
    evidence = make({"a": ({"p95_ms": 3.0}, [noisy(12, 0.9)]), "b": ({"p95_ms": 1.0}, [noisy(12, 0.2)])})
    found = decide(evidence, LATENCY)
    assert (found.verdict, found.candidate) == ("best guess", "a")
    assert found.choice.provable_margin is None
    assert found.choice.tasks[0].bound is None
    words = said(found)
    assert "Best guess: a" in words
    assert "too few units to bound its loss" in words
    assert "task0: too few units to prove anything; at least 30 that are independent of each other are needed." in words
    assert "proven" not in words.replace("these data do not prove it", "")
    assert "approximate" not in words or evidence.compared[0].approximate[0]
    assert evidence.compared[0].approximate[0].startswith("12 units are fewer than 100")


def test_an_unmeasured_figure_under_a_limit(make, noisy):
    values = [noisy(400, 0.7)]
    evidence = make({"a": ({"p95_ms": 3.0, "memory_mb": 500.0}, values), "b": ({"p95_ms": 1.0}, values)})
    found = decide(evidence, Terms("p95_ms", {"memory_mb": 1000}))
    assert found.candidate == "a", "b is cheaper, but nobody knows what memory it takes"
    assert found.infeasible == {"b": "memory_mb was not measured"}
    assert "Left out: b (memory_mb was not measured)." in sentences(found)
    found = decide(evidence, Terms("p95_ms", {"device_memory_mb": 1000}))
    assert found.verdict == "none"
    assert "a is out: device_memory_mb was not measured." in sentences(found)


def test_money_without_a_price(make, noisy):
    evidence = make({"a": ({"p95_ms": 3.0}, [noisy(400, 0.7)])})
    words = sentences(decide(evidence, Terms("monthly_cost")))
    assert words[0] == "No candidate has a score on every task and a figure for monthly_cost: nothing to recommend."
    assert words[1] == "Money is worked out from your prices: give at least the price of a machine hour."
    assert words[2] == "a is out: monthly_cost was not measured."


# --- proof


def test_proven_only_where_the_data_prove_it(make, noisy):
    def verdict(n):
        close = noisy(n, 0.695, own=0.05, seed=1)
        evidence = make({"big": ({"p95_ms": 9.0}, [noisy(n, 0.7)]), "small": ({"p95_ms": 1.0}, [close])})
        found = decide(evidence, LATENCY)
        return found.verdict, found.candidate

    assert verdict(2000) == ("proven", "small")
    few = verdict(200)
    assert few == ("best guess", "small") or few == ("proven", "big")


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_never_proven_with_too_few_groups(make, noisy, gap):
    """Many units in few groups are few; however large the difference, and however wide the margin."""
    from conftest_values import Values

    n = 600
    for groups in (5, MIN_GROUPS_FOR_PROOF - 1):
        tasks = [Values.of("grouped", n, np.arange(n) % groups)]
        evidence = make(
            {"a": ({"p95_ms": 2.0}, [noisy(n, 0.9)]), "b": ({"p95_ms": 1.0}, [noisy(n, 0.9 - gap)])}, tasks
        )
        for margin in (2.0, 90.0):
            assert decide(evidence, Terms("p95_ms", margin=margin)).verdict == "best guess"
    tasks = [Values.of("grouped", n, np.arange(n) % 200)]
    evidence = make({"a": ({"p95_ms": 2.0}, [noisy(n, 0.9)]), "b": ({"p95_ms": 1.0}, [noisy(n, 0.9 - gap)])}, tasks)
    assert decide(evidence, Terms("p95_ms", margin=90.0)).verdict == "proven"
