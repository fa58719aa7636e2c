"""What training makes small, against the same worked out by hand."""

import numpy as np
import pytest
import torch

from sizewise.train.losses import SIMILARITIES, Agreement, SupervisedContrastive


def model(vectors):
    """A model that gives these vectors."""
    return lambda features: {"sentence_embedding": torch.tensor(vectors, dtype=torch.float32)}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_agreement_is_nothing_with_the_teacher_itself():
    wanted = unit(np.random.default_rng(0).standard_normal((5, 8))).astype(np.float32)
    loss = Agreement(model(3 * wanted), wanted)([{}], torch.arange(5))
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_agreement_by_hand_with_widths():
    chance = np.random.default_rng(1)
    found, wanted = chance.standard_normal((4, 8)), unit(chance.standard_normal((6, 8))).astype(np.float32)
    rows = np.array([5, 0, 2, 3])
    alike = wanted[rows] @ wanted[rows].T
    total = 0.0
    for width in (8, 4):
        mine, theirs = unit(found[:, :width]), unit(wanted[rows][:, :width])
        total += 1 - (mine * theirs).sum(1).mean() + SIMILARITIES * np.square(mine @ mine.T - alike).mean()
    loss = Agreement(model(found), wanted, (4,))([{}], torch.from_numpy(rows))
    assert float(loss) == pytest.approx(total / 2, rel=1e-5)


def test_supervised_contrastive_by_hand():
    vectors = unit(np.random.default_rng(2).standard_normal((5, 6)))
    codes = np.array([0, 1, 0, 1, 2])
    alike, terms = vectors @ vectors.T / 0.07, []
    for at in range(4):  # the last text is alone with its label
        others = [other for other in range(5) if other != at]
        total = np.log(np.exp(alike[at, others]).sum())
        terms.append(np.mean([total - alike[at, one] for one in others if codes[one] == codes[at]]))
    loss = SupervisedContrastive(model(vectors), codes)([{}], torch.arange(5))
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-5)
