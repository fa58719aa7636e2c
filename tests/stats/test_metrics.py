"""The plain metrics agree with the tools whose definitions they follow."""

import numpy as np
import pytest
import pytrec_eval
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, v_measure_score

from sizewise.core.errors import InputError
from sizewise.stats import metrics


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def searched(rng):
    """Graded judgements and rankings of 80 queries: some without relevant documents, some finding none, some short."""
    judged = rng.choice([-1, 0, 1, 2, 3], p=[0.1, 0.5, 0.2, 0.1, 0.1], size=(80, 25))
    judged[:5] = 0
    ranked_ids = rng.permuted(np.tile(np.arange(40), (80, 1)), axis=1)[:, :20]  # ids 25..39 are not judged
    ranked_ids[5:10] = np.arange(25, 40).repeat(2)[:20]
    grades = np.where(ranked_ids < 25, np.take_along_axis(judged, np.minimum(ranked_ids, 24), axis=1), 0)
    grades[5:10] = 0
    return judged, grades, ranked_ids


def trec_eval(searched, measure):
    judged, _, ranked_ids = searched
    qrels = {f"q{q}": {f"d{d}": int(grade) for d, grade in enumerate(row)} for q, row in enumerate(judged)}
    run = {}
    for q, row in enumerate(ranked_ids):
        names = [f"d{d}" if q not in range(5, 10) else f"x{rank}" for rank, d in enumerate(row)]
        run[f"q{q}"] = {name: 100.0 - rank for rank, name in enumerate(names)}
    result = pytrec_eval.RelevanceEvaluator(qrels, {measure}).evaluate(run)
    return np.array([result[f"q{q}"][measure.replace(".", "_")] for q in range(len(judged))])


@pytest.mark.parametrize("at", [1, 5, 10, 20])
def test_ndcg_is_trec_evals(searched, at):
    expected = trec_eval(searched, f"ndcg_cut.{at}")
    assert np.allclose(metrics.ndcg(searched[1], searched[0], at), expected, atol=1e-6)
    assert 0.1 < expected.mean() < 0.9


@pytest.mark.parametrize("at", [5, 10])
def test_recall_is_trec_evals(searched, at):
    assert np.allclose(metrics.recall(searched[1], searched[0], at), trec_eval(searched, f"recall.{at}"), atol=1e-6)


def test_reciprocal_rank_is_trec_evals(searched):
    assert np.allclose(metrics.reciprocal_rank(searched[1]), trec_eval(searched, "recip_rank"), atol=1e-6)


def test_reciprocal_rank_stops_at_the_cut():
    assert metrics.reciprocal_rank(np.array([[0, 0, 1], [0, 2, 1]]), at=2).tolist() == [0.0, 0.5]


def test_nothing_returned_scores_nothing():
    none, judged = np.zeros((2, 0)), np.ones((2, 3))
    for metric in (metrics.ndcg(none, judged), metrics.recall(none, judged), metrics.reciprocal_rank(none)):
        assert metric.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("levels", [3, 1000])
def test_spearman_is_scipys(rng, levels):
    gold = rng.integers(levels, size=200)
    scores = np.round(gold + rng.normal(scale=levels, size=200))
    assert metrics.spearman(scores, gold) == pytest.approx(spearmanr(scores, gold).statistic, abs=1e-12)


def test_spearman_of_a_constant_is_zero(rng):
    assert metrics.spearman(np.ones(20), rng.normal(size=20)) == 0.0


@pytest.mark.parametrize("levels", [3, 1000])
def test_average_precision_is_sklearns(rng, levels):
    labels = rng.random(300) < 0.3
    scores = rng.integers(levels, size=300) + labels * levels / 3
    expected = average_precision_score(labels, scores)
    assert metrics.average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 9])
def test_v_measure_is_sklearns(rng, k):
    labels, clusters = rng.integers(5, size=300) * 3 - 4, rng.integers(k, size=300)
    clusters[:150] = labels[:150]
    assert metrics.v_measure(clusters, labels) == pytest.approx(v_measure_score(labels, clusters), abs=1e-12)
    assert metrics.v_measure(labels, labels + 8) == pytest.approx(1.0)
    assert metrics.v_measure(np.zeros(9, int), np.ones(9, int)) == 1.0


@pytest.mark.parametrize("shift", [-9.0, 0.0, 0.3, 9.0])
def test_best_threshold_beats_every_other(rng, shift):
    scores, labels = rng.integers(12, size=60).astype(float), rng.random(60) < 0.5
    scores[labels] += shift
    chosen = metrics.best_threshold(scores, labels)
    right = [np.mean((scores >= cut) == labels) for cut in np.append(np.unique(scores), np.inf)]
    assert np.mean((scores >= chosen) == labels) == max(right)


@pytest.mark.parametrize("label", [True, False])
def test_best_threshold_for_one_label(label):
    scores = np.array([0.2, 0.4])
    assert np.all((scores >= metrics.best_threshold(scores, np.array([label] * 2))) == label)


def test_best_threshold_needs_scores_and_labels():
    with pytest.raises(InputError):
        metrics.best_threshold(np.array([]), np.array([], dtype=bool))
    with pytest.raises(InputError):
        metrics.best_threshold(np.ones(3), np.ones(2, dtype=bool))
