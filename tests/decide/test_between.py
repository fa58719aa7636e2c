"""Two runs side by side: the intervals cover, false alarms are rare, and what cannot be paired is not."""

from dataclasses import replace

import numpy as np
import pytest

from sizewise.cost.figures import Figures
from sizewise.decide.between import Side, between, independent, together
from sizewise.decide.evidence import Compared, Evidence, TaskFacts
from sizewise.stats.statistics import Mean, bootstrap

RESAMPLES = 400


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def side(tasks, figures=None, drift=0.05, held_out=None, resamples=RESAMPLES, metric="ndcg@10", **data):
    """A run of `tasks`: {name: {candidate: values of its units}}; `data` are fingerprints where they are not "same"."""
    names = tuple(dict.fromkeys(name for values in tasks.values() for name in values))
    facts, compared = [], []
    for task, values in tasks.items():
        units = len(next(iter(values.values())))
        here = [at for at, name in enumerate(names) if name in values]
        points, draws = np.full(len(names), np.nan), np.full((len(names), resamples), np.nan, np.float32)
        found = bootstrap(Mean(np.stack([values[names[at]] for at in here])[:, None]), resamples=resamples)
        points[here], draws[here] = 100 * found[0], 100 * found[1]
        none = np.zeros((len(names), len(names)))
        compared.append(Compared(points, points, points, ("",) * len(names), draws, none))
        facts.append(TaskFacts(task, "retrieval", metric, units, units, is_quality=True))
    costs = {name: Figures(**(figures or {}).get(name, {"p95_ms": 10.0})) for name in (*names, *(figures or {}))}
    evidence = Evidence(tuple(facts), names, tuple(compared), costs, drift, drift)
    return Side(evidence, {task: data.get(task, "same") for task in tasks}, held_out or {})


def pair(before, after, **more):
    """One candidate on one task in two runs."""
    return between(side({"t": {"m": before}}), side({"t": {"m": after}}, **more)).scores[0]


# --- the estimator, by simulation


def test_paired_intervals_cover(rng):
    """One unit is hard for both runs; the second run truly gains 1.5 points."""
    covered, widths, runs = 0, [], 300
    for _ in range(runs):
        hard, own = rng.normal(0.6, 0.25, 200), rng.normal(0, 0.06, (2, 200))
        found = pair(hard + own[0], hard + own[1] + 0.015)
        assert found.how == "paired"
        covered += found.low <= 1.5 <= found.high
        widths.append(found.high - found.low)
    assert abs(covered / runs - 0.95) < 3 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean(widths) == pytest.approx(100 * 2 * 1.97 * 0.06 * np.sqrt(2 / 200), rel=0.1), "what is shared is gone"


def test_unpaired_intervals_cover(rng):
    """Other data of as many units, sorted by difficulty: draws of the same seed would go up and down together."""
    covered, runs = 0, 300
    for _ in range(runs):
        before, after = (np.sort(rng.normal(mean, 0.25, 200)) for mean in (0.6, 0.615))
        found = pair(before, after, t="other")
        assert found.how == "other data"
        covered += found.low <= 1.5 <= found.high
    assert abs(covered / runs - 0.95) < 3 * np.sqrt(0.05 * 0.95 / runs)


def test_in_their_own_order_such_draws_would_not_be_independent(rng):
    """What the test above is about: it fails without the permutation."""
    draws = [bootstrap(Mean(np.sort(rng.normal(0.6, 0.25, (1, 1, 200)))), resamples=RESAMPLES)[1][0] for _ in range(2)]
    assert np.corrcoef(*draws)[0, 1] > 0.9
    assert abs(np.corrcoef(*independent(*draws))[0, 1]) < 0.15


def test_of_many_scores_that_did_not_change_none_is_called_changed(rng):
    """30 candidates and tasks, nothing truly changed: in 95% of pairs of runs no alarm at all."""
    alarms, runs = 0, 100
    for _ in range(runs):
        sides = []
        hard = rng.normal(0.6, 0.25, (3, 150))
        for _ in range(2):
            own = rng.normal(0, 0.06, (3, 10, 150))
            tasks = {f"t{t}": {f"m{i}": hard[t] + own[t, i] for i in range(10)} for t in range(3)}
            sides.append(side(tasks))
        found = between(*sides)
        assert found.comparisons == 30
        alarms += any(one.changed for one in found.scores)
    assert alarms / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_a_change_is_found(rng):
    before = rng.normal(0.6, 0.25, 500)
    found = pair(before, before + rng.normal(0.03, 0.05, 500))
    assert found.changed
    assert found.before == pytest.approx(100 * before.mean())
    assert found.low < found.change < found.high
    lost = pair(before + 0.05, before + rng.normal(0.0, 0.05, 500))
    assert lost.changed
    assert lost.high < 0 < lost.before - lost.after


def test_more_comparisons_make_wider_intervals():
    alone = together(1.0, 0.0, 2.0, 1, 200)
    many = together(1.0, 0.0, 2.0, 60, 200)
    assert alone == (0.0, 2.0)
    assert many[1] - 1.0 == pytest.approx(1.0 - many[0])
    assert many[1] - 1.0 == pytest.approx(3.38 / 1.972, rel=0.01), "Student's quantiles at 0.025 / 60 and at 0.025"
    assert together(1.0, 0.0, 2.0, 60, 8)[1] > many[1], "few groups have heavier tails"
    assert together(0.0, 0.5, 2.0, 60, 200)[0] <= 0.5, "an interval beside its point does not shrink"
    assert together(0.0, -80.0, 80.0, 60, 200) == (-100.0, 100.0)
    assert together(-150.0, -160.0, -140.0, 60, 200)[0] <= -150.0, "correlations may fall by more than 100"


def test_the_same_run_twice(rng):
    values = rng.random(200)
    found = pair(values, values)
    assert (found.change, found.changed) == (0.0, False)
    assert found.low < 0 < found.high, "other units might have differed"
    assert "all units score alike" in found.approximate


# --- what can be compared, and how


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ({}, "paired"),
        ({"t": "other"}, "other data"),
        ({"held_out": {"t": ["q1"]}}, "other units"),
        ({"resamples": 300}, "other resamples"),
    ],
)
def test_how_runs_are_compared(rng, more, how):
    hard = rng.normal(0.6, 0.25, 200)
    found = pair(hard, hard + rng.normal(0, 0.02, 200), **more)
    assert found.how == how
    assert (found.high - found.low > 5) == (how != "paired"), "unpaired, the noise of the units stays in"


def test_other_units_held_out_by_number(rng):
    found = between(side({"t": {"m": rng.random(200)}}), side({"t": {"m": rng.random(180)}})).scores[0]
    assert found.how == "other units"


def test_the_same_units_held_out_in_both(rng):
    values, held = rng.random(200), {"t": ["q1", "q2"]}
    sides = [side({"t": {"m": values}}, held_out={"t": ids}) for ids in (held["t"], held["t"][::-1])]
    assert between(*sides).scores[0].how == "paired"


def test_data_that_are_not_known_are_other_data(rng):
    values = {"t": {"m": rng.random(200)}}
    unknown = replace(side(values), fingerprints={})
    assert between(unknown, unknown).scores[0].how == "other data"


def test_what_is_in_one_run_only(rng):
    values = rng.random(100)
    before = side({"a": {"m": values, "gone": values}, "b": {"m": values}}, {"shape:x": {"p95_ms": 1.0}})
    after = side({"a": {"m": values, "new": values}, "c": {"new": values}})
    found = between(before, after)
    assert [(one.candidate, one.task) for one in found.scores] == [("m", "a")]
    assert found.candidates_only_before == ("gone", "shape:x")
    assert found.candidates_only_after == ("new",)
    assert (found.tasks_only_before, found.tasks_only_after) == (("b",), ("c",))


def test_a_candidate_without_a_score_in_one_run(rng):
    values = rng.random(100)
    before = side({"a": {"m": values}, "b": {"m": values, "k": values}})
    after = side({"a": {"m": values, "k": values}, "b": {"m": values}})
    assert {(one.candidate, one.task) for one in between(before, after).scores} == {("m", "a"), ("m", "b")}


def test_another_metric_is_not_compared(rng):
    values = {"t": {"m": rng.random(100)}}
    found = between(side(values), side(values, metric="ndcg@20"))
    assert found.scores == ()
    assert found.not_compared == {"t": "measured by ndcg@10 before and by ndcg@20 after"}


# --- costs


def costs(before, after, drifts=(0.05, 0.05)):
    values = {"t": {"m": np.linspace(0, 1, 50)}}
    sides = [side(values, {"m": one}, drift) for one, drift in zip((before, after), drifts, strict=True)]
    return {one.figure: one for one in between(*sides).costs}


def test_costs_change_beyond_the_larger_drift():
    found = costs({"p95_ms": 10.0, "p50_ms": 10.0}, {"p95_ms": 11.9, "p50_ms": 8.2}, (0.01, 0.2))
    assert (found["p95_ms"].changed, found["p95_ms"].drift, found["p95_ms"].ratio) == (False, 0.2, pytest.approx(1.19))
    assert found["p50_ms"].changed, "10 is more than 8.2 and a fifth"


def test_arithmetic_changes_by_anything():
    found = costs({"disk_mb": 90.868, "bytes_per_vector": 384.0}, {"disk_mb": 90.869, "bytes_per_vector": 384.0})
    assert (found["disk_mb"].changed, found["bytes_per_vector"].changed) == (True, False)
    assert found["disk_mb"].drift == 0


def test_costs_of_nothing():
    found = costs({"bytes_per_vector": 0.0, "p95_ms": 0.0}, {"bytes_per_vector": 0.0, "p95_ms": 0.1})
    assert (found["bytes_per_vector"].changed, found["p95_ms"].changed) == (False, True)
    assert found["p95_ms"].ratio is None


def test_what_was_measured_in_one_run_only_is_not_compared():
    assert set(costs({"p95_ms": 1.0, "load_s": 2.0}, {"p95_ms": 1.0})) == {"p95_ms"}


def test_whole_pipelines_apart(rng):
    one = side({"t": {"m": rng.random(50)}})
    one = replace(one, evidence=replace(one.evidence, end_to_end={"m": Figures(p95_ms=20.0)}))
    two = replace(one, evidence=replace(one.evidence, end_to_end={"m": Figures(p95_ms=40.0)}))
    found = [(cost.figure, cost.end_to_end, cost.changed) for cost in between(one, two).costs]
    assert found == [("p95_ms", False, False), ("p95_ms", True, True)]
