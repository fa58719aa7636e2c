"""Plain metrics, in natural units ([0, 1], correlations [-1, 1]); the rest of Sizewise shows them times 100.

Rankings are scored per query, all queries at once; grades are padded with zeros where queries have fewer documents.
The definitions are trec_eval's, scipy's and scikit-learn's, and the tests demand agreement with them.
"""

import numpy as np

from sizewise.core.errors import InputError
from sizewise.stats.arrays import Bools, Float64, Floats, Ints
from sizewise.stats.statistics import AveragePrecision, Spearman, VMeasure


def ndcg(ranked: Floats, judged: Floats, at: int = 10) -> Float64:
    """nDCG@`at` of each query as trec_eval's ndcg_cut: gain = grade, discount log2(rank + 1).

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 20(4), 2002.

    Args:
        ranked: float[n_queries, k], the grades of the returned documents in order, 0 for the unjudged.
        judged: float[n_queries, m], the grades of all judged documents, in any order.

    Returns:
        float64[n_queries] in [0, 1]; 0 for a query without relevant documents.
    """
    best = -np.sort(-np.asarray(judged, np.float64), axis=1)
    gained, possible = _dcg(ranked, at), _dcg(best, at)
    return _share(gained, possible)


def recall(ranked: Floats, judged: Floats, at: int = 100) -> Float64:
    """Share of a query's relevant documents (grade >= 1) among its first `at`; arguments and result as `ndcg`."""
    found = (np.asarray(ranked)[:, :at] >= 1).sum(axis=1).astype(np.float64)
    relevant = (np.asarray(judged) >= 1).sum(axis=1).astype(np.float64)
    return _share(found, relevant)


def reciprocal_rank(ranked: Floats, at: int | None = None) -> Float64:
    """1 / rank of a query's first relevant document (grade >= 1) among its first `at`, 0 if there is none.

    `ranked` is float[n_queries, k] as for `ndcg`; returns float64[n_queries].
    """
    relevant = np.asarray(ranked)[:, :at] >= 1
    if relevant.shape[1] == 0:
        return np.zeros(len(relevant))
    return np.where(relevant.any(axis=1), 1.0 / (relevant.argmax(axis=1) + 1.0), 0.0)


def spearman(scores: Floats, gold: Floats) -> float:
    """Spearman's rank correlation of two float[n], ties by midranks (scipy's spearmanr); 0 if one is constant."""
    return float(Spearman(np.asarray(scores)[None], gold).point()[0])


def average_precision(scores: Floats, labels: Bools) -> float:
    """Average precision of float[n] for bool[n], tied scores as one threshold (sklearn's average_precision_score)."""
    return float(AveragePrecision(np.asarray(scores)[None], labels).point()[0])


def v_measure(clusters: Ints, labels: Ints) -> float:
    """V-measure of int[n] clusters against int[n] labels (Rosenberg and Hirschberg, EMNLP 2007; sklearn)."""
    return float(VMeasure(np.asarray(clusters)[None, None], labels).point()[0])


def best_threshold(scores: Floats, labels: Bools) -> float:
    """The threshold t for which `scores >= t` predicts bool[n] `labels` most accurately.

    It lies midway between two neighbouring scores, so that it carries over to unseen texts; the lowest wins a tie.

    Raises:
        InputError: if there are no scores, or not as many labels.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.bool_)
    if len(scores) == 0 or scores.shape != labels.shape:
        raise InputError(f"a threshold needs as many labels as scores, and one at least: {len(labels)}, {len(scores)}")
    levels, level_of = np.unique(scores, return_inverse=True)
    positives = np.bincount(level_of[labels], minlength=len(levels))
    negatives = np.bincount(level_of[~labels], minlength=len(levels))
    # Cut c puts the levels below c on the negative side: right are the negatives below it and the positives above it.
    right = np.append(0, np.cumsum(negatives - positives)) + positives.sum()
    middles = (levels[1:] + levels[:-1]) / 2
    cuts = np.concatenate([levels[:1], middles, [np.nextafter(levels[-1], np.inf)]])
    return float(cuts[right.argmax()])


def _share(part: Float64, whole: Float64) -> Float64:
    """part / whole, float64[n_queries] each, 0 where there is no whole."""
    result: Float64 = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return result


def _dcg(grades: Floats, at: int) -> Float64:
    """Discounted cumulated gain of float[n_queries, k]; negative grades count as 0, as in trec_eval."""
    gains = np.maximum(np.asarray(grades, np.float64)[:, :at], 0.0)
    result: Float64 = gains @ (1.0 / np.log2(np.arange(2, gains.shape[1] + 2)))
    return result
