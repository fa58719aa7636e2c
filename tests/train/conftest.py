"""Small models and texts to train on, and a progress that remembers what it was told."""

import random

import pytest

from sizewise.train.texts import TrainingText


@pytest.fixture(scope="session")
def training_texts(sentences) -> TrainingText:
    """300 sentences, other words in other order."""
    chance = random.Random(11)
    words = [word for sentence in sentences for word in sentence.split()]
    found = dict.fromkeys(" ".join(chance.choices(words, k=chance.randint(3, 12))) for _ in range(300))
    return TrainingText(tuple(found), 0, 0, len(found))
