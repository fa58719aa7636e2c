"""Small models and texts to train on, and a progress that remembers what it was told."""

import random

import pytest

from sizewise.core.candidate import Model
from sizewise.train.texts import TrainingText


class Heard:
    """A progress that keeps what it is told. `stop_at`: at so many steps of a bar, Ctrl-C is pressed."""

    def __init__(self, stop_at=None):
        self.said, self.stop_at, self.steps = [], stop_at, 0.0

    def say(self, message):
        self.said.append(message)

    def bar(self, label, total):
        heard = self

        class Bar:
            def advance(self, amount):
                if label.startswith(("distil", "fine-tune", "train")):
                    heard.steps += amount
                    if heard.stop_at is not None and heard.steps >= heard.stop_at:
                        import os
                        import signal

                        heard.stop_at = None
                        os.kill(os.getpid(), signal.SIGINT)

            def close(self): ...

        return Bar()


@pytest.fixture
def heard():
    return Heard


@pytest.fixture(scope="session")
def training_texts(sentences) -> TrainingText:
    """300 sentences, other words in other order."""
    chance = random.Random(11)
    words = [word for sentence in sentences for word in sentence.split()]
    found = dict.fromkeys(" ".join(chance.choices(words, k=chance.randint(3, 12))) for _ in range(300))
    return TrainingText(tuple(found), len(found), 0, 0, len(found))


@pytest.fixture
def teacher(tiny_model) -> Model:
    """On torch in float32, so that no graph is made for it."""
    return Model(str(tiny_model), prompts=(("text", ""),))
