"""What is recommended: acceptance item 7 of the main job, and the rules of the decision one by one."""

from dataclasses import replace

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
def test_never_proven_with_too_few_groups(make, noisy, task, gap):
    """Many units in few groups are few; however large the difference, and however wide the margin."""
    n = 600
    candidates = {"a": ({"p95_ms": 2.0}, [noisy(n, 0.9)]), "b": ({"p95_ms": 1.0}, [noisy(n, 0.9 - gap)])}
    for groups in (5, MIN_GROUPS_FOR_PROOF - 1):
        evidence = make(candidates, [task("grouped", n, np.arange(n) % groups)])
        for margin in (2.0, 90.0):
            found = decide(evidence, Terms("p95_ms", margin=margin))
            assert found.verdict == "best guess"
            assert "proven" not in "".join(found.alike.values())
    evidence = make(candidates, [task("grouped", n, np.arange(n) % 200)])
    assert decide(evidence, Terms("p95_ms", margin=90.0)).verdict == "proven"


def test_too_few_units_on_one_task_prove_nothing_at_all(make, noisy):
    values = [noisy(400, 0.7), noisy(12, 0.7)]
    evidence = make({"a": ({"p95_ms": 2.0}, values), "b": ({"p95_ms": 1.0}, values)})
    found = decide(evidence, LATENCY)
    assert (found.verdict, found.candidate) == ("best guess", "b")
    assert "task1: too few units to prove anything" in said(found)
    assert "task0: too few" not in said(found)


def test_good_enough_on_every_task_not_on_average(make, noisy):
    """Far better on one task and worse on the other: the mean would choose it."""
    evidence = make(
        {
            "even": ({"p95_ms": 5.0}, [noisy(800, 0.60), noisy(800, 0.60)]),
            "odd": ({"p95_ms": 1.0}, [noisy(800, 0.90), noisy(800, 0.50)]),
            "all": ({"p95_ms": 9.0}, [noisy(800, 0.90), noisy(800, 0.60)]),
        }
    )
    found = decide(evidence, LATENCY)
    assert (found.verdict, found.candidate) == ("proven", "all")
    without = decide(evidence, Terms("p95_ms", {"p95_ms": 6}))
    assert without.verdict == "best guess"
    assert not without.choice.within_margin
    assert "No candidate within the limits is within the margin on every task" in said(without)
    assert without.candidate == "odd", "it loses 10 points on a task, the other 30"


def test_one_task_that_is_lost_is_not_made_up_for_by_others(make, noisy):
    """Just over the margin on one task of four, the same on the others: no mean is over the margin."""
    same = [noisy(800, 0.7)] * 3
    evidence = make(
        {"big": ({"p95_ms": 9.0}, [*same, noisy(800, 0.700)]), "small": ({"p95_ms": 1.0}, [*same, noisy(800, 0.675)])}
    )
    found = decide(evidence, LATENCY)
    assert (found.verdict, found.candidate) == ("proven", "big")
    assert decide(evidence, Terms("p95_ms", margins={"task3": 4.0})).candidate == "small"


def test_a_twin_of_a_mediocre_model_is_not_accepted(make, noisy):
    """What comparing with the selected best only would let through."""
    evidence = make(
        {
            "best": ({"p95_ms": 9.0}, [noisy(300, 0.80)]),
            "poor": ({"p95_ms": 2.0}, [noisy(300, 0.75)]),
            "twin": ({"p95_ms": 1.0}, [noisy(300, 0.75)]),
        }
    )
    assert decide(evidence, LATENCY).candidate == "best"


def test_a_candidate_that_does_not_apply_to_a_task(make, noisy):
    values = noisy(400, 0.7)
    evidence = make({"a": ({"p95_ms": 2.0}, [values, values]), "bm25": ({"p95_ms": 0.1}, [values, None])})
    found = decide(evidence, LATENCY)
    assert found.candidate == "a"
    assert found.infeasible == {"bm25": "it does not apply to task1"}
    assert "Left out: bm25 (it does not apply to task1)." in sentences(found)
    assert [point.candidate for point in found.frontier] == ["a"]
    assert sentences(found)[0] == (
        "Use a (2 ms 95th-percentile latency). It is the only candidate left, so nothing was compared with it."
    )


def test_a_limit_takes_candidates_out_of_the_comparison(make, noisy):
    """Within the limits, what is out of reach is no rival."""
    evidence = make(
        {
            "giant": ({"p95_ms": 99.0}, [noisy(400, 0.9)]),
            "middle": ({"p95_ms": 9.0}, [noisy(400, 0.7)]),
            "small": ({"p95_ms": 1.0}, [noisy(400, 0.6)]),
        }
    )
    assert decide(evidence, LATENCY).candidate == "giant"
    found = decide(evidence, Terms("p95_ms", {"p95_ms": 20}))
    assert (found.verdict, found.candidate) == ("proven", "middle")
    assert found.choice.tasks[0].best == "middle"
    assert found.infeasible == {"giant": "p95_ms 99 is above 20"}


def test_limits_hold_for_what_was_measured_end_to_end(make, noisy):

    values = [noisy(400, 0.7)]
    evidence = make({"a": ({"p95_ms": 3.0}, values), "b": ({"p95_ms": 1.0}, values)})
    evidence = replace(evidence, end_to_end={"b": Figures(p50_ms=5.0, p95_ms=8.0, memory_mb=1.0)})
    found = decide(evidence, Terms("p95_ms", {"p95_ms": 4}))
    assert found.candidate == "a"
    assert found.infeasible == {"b": "measured end to end, p95_ms 8 is above 4"}
    found = decide(evidence, LATENCY)
    assert found.candidate == "b"
    assert "5 ms median latency, 8 ms 95th-percentile latency, 1 MB of memory with the index" in said(found)


# --- what is cheapest


def test_within_drift_the_better_wins(make, noisy):
    candidates = {
        "worse": ({"p95_ms": 1.00}, [noisy(2000, 0.690)]),
        "better": ({"p95_ms": 1.09}, [noisy(2000, 0.700)]),
        "dear": ({"p95_ms": 1.30}, [noisy(2000, 0.705)]),
    }
    terms = Terms("p95_ms", margin=5.0)
    assert decide(make(candidates), terms).candidate == "worse"
    found = decide(make(candidates, drift=0.1), terms)
    assert found.candidate == "better"
    assert found.choice.tied == ("worse",)
    assert "As cheap, within what two measurements of the same thing differ: worse." in sentences(found)
    assert decide(make(candidates, throughput_drift=0.1), terms).candidate == "worse", "that drift is of throughput"


def test_each_figure_has_the_drift_of_what_it_was_measured_by(make, noisy):
    evidence = make({"a": ({"p95_ms": 1.0}, [noisy(400, 0.7)])}, drift=0.1, throughput_drift=0.3)
    for figure in ("bytes_per_vector", "parameters", "disk_mb", "storage_cost"):
        assert evidence.drift(figure) == 0.0, "arithmetic"
    for figure in ("texts_per_s", "tokens_per_s", "bulk_cost"):
        assert evidence.drift(figure) == 0.3
    for figure in ("p50_ms", "p95_ms", "serving_cost"):
        assert evidence.drift(figure) == 0.1
    assert evidence.drift("monthly_cost") == 0.3, "the larger of its parts"


@pytest.mark.parametrize("figure", COSTS)
def test_every_figure_can_be_minimised_and_limited(make, noisy, figure):
    values = [noisy(400, 0.7)]
    evidence = make({name: ({figure: cost}, values) for name, cost in (("a", 200), ("b", 100), ("c", 300))})
    more = figure in MORE_IS_BETTER
    found = decide(evidence, Terms(figure))
    assert found.candidate == ("c" if more else "b")
    assert [point.candidate for point in found.frontier] == (["c", "a", "b"] if more else ["b", "a", "c"])
    assert [point.candidate for point in found.frontier if point.on_frontier] == [found.candidate]
    assert found.frontier[0].cost == (300 if more else 100), "with its own sign"
    assert UNITS[figure] in sentences(found)[0]
    limited = decide(evidence, Terms(figure, {figure: 250 if more else 50}))
    assert limited.candidate == ("c" if more else None)
    if more:
        assert limited.infeasible["a"] == f"{figure} 200 is below 250"
    else:
        assert "at most 50" in said(limited)


def test_texts_a_second_is_better_the_more_on_the_frontier_too(make, noisy):
    evidence = make(
        {
            "slow, good": ({"texts_per_s": 10.0}, [noisy(400, 0.8)]),
            "fast, poor": ({"texts_per_s": 900.0}, [noisy(400, 0.5)]),
            "slow, poor": ({"texts_per_s": 10.0}, [noisy(400, 0.5)]),
        },
        shapes={"shape:large": {"texts_per_s": 2.0}},
    )
    found = decide(evidence, Terms("texts_per_s"))
    assert {point.candidate: point.on_frontier for point in found.frontier} == {
        "fast, poor": True, "slow, good": True, "slow, poor": False,
    }  # fmt: skip
    assert (found.marginal[0].start, found.marginal[0].to) == ("fast, poor", "slow, good")
    assert (found.marginal[0].cost_from, found.marginal[0].cost_to) == (900.0, 10.0)
    assert found.candidate == "slow, good"
    assert found.break_even[0].times == pytest.approx(5.0), "five times slower, not 0.2 times the cost"


# --- margins


def test_margins_by_task(make, noisy, task):
    candidates = {
        "big": ({"p95_ms": 9.0}, [noisy(900, 0.70), noisy(900, 0.70)]),
        "small": ({"p95_ms": 1.0}, [noisy(900, 0.69), noisy(900, 0.69)]),
    }
    both = [task("one", 900), task("two", 900)]
    assert decide(make(candidates, both), LATENCY).candidate == "small"
    strict = [task("one", 900), task("two", 900, margin=0.5)]
    evidence = make(candidates, strict)
    found = decide(evidence, LATENCY)
    assert found.candidate == "big"
    assert [one.margin for one in found.choice.tasks] == [2.0, 0.5]
    assert decide(evidence, Terms("p95_ms", margins={"two": 3.0})).candidate == "small", "the question's own come first"
    assert decide(evidence, Terms("p95_ms", margin=9.0)).candidate == "big", "a task's own margin stays"
    changes = {one.change: one.candidate for one in found.sensitivity}
    assert changes["a margin of 2 points on every task"] == "small"
    with pytest.raises(InputError, match="there is no task 'three' to have a margin; there are: one, two"):
        decide(evidence, Terms("p95_ms", margins={"three": 1.0}))


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_provable_margin_proves(make, noisy, seed):
    n = 150
    rivals = {f"m{at}": ({"p95_ms": 9.0 - at}, [noisy(n, 0.70 - 0.004 * at, own=0.1, seed=10 * seed + at)])
              for at in range(5)}  # fmt: skip
    evidence = make(rivals)
    found = decide(evidence, LATENCY)
    assert found.verdict == "best guess"
    margin = found.choice.provable_margin
    assert margin > 2.0
    above, below = (decide(evidence, Terms("p95_ms", margin=margin + by)) for by in (1e-6, -1e-6))
    assert above.verdict == "proven"
    assert above.candidate == found.choice.proven_at_that_margin
    cost = {name: row[0]["p95_ms"] for name, row in rivals.items()}
    assert cost[above.candidate] <= cost[found.candidate]
    assert found.candidate not in {below.candidate} or below.verdict == "best guess"
    printed = next(line for line in sentences(found) if line.startswith("These data would prove it at a margin of "))
    written_margin = float(printed.split("margin of ")[1].split(" points")[0])
    assert margin < written_margin <= margin + 0.1 + 1e-9, "rounded up, so that it is true"


def test_the_provable_margin_is_a_factor_where_tasks_have_their_own(make, noisy, task):
    tasks = [task("one", 150), task("two", 150, margin=1.0)]
    values = {name: [noisy(150, m, own=0.1, seed=at), noisy(150, m, own=0.1, seed=9 + at)]
              for at, (name, m) in enumerate((("a", 0.7), ("b", 0.7)))}  # fmt: skip
    evidence = make({name: ({"p95_ms": 1.0 + at}, row) for at, (name, row) in enumerate(values.items())}, tasks)
    found = decide(evidence, LATENCY)
    line = next(line for line in sentences(found) if line.startswith("These data would prove it"))
    factor = float(line.split("every margin were ")[1].split(" times")[0])
    again = decide(evidence, Terms("p95_ms", margins={"one": 2.0 * factor, "two": 1.0 * factor}))
    assert again.verdict == "proven"


def test_units_needed_would_about_settle_it(make, noisy):
    def verdict(n, seed):
        rows = {name: ({"p95_ms": cost}, [noisy(n, 0.7, own=0.2, seed=seed + cost)])
                for name, cost in (("a", 1), ("b", 2))}  # fmt: skip
        return decide(make(rows), LATENCY)

    few = next(one for seed in range(0, 30, 3) if (one := verdict(200, seed)).verdict == "best guess")
    needed = few.choice.tasks[0].units_needed
    assert needed is not None
    assert 200 < needed < 20_000
    assert f"task0: about {needed:,.0f} units would settle the margin of 2." in sentences(few)
    assert verdict(int(3 * needed), 50).verdict == "proven"


def test_no_number_of_units_where_the_loss_itself_is_too_large(make, noisy):
    evidence = make({"a": ({"p95_ms": 2.0, "memory_mb": 1.0}, [noisy(60, 0.7), noisy(60, 0.5)]),
                     "b": ({"p95_ms": 1.0, "memory_mb": 9.0}, [noisy(60, 0.5), noisy(60, 0.7)])})  # fmt: skip
    found = decide(evidence, LATENCY)
    assert not found.choice.within_margin
    assert {one.units_needed for one in found.choice.tasks if one.loss > one.margin} == {None}


# --- fidelity


def test_fidelity_decides_only_where_nothing_has_quality(make, noisy, task):
    candidates = {
        "reference": ({"p95_ms": 9.0}, [noisy(400, 0.7), noisy(400, 1.0, 0.0)]),
        "other": ({"p95_ms": 1.0}, [noisy(400, 0.7), noisy(400, 0.5, 0.0)]),
    }
    mixed = make(candidates, [task("labelled", 400), task("agreement", 400, is_quality=False)])
    found = decide(mixed, LATENCY)
    assert found.candidate == "other"
    assert not found.fidelity_only
    assert [one.task for one in found.choice.tasks] == ["labelled"]
    assert "agreement with the reference" not in said(found)


@pytest.mark.parametrize("n", [400, 12])
def test_agreement_is_never_called_quality(make, noisy, task, n):
    evidence = make(
        {"reference": ({"p95_ms": 9.0}, [np.ones(n)]), "other": ({"p95_ms": 1.0}, [noisy(n, 0.999, 0.001)])},
        [task("agreement", n, is_quality=False)],
    )
    found = decide(evidence, LATENCY)
    assert found.fidelity_only
    assert found.candidate == "other"
    words = said(found)
    assert "No task has labels: agreement with a reference candidate was measured, not quality." in words
    assert "quality" not in words.replace("was measured, not quality", "")
    assert "agreement with the reference" in sentences(found)[0]


# --- what would change it


def test_sensitivity_lists_changes_only(make, noisy):
    evidence = make(
        {
            "big": ({"p95_ms": 9.0, "memory_mb": 900.0}, [noisy(900, 0.70)]),
            "small": ({"p95_ms": 1.0, "memory_mb": 100.0}, [noisy(900, 0.665)]),
        }
    )
    terms = Terms("p95_ms", {"memory_mb": 500, "p95_ms": 99})
    found = decide(evidence, terms)
    assert (found.verdict, found.candidate) == ("proven", "small")
    assert {(one.change, one.candidate) for one in found.sensitivity} == {("no limit on memory_mb", "big")}
    for one in found.sensitivity:
        assert (one.verdict, one.candidate) != (found.verdict, found.candidate)
    free = decide(evidence, LATENCY)
    assert free.candidate == "big"
    assert [one.change for one in free.sensitivity] == ["a margin of 5 points", "a margin of 10 points"]
    assert "With a margin of 5 points, the answer would be small (proven)." in sentences(free)


def test_savings_are_told_against_the_best(make, noisy):
    evidence = make(
        {
            "big": ({"p95_ms": 9.0, "memory_mb": 12345.6, "disk_mb": 5.0}, [noisy(900, 0.705)]),
            "small": ({"p95_ms": 1.5, "memory_mb": 100.0}, [noisy(900, 0.70)]),
        }
    )
    found = decide(evidence, LATENCY)
    assert found.savings == {"p95_ms": (9.0, 1.5), "memory_mb": (12345.6, 100.0)}
    assert (
        "Against big it takes 1.5 instead of 9 ms 95th-percentile latency; "
        "100 instead of 12,346 MB of memory with the index."
    ) in sentences(found)


# --- saved and read again


def test_what_is_read_again_gives_the_same_answer(make, noisy, task, round_trip):
    values = noisy(120, 0.7)
    evidence = make(
        {
            "a": ({"p95_ms": 2.0, "memory_mb": 9.0}, [values, noisy(40, 0.6, own=0.1, seed=1)]),
            "b": ({"p95_ms": 1.0}, [noisy(120, 0.68, own=0.1, seed=2), noisy(40, 0.6, own=0.1, seed=3)]),
            "bm25": ({"p95_ms": 0.5}, [values, None]),
        },
        [task("x", 120, np.arange(120) // 2), task("y", 40, margin=3.0)],
        shapes={"shape:bert-large": {"p95_ms": 80.0, "parameters": 335e6}},
        drift=0.05,
    )
    for terms in (LATENCY, Terms("p95_ms", {"memory_mb": 10}), Terms("p95_ms", {"p95_ms": 0.1}, margin=9.0)):
        assert decide(round_trip(evidence), terms).to_json() == decide(evidence, terms).to_json()


# --- terms


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"minimise": "p95"}, "there is no cost called 'p95'; did you mean p95_ms?"),
        ({"minimise": "zzz"}, "there is no cost called 'zzz'; there are: mean_ms, p50_ms"),
        ({"minimise": "source"}, "there is no cost called 'source'"),
        ({"minimise": "p95_ms", "limits": {"memory": 1}}, "there is no cost called 'memory'; did you mean memory_mb?"),
        ({"minimise": "p95_ms", "limits": {"p95_ms": -1}}, "the limit on p95_ms is -1; it must be a number, zero or"),
        ({"minimise": "p95_ms", "limits": {"p95_ms": float("nan")}}, "the limit on p95_ms is nan"),
        ({"minimise": "p95_ms", "margin": 0}, "the margin is 0; it must be a number above zero"),
        ({"minimise": "p95_ms", "limits": {"p95_ms": float("inf")}}, "the limit on p95_ms is inf"),
        ({"minimise": "p95_ms", "margin": float("nan")}, "the margin is nan"),
        ({"minimise": "p95_ms", "margin": float("inf")}, "the margin is inf"),
        ({"minimise": "p95_ms", "margins": {"sts": -2}}, "the margin for sts is -2; it must be a number above zero"),
    ],
)
def test_terms_that_make_no_sense(given, message):
    with pytest.raises(InputError) as error:
        Terms(**given)
    assert str(error.value).startswith(message)


def test_a_limit_of_zero_and_a_figure_at_its_limit():
    assert breach("p95_ms", 30, 30.0) is None
    assert breach("texts_per_s", 30, 30.0) is None
    assert breach("bytes_per_vector", 0, 0.0) is None
    assert breach("bytes_per_vector", 0, 1.0) == "bytes_per_vector 1 is above 0"
    assert breach("texts_per_s", 1500, 1234.5) == "texts_per_s 1,234 is below 1,500"
    assert breach("parameters", 3e7, 334.8e6) == "parameters 334,800,000 is above 30,000,000"


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.1235"), (12.0, "12"), (999.9, "999.9"), (123456.7, "123,457")]
)
def test_figures_are_written_for_people(value, text):
    assert written(value) == text
