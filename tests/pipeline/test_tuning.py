"""Weights and thresholds: chosen on other queries than those that are scored, and as careful as they say."""

import numpy as np
import pytest

from sizewise.core.candidate import When
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.evaluate import applies, record
from sizewise.pipeline.bench import Bench
from sizewise.pipeline.stages import fixed
from sizewise.pipeline.tuning import FOLDS, WEIGHTS, best_weight, folds, threshold

UNITS = 2000


def drawn(chance, units=UNITS):
    """Queries whose losses are the likelier the lower their signal: 0 or 1."""
    signals = chance.random(units)
    return signals, (chance.random(units) < 0.3 * (1 - signals) ** 2).astype(float)


def expected_loss(below):
    """Of `drawn`, where only signals below the threshold are ranked again."""
    return 0.1 * (1 - below) ** 3


def test_a_threshold_keeps_its_risk():
    """In at most one of twenty studies the expected loss may be above the bound."""
    above, shares = 0, []
    for seed in range(300):
        signals, losses = drawn(np.random.default_rng(seed))
        found, told = threshold(When("margin", None, 2.0), signals, losses, np.arange(UNITS))
        above += found is not None and expected_loss(found.below) > 0.02
        shares.append(told.share)
    assert above <= 0.05 * 300 + 2 * np.sqrt(300 * 0.05 * 0.95)
    assert np.mean(shares) < 0.75, "it is of use: ranking 42% again would do if all were known"


def test_a_laxer_bound_ranks_less_again():
    signals, losses = drawn(np.random.default_rng(0))
    shares = [threshold(When("margin", None, risk), signals, losses, np.arange(UNITS))[1].share for risk in (1, 2, 5)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < shares[0]


def test_too_few_to_certify_anything():
    signals = np.random.default_rng(0).random(500)
    found, told = threshold(When("margin", None, 0.5), signals, np.zeros(500), np.arange(500))
    assert (found, told.found, told.share) == (None, "always", 1.0)
    assert told.needed == 665, "598 beside the tenth that says what is tried"
    many = np.random.default_rng(0).random(665)
    assert threshold(When("margin", None, 0.5), many, np.zeros(665), np.arange(665))[0] is not None


def test_losses_that_are_too_many_are_no_lack_of_queries():
    signals = np.random.default_rng(0).random(5000)
    found, told = threshold(When("margin", None, 0.5), signals, np.ones(5000), np.arange(5000))
    assert (found, told.needed) == (None, None)


def test_groups_are_drawn_together():
    """Ten copies of each query are no more evidence than one."""
    signals = np.random.default_rng(0).random(100)
    asked = When("margin", None, 2.0)
    copies = np.repeat(np.arange(100), 10)
    assert threshold(asked, signals[copies], np.zeros(1000), copies)[0] is None
    assert threshold(asked, signals[copies], np.zeros(1000), np.arange(1000))[0] is not None


def test_signals_without_an_end_are_never_a_threshold():
    signals = np.where(np.arange(900) % 2, np.inf, 0.5)
    found, _ = threshold(When("margin", None, 50.0), signals, np.zeros(900), np.arange(900))
    assert found.below == 0.5


def test_the_best_weight():
    values = np.zeros((len(WEIGHTS), 4))
    assert best_weight(values) == 0.5, "the most even of equals"
    values[3] = 0.1
    assert best_weight(values) == WEIGHTS[3]


@pytest.fixture
def names(tiny_model):
    return (
        f"fuse(bm25, {tiny_model}+truncate=4, w=tuned)",
        f"rerank({tiny_model}+truncate=4, {tiny_model}, 20, when=margin, risk=40)",
    )


def with_labels(folder, path, changed, name):
    """A copy in which the queries of `changed` look for another document."""
    import shutil

    copy = shutil.copytree(folder, path)
    file = copy / "qrels" / "test.tsv"
    head, *lines = file.read_text().splitlines()
    lines = [f"{query}\td59\t1" if query in changed else line for line in lines for query in [line.split("\t")[0]]]
    file.write_text("\n".join([head, *lines]) + "\n")
    return load_task(copy, name=name)


def test_a_fold_never_sees_its_own_labels(store, retrieval_folder, tmp_path, names):
    """Without queries to tune on: what one fifth answers depends on the labels of the others, never on its own."""
    task = load_task(retrieval_folder)
    of = folds(task)
    assert len(set(of.tolist())) > 1
    assert set(of.tolist()) <= set(range(FOLDS))
    one = np.bincount(of).argmax()
    mine = {task.units.ids[at] for at in np.flatnonzero(of == one)}
    changed = with_labels(retrieval_folder, tmp_path / "changed", mine, task.name)
    assert folds(changed).tolist() == of.tolist()
    for name in names:
        before, after = (record(Bench(store), each, parse(name))["ids"] for each in (task, changed))
        np.testing.assert_array_equal(before[of == one], after[of == one])


def test_queries_to_tune_on_are_others(tuned_folder):
    task = load_task(tuned_folder)
    assert len(task.tune.units) == 40
    assert not set(task.units.ids) & set(task.tune.units.ids)
    assert not set(task.queries) & set(task.tune.queries)
    assert task.tune.documents == task.documents
    assert task.tune.fingerprint != task.fingerprint


def test_what_was_found_is_told(store, tuned_folder, names):
    task, bench = load_task(tuned_folder), Bench(store)
    for name in names:
        served, told = fixed(bench, task, parse(name))
        assert str(served) == str(parse(str(served))), "it can be written and read"
        assert told[0].stage == str(parse(name))
        assert told[0].queries == 40
        assert told[0].found in str(served) or told[0].found == "always"


def test_there_is_nothing_to_tune_by_where_quality_is_not_known(retrieval_folder, tmp_path, names):
    folder = tmp_path / "unjudged"
    folder.mkdir()
    (folder / "corpus.jsonl").write_bytes((retrieval_folder / "corpus.jsonl").read_bytes())
    task = load_task(folder)
    assert not any(applies(parse(name), task) for name in names)
    assert applies(parse(names[0].replace("tuned", "0.5")), task)
