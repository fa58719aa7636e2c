"""What training makes small, against the same worked out by hand."""

import numpy as np
import pytest
import torch

from sizewise.train.losses import SIMILARITIES, Agreement, ClassProxies


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


def test_class_proxies_by_hand():
    chance = np.random.default_rng(2)
    found, proxies = chance.standard_normal((4, 6)), chance.standard_normal((3, 6)).astype(np.float32)
    codes, rows = np.array([0, 1, 0, 1, 2]), np.array([4, 0, 3, 1])
    alike = unit(found) @ unit(proxies).T / 0.07
    surprise = [np.log(np.exp(alike[at]).sum()) - alike[at, codes[row]] for at, row in enumerate(rows)]
    loss = ClassProxies(model(found), codes, proxies)
    assert float(loss([{}], torch.from_numpy(rows)).detach()) == pytest.approx(np.mean(surprise), rel=1e-5)
    assert [name for name, _ in loss.named_parameters()] == ["proxies"]
