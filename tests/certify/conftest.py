"""Engines made of hashes, whose distance from the reference and dependence on neighbours are known exactly."""

import sys
from hashlib import sha256
from types import ModuleType

import numpy as np
import pytest

from sizewise.encode.encoder import Encoder

DIMENSIONS = 16
CALLS: list[tuple[str, int]] = []
"""Runtime and number of texts of every call."""


def chance(text: str, salt: str = "") -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(sha256((salt + text).encode()).digest()[:8], "little"))


def vector(text: str) -> np.ndarray:
    found = chance(text).standard_normal(DIMENSIONS)
    return found / np.linalg.norm(found)


def turned(text: str, cosine: float) -> np.ndarray:
    """A vector with this cosine with `vector(text)`."""
    own, other = vector(text), chance(text, "other").standard_normal(DIMENSIONS)
    other -= other @ own * own
    return cosine * own + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)


def known_cosine(text: str) -> float:
    """Of the runtime `noisy`: between 0.94 and 1, and above 0.99 for nearly all."""
    drawn = chance(text, "cosine").random()
    return 1 - 0.004 * drawn if drawn < 0.998 else 0.94


class Reference(Encoder):
    """float32 on torch, as far as names go."""

    dimensions = DIMENSIONS

    @property
    def identity(self):
        return {"toy": self.model.runtime, "precision": self.model.precision}

    def encode(self, texts, role, prompt):
        CALLS.append((self.model.runtime, len(texts)))
        rows = [self.one(prompt + text, at, len(texts)) for at, text in enumerate(texts)]
        return np.array(rows, dtype=np.float32).reshape(-1, DIMENSIONS)

    def one(self, text, at, among):
        return vector(text)


class Noisy(Reference):
    def one(self, text, at, among):
        return turned(text, known_cosine(text))


class Far(Reference):
    def one(self, text, at, among):
        return turned(text, 0.9)


class Shaky(Reference):
    """Alone it is right; in company it is off by a cosine of 0.99."""

    def one(self, text, at, among):
        return turned(text, 1.0 if among == 1 else 0.99)


class Placed(Reference):
    """The first half of a long call is off."""

    def one(self, text, at, among):
        return turned(text, 0.99 if 2 * at < among and among > 20 else 1.0)


class Declared(Reference):
    depends_on_batch = True


@pytest.fixture
def engines(monkeypatch):
    """`toy@int8/noisy` and others; `toy` is the reference. Nothing of it needs a model."""
    from sizewise.core.registry import RUNTIMES

    module = ModuleType("toy_engines")
    runtimes = {"torch": Reference, "noisy": Noisy, "far": Far, "shaky": Shaky, "placed": Placed, "declared": Declared}
    for name, kind in runtimes.items():
        setattr(module, name, kind)
    monkeypatch.setitem(sys.modules, "toy_engines", module)
    monkeypatch.setattr(RUNTIMES, "_builtin", {name: f"toy_engines:{name}" for name in runtimes})
    CALLS.clear()


@pytest.fixture
def bench(tmp_path, engines):
    from sizewise.pipeline.bench import Bench
    from sizewise.store.store import Store

    with Store(tmp_path / "store") as store:
        yield Bench(store)


@pytest.fixture
def calls(engines):
    """Runtime and number of texts of every call so far."""
    return CALLS


@pytest.fixture(name="known_cosine")
def of_noisy():
    """`known_cosine(text)`: of the vectors of the runtime `noisy` with the reference's."""
    return known_cosine
