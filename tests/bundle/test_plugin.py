"""What other packages add: their transforms go into a bundle, encoders that cannot be written are refused."""

from pathlib import Path

import numpy as np
import pytest

from sizewise.bundle.layout import Layout
from sizewise.bundle.load import load_bundle
from sizewise.bundle.verify import verify
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.core.registry import ENCODERS, TRANSFORMS
from sizewise.data.task import DEPTH
from sizewise.encode.resolve import resolve
from sizewise.evaluate import record

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGIN))
    for registry, name, attribute in ((TRANSFORMS, "center", "Center"), (ENCODERS, "hash", "HashEncoder")):
        monkeypatch.setattr(registry, "_builtin", {**registry._builtin, name: f"sizewise_example:{attribute}"})


@pytest.mark.parametrize("steps", ["+center", "+pca=12+center+truncate=8+int8+rescore=20"])
def test_a_transform_from_outside(write_bundle, tiny_model, steps, bench, task):
    candidate = parse(f"{tiny_model}{steps}")
    bundle = write_bundle(str(candidate))
    assert Layout.read(bundle).loads_elsewhere, "center is linear, and says so"
    found = verify(bundle)
    assert found.passed, found
    assert found.findings[-1].check == "sentence-transformers"
    live = load_bundle(bundle)
    live.index(task.documents)
    ids, _ = live.search(task.queries, DEPTH, task.tie_rank)
    np.testing.assert_array_equal(ids, record(bench, task, candidate)["ids"])


def test_an_encoder_that_cannot_be_written():
    encoder = resolve(parse("hash:64").model)
    with pytest.raises(InputError, match=r"hash:64 cannot be put into a bundle: HashEncoder has no way to be written"):
        encoder.check_export()
    for call in (lambda: encoder.export(Path("x"), {}), lambda: encoder.restore(Path("x"), encoder.model, {})):
        with pytest.raises(NotImplementedError):
            call()
