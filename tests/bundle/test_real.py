"""The embedded model: what docs/bundles.md says of bfloat16, and a bundle through the command line."""

import subprocess
import sys

import numpy as np
import pytest

from sizewise.bundle import elsewhere, modules
from sizewise.bundle.answers import alone, encode, served
from sizewise.bundle.canary import TEXTS
from sizewise.bundle.verify import distance
from sizewise.core.grammar import parse
from sizewise.encode.resolve import resolve
from sizewise.pipeline.live import EmbedPipeline
from sizewise.transform.chain import Chain

pytestmark = pytest.mark.slow

STEPS = ["+truncate=128", "+whiten=384", "+pca=200+truncate=64"]


@pytest.mark.parametrize(("precision", "most", "batched"), [("fp32", 1e-7, 1e-9), ("bf16", 2e-5, 4e-5)])
def test_what_sentence_transformers_gives(precision, most, batched, tmp_path):
    """Fitted on vectors of chance with the model's mean and spread, so that no data are needed."""
    encoder = resolve(parse(f"all-MiniLM-L6-v2@{precision}").model)
    chance = np.random.default_rng(0)
    prompts = {"query": "", "document": "", "text": ""}
    plain = EmbedPipeline(encoder, prompts, Chain((), cosine=True, incoming=384))
    together = encode(plain, TEXTS)
    worst = 1 - distance(alone(plain, TEXTS)["text"], served(plain, together["text"], "text"))[0]
    assert worst < batched
    like = together["text"]
    sample = like.mean(axis=0) + like.std() * chance.standard_normal((2000, 384)).astype(np.float32)
    for at, steps in enumerate(STEPS):
        chain = Chain.fit(parse(f"x{steps}").steps, sample, cosine=True)
        pipeline = EmbedPipeline(encoder, prompts, chain)
        folder = tmp_path / str(at)
        folder.mkdir()
        encoder.export(folder, prompts)
        modules.append(folder, modules.linear(chain), cosine=True)
        found = elsewhere.vectors(folder, TEXTS)["text"]
        cosine, _ = distance(found, served(pipeline, together["text"], "text"))
        assert 1 - cosine < most, steps
        (folder / "model.safetensors").unlink()


def test_a_bundle_of_the_embedded_model(tmp_path):
    command = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "build"]
    words = ["all-MiniLM-L6-v2@bf16+truncate=128", "--out", tmp_path / "bundle", "--store", tmp_path / "store"]
    done = subprocess.run([*command, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nok ") == 6
