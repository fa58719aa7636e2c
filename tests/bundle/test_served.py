"""Measured means served: a bundle ranks as the study did, and sentence-transformers gives the vectors it loads."""

import numpy as np
import pytest

from sizewise.bundle import elsewhere
from sizewise.bundle.answers import Answers, encode, served
from sizewise.bundle.layout import CANARIES, Layout
from sizewise.bundle.load import load_bundle
from sizewise.bundle.score import served_record
from sizewise.bundle.verify import distance
from sizewise.core.candidate import ROLES, Embed
from sizewise.core.grammar import parse
from sizewise.core.progress import Silent
from sizewise.data.task import DEPTH
from sizewise.encode.numeric import has_bfloat16
from sizewise.evaluate import record
from sizewise.store.store import Store

KINDS = [
    "{tiny}",
    "{tiny}+truncate=8",
    "{tiny}+truncate=31",
    "{tiny}+pca=8",
    "{tiny}+pca=32",
    "{tiny}+whiten=8",
    "{tiny}+int8",
    "{tiny}+binary",
    "{tiny}+binary-asym",
    "{tiny}+truncate=8+int8",
    "{tiny}+truncate=16+pca=8",
    "{tiny}+pca=12+truncate=8+int8",
    "{tiny}+whiten=16+binary",
    "{tiny}+binary+rescore=20",
    "{tiny}+int8+rescore=5",
    "{tiny}+pca=8+rescore=30",
    "{tiny}+truncate=8+binary-asym+rescore=40",
    '{tiny}[document="the ocean ",query="a river "]',
    '{tiny}[text="moon "]',
    '{tiny}[query="moon ",text=""]+pca=8+int8',
    "{tiny}@bf16",
    "{tiny}@bf16+truncate=8",
    "{tiny}@bf16+pca=8",
    "{tiny}@bf16+whiten=8+int8+rescore=30",
    '{tiny}[query="moon "]@bf16+binary',
    "{dense}",
    "{dense}+truncate=8+int8",
    "{dense}+pca=8",
    '{dense}[query="lake: "]+whiten=8+binary+rescore=20',
    "{dense}@bf16+pca=12",
    "{dot}",
    "{dot}+truncate=8",
    "{dot}+pca=8+int8",
    "{dot}+whiten=6",
    "{dot}+binary-asym+rescore=10",
    "{dot}@bf16+truncate=12",
    "{plain}",
    "{plain}@bf16+pca=8+int8",
    "{tiny}@int8",
    '{tiny}[query="river "]@int8+pca=8+int8',
    "{tiny}@bf16/openvino+truncate=8+binary-asym",
    "{dense}@fp32/openvino+pca=6",
    "{dense}@int8/onnx",
    "static:{static}",
    "static:{static}+pca=8+int8",
    'static:{static}[query="moon of the ",text="sea "]+whiten=6+binary+rescore=20',
    "static:{bytes}",
    'static:{bytes}[document="moon "]+truncate=8',
    "bm25",
]
BATCHED = ["{plain}@bf16+pca=8+int8"]
"""bfloat16 and texts of up to 64 tokens: a batch of other lengths gives other last digits, and int8 turns some of them
into another code."""
if not has_bfloat16():  # a processor that does not multiply it rounds batches of another size otherwise
    BATCHED = [kind for kind in KINDS if "@bf16" in kind and "/openvino" not in kind]


@pytest.fixture(scope="module")
def names(tiny_model, dense_model, dot_model, transformer_folder, static_model, make_static):
    more = {"static": static_model, "bytes": make_static(dtype="int8", clusters=60, seed=5)}
    return {"tiny": tiny_model, "dense": dense_model, "dot": dot_model, "plain": transformer_folder} | more


def filled(kind, names):
    for word, folder in names.items():
        kind = kind.replace(f"{{{word}}}", str(folder))
    return kind


def test_there_are_enough():
    assert len(set(KINDS)) >= 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_answers_as_measured(kind, names, write_bundle, bench, task, tmp_path):
    text = filled(kind, names)
    folder, candidate = write_bundle(text), parse(text)
    measured = record(bench, task, candidate)
    live = load_bundle(folder)
    with Store(tmp_path) as store:  # in the same batches as in the study: equal to the last bit
        again = served_record(live, task, store, Silent())
    np.testing.assert_array_equal(measured["ids"], again["ids"])
    np.testing.assert_array_equal(measured["scores"], again["scores"])
    if kind not in BATCHED:
        live.index(task.documents)
        ids, scores = live.search(task.queries, DEPTH, task.tie_rank)
        np.testing.assert_array_equal(measured["ids"], ids)
        np.testing.assert_allclose(measured["scores"], scores, rtol=1e-5, atol=1e-5)
    if not isinstance(candidate, Embed):
        return

    # the same weights and the same call: equal to the last bit
    encoder = bench.encoder(candidate.model)
    for role in ROLES:
        found = live.encoder.encode(task.documents[:20], role, live.prompts[role])
        np.testing.assert_array_equal(found, encoder.encode(task.documents[:20], role, encoder.prompt(role)))
    chain = bench.chain(candidate, task)
    vectors = encoder.encode(task.documents[:20], "document", "")
    np.testing.assert_array_equal(live.chain.documents(vectors), chain.documents(vectors))
    np.testing.assert_array_equal(live.chain.queries(vectors), chain.queries(vectors))

    # sentence-transformers alone, before int8 or binary
    if not Layout.read(folder).loads_elsewhere:
        assert candidate.model.runtime in ("openvino", "onnx")
        return
    ours = {role: served(live, vectors, role) for role, vectors in encode(live, task.documents[:30]).items()}
    theirs = elsewhere.vectors(folder, task.documents[:30])
    for role in ROLES:
        cosine, length = distance(theirs[role], ours[role])
        assert cosine >= 0.9999, role
        assert live.chain.cosine or length < 0.02, role


def test_kinds_differ(names, bench, task):
    """Else the test above could pass with transforms that do nothing."""
    ids = {kind: record(bench, task, parse(filled(kind, names)))["ids"] for kind in KINDS}
    texts = [kind for kind in KINDS if 'text="moon' not in kind and "pca=32" not in kind and kind != "{plain}"]
    alike = [(a, b) for a in texts for b in texts if a < b and np.array_equal(ids[a], ids[b])]
    assert not alike


def test_what_the_restored_encoder_knows(names, write_bundle, bench):
    text = filled("{tiny}+pca=8+truncate=4", names)
    live, original = load_bundle(write_bundle(text)), bench.encoder(parse(text).model)
    for fact in ("dimensions", "max_tokens", "parameters", "disk_bytes", "similarity", "depends_on_role"):
        assert getattr(live.encoder, fact) == getattr(original, fact), fact
    assert live.encoder.count_tokens(["the river"], "").tolist() == [4]
    assert live.chain.dimensions == 4
    assert live.bytes_per_vector == 16


def test_a_bundle_is_a_model_folder_too(names, write_bundle, task):
    """As a candidate of its own it gives the vectors before int8."""
    from sizewise.encode.resolve import resolve

    folder = write_bundle(filled("{tiny}+pca=8+int8", names))
    model, live = resolve(parse(str(folder)).model), load_bundle(folder)
    assert model.dimensions == 8
    found = model.encode(task.documents[:9], "document", "")
    wanted = served(live, live.encoder.encode(task.documents[:9], "document", ""), "document")
    assert distance(found, wanted)[0] > 0.999999
    assert not any("canary" in str(file) or "certificate" in str(file) for file in model.folder.files)


def test_canaries_are_those_of_the_pipeline(names, write_bundle):
    from sizewise.bundle.canary import TEXTS

    folder = write_bundle(filled('{tiny}[query="moon "]+truncate=8+int8', names))
    kept, live = Answers.load(folder / CANARIES), load_bundle(folder)
    assert kept.vectors["query"].shape == (len(TEXTS), 8)
    assert kept.vectors["query"].dtype == np.float32
    assert kept.documents.dtype == np.int8
    assert not np.array_equal(kept.vectors["query"], kept.vectors["document"])
    np.testing.assert_array_equal(kept.vectors["text"], kept.vectors["document"])
    np.testing.assert_array_equal(kept.documents, live.encode_documents(TEXTS))
    np.testing.assert_array_equal(kept.queries, live.encode_queries(TEXTS))
    live.index(TEXTS)
    ids, _ = live.search(TEXTS, len(TEXTS))
    others = [[at for at in row if at != own][:10] for own, row in enumerate(ids.tolist())]
    assert kept.first() == [set(row) for row in others]
