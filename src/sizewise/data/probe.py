"""Logistic regression on frozen unit vectors: how well does a linear reader tell the labels apart?

Everything random is seeded by position, so all candidates are trained on the same texts.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.data.threads import single_threaded

Vectors = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
Predictions = npt.NDArray[np.int32]
"""int32 [test texts, draws]: the predicted label codes."""

MTEB_TEXTS_PER_LABEL = 8
MTEB_DRAWS = 10
GRID = (1.0, 4.0, 16.0, 64.0)
"""Inverse regularisation for `tuned`. On unit vectors, whitened or not, lower ones underfit and higher ones
only cost time."""
TUNING_TEXTS = 2000
FOLDS = 3


def full(train: Vectors, labels: Codes, test: Vectors) -> Predictions:
    """One fit on all of train with C = 1."""
    return _fit_predict(_regression(1.0, 300), train, labels, test)[:, None]


def mteb(train: Vectors, labels: Codes, test: Vectors) -> Predictions:
    """Ten fits, each on eight training texts a label (all of them where there are fewer)."""
    rng = np.random.default_rng(42)
    draws = [few_of_each(labels, MTEB_TEXTS_PER_LABEL, rng) for _ in range(MTEB_DRAWS)]
    return np.stack([_fit_predict(_regression(1.0, 100), train[at], labels[at], test) for at in draws], axis=1)


def tuned(train: Vectors, labels: Codes, test: Vectors) -> Predictions:
    """One fit on all of train, with the C of `GRID` that cross-validation prefers."""
    return _fit_predict(_regression(best_c(train, labels), 300), train, labels, test)[:, None]


PROTOCOLS: Mapping[str, Callable[[Vectors, Codes, Vectors], Predictions]] = {"tuned": tuned, "full": full, "mteb": mteb}


def best_c(train: Vectors, labels: Codes) -> float:
    """The smallest C within one standard error of the most right answers, over stratified folds of TUNING_TEXTS texts.

    One standard error (Breiman et al., "Classification and Regression Trees", 1984, ch. 3.4.3), because the path is
    flat at its top: without it the choice is noise, and falls on the C that are slowest to fit.

    Where a label is too rare for every fold it is simply missing from some; with one text a label C is 1. Each fit
    starts from that of the C before. A tolerance of 1e-3 is too coarse: such fits stop where they start.
    """
    chosen = _subset(labels)
    vectors, codes = np.ascontiguousarray(train[chosen], np.float32), labels[chosen]
    right = np.zeros(len(GRID), np.int64)
    for fold in range(FOLDS):
        held = _fold_of(codes) == fold
        if not held.any() or len(np.unique(codes[~held])) < 2:
            continue
        model = _regression(GRID[0], 100, warm_start=True)
        for at, c in enumerate(GRID):
            predicted = _fit_predict(model.set_params(C=c), vectors[~held], codes[~held], vectors[held])
            right[at] += int((predicted == codes[held]).sum())
    best, n = right.max(), len(codes)
    standard_error = np.sqrt(best * (n - best) / n)
    return GRID[int((right >= best - standard_error).argmax())]


def few_of_each(labels: Codes, count: int, rng: np.random.Generator) -> Codes:
    """Positions of `count` random texts of each label, or of all it has."""
    shuffled = rng.permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return by_label[_rank_within(labels[by_label]) < count]


def _subset(labels: Codes) -> Codes:
    """At most TUNING_TEXTS positions with the labels in proportion, at least one of each label."""
    if len(labels) <= TUNING_TEXTS:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    rank = _rank_within(labels[by_label])
    share = np.bincount(labels)[labels[by_label]] * (TUNING_TEXTS / len(labels))
    return np.sort(by_label[rank < np.maximum(share, 1.0)])


def _fold_of(labels: Codes) -> Codes:
    """Fold of each text: the texts of a label are dealt to the folds in a random order."""
    shuffled = np.random.default_rng(1).permutation(len(labels))
    by_label = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    # Dealing goes on from label to label, so that rare labels do not all end in fold 0.
    fold[by_label] = np.arange(len(labels)) % FOLDS
    return fold


def _rank_within(ordered: Codes) -> Codes:
    """Rank of each entry among equal ones, in an array that has equal ones side by side in ascending order."""
    return np.arange(len(ordered)) - np.searchsorted(ordered, ordered)


def _regression(c: float, iterations: int, **others: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=iterations, **others)


def _fit_predict(model: Any, train: Vectors, labels: Codes, test: Vectors) -> npt.NDArray[np.int32]:
    with single_threaded(), _no_news():
        model.fit(np.asarray(train, np.float32), labels)
    predicted: npt.NDArray[np.int32] = model.predict(np.asarray(test, np.float32)).astype(np.int32)
    return predicted


@contextmanager
def _no_news() -> Iterator[None]:
    """Iteration limits belong to the protocols, and that labels are many and rare was noted when the data were read."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield
