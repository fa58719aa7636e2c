"""Graphs of OpenVINO and ONNX Runtime against torch, what they are made of, and that they are made once."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError, RunError
from sizewise.encode import exported, numeric, onnx_int8, openvino
from sizewise.encode.calibration import TEXTS, calibration_digest, calibration_texts
from sizewise.encode.layout import fitting, shared_rows
from sizewise.encode.resolve import resolve
from sizewise.encode.tokens import Tokens
from sizewise.store.store import Store

CLOSE = {"float32": 0.99999, "bfloat16": 0.999, "int8": 0.95}
"""Least cosine; random weights of 32 dimensions leave int8 little to average over."""
SHAPE = "shape:layers=2:hidden=32:heads=4:vocab=300:max_tokens=24"
ENGINES = [
    ("float32", "openvino"),
    ("bfloat16", "openvino"),
    ("int8", "openvino"),
    ("float32", "onnx"),
    ("int8", "onnx"),
]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store") as opened:
        yield opened


def engine(store, model, precision, runtime, calibration=()):
    encoder = resolve(Model(str(model), precision, runtime))
    encoder.calibrate(calibration)
    encoder.attach(store)
    return encoder


@pytest.mark.parametrize(("precision", "runtime"), ENGINES)
@pytest.mark.parametrize("folder", ["tiny_model", "dense_model"])
def test_vectors_are_those_of_torch(store, request, sentences, folder, precision, runtime):
    model = request.getfixturevalue(folder)
    found = engine(store, model, precision, runtime).encode(sentences, "text", "")
    wanted = resolve(Model(str(model))).encode(sentences, "text", "")
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.min() >= CLOSE[precision]


@pytest.mark.parametrize("padding", [(0, 7), (7, 0), (3, 4)], ids=["behind", "before", "around"])
def test_onnx_leaves_padding_out_wherever_other_servers_put_it(store, tiny_model, padding):
    encoder = engine(store, tiny_model, "float32", "onnx")
    alone = encoder.encode(["the quick brown fox"], "text", "")
    session = onnxruntime.InferenceSession(encoder._folder / "onnx/model.onnx", providers=["CPUExecutionProvider"])
    ids = encoder._tokenizer(["the quick brown fox"]).ids.astype(np.int64)[None]
    row, mask = np.pad(ids, ((0, 0), padding)), np.pad(np.ones_like(ids), ((0, 0), padding))
    if not padding[0]:
        (found,) = session.run(["sentence_embedding"], {"input_ids": row, "attention_mask": mask})
        np.testing.assert_allclose(found, alone, atol=1e-5)
    other = np.where(mask == 1, row, 7)
    same = [
        session.run(["sentence_embedding"], {"input_ids": given, "attention_mask": mask})[0] for given in (row, other)
    ]
    np.testing.assert_allclose(*same, atol=1e-6, err_msg="what stands in the padding is seen")


@pytest.mark.parametrize("larger", [0.0, 1e9], ids=["by token", "by run"])
def test_onnx_int8_has_scales_for_tokens_or_runs(store, tiny_model, sentences, monkeypatch, larger):
    monkeypatch.setattr(onnx_int8, "LARGER", larger)
    encoder = engine(store, tiny_model, "int8", "onnx")
    found = encoder.encode(sentences, "text", "")
    wanted = resolve(Model(str(tiny_model))).encode(sentences, "text", "")
    assert (found * wanted).sum(1).min() >= CLOSE["int8"]
    kinds = Counter(node.op_type for node in onnx.load(encoder._folder / "onnx/model.onnx").graph.node)
    assert kinds["MatMulIntegerToFloat"] == (2 if larger == 0.0 else 0), "one a layer"


def test_weights_are_as_fine_as_the_processor_adds_up_right(store, tiny_model, tmp_path, monkeypatch):
    """Of 7 bits where sums of two products must fit into 16; a graph of 8 is refused there, one of 7 runs on both."""
    made = {}
    for bits in (7, 8):
        monkeypatch.setattr(exported, "int8_bits", lambda bits=bits: bits)
        encoder = engine(store, tiny_model, "int8", "onnx")
        encoder.load()
        made[bits] = tmp_path / str(bits), encoder.export(tmp_path / str(bits), {}), encoder.key("")
        weights = [
            numpy_helper.to_array(one) for one in onnx.load(encoder._folder / "onnx/model.onnx").graph.initializer
        ]
        largest = max(int(np.abs(array.astype(int)).max()) for array in weights if array.dtype == np.int8)
        assert largest in ((63, 64) if bits == 7 else (127, 128))
    assert made[7][2] != made[8][2]
    model = Model(str(tiny_model), "int8", "onnx")
    for bits, here, runs in ((7, 7, True), (7, 8, True), (8, 8, True), (8, 7, False)):
        monkeypatch.setattr(exported, "int8_bits", lambda here=here: here)
        folder, about, _ = made[bits]
        restored = type(encoder).restore(folder, model, about)
        if runs:
            restored.load()
        else:
            with pytest.raises(RunError, match="overflow on this one, which has none; build it here"):
                restored.load()


@pytest.mark.parametrize(
    ("machine", "flags", "bits"),
    [
        ("x86_64", {"avx2"}, 7), ("x86_64", {"avx2", "avx512f"}, 7), ("x86_64", {"avx2", "avx_vnni"}, 8),
        ("x86_64", {"avx512_vnni"}, 8), ("AMD64", set(), 7), ("aarch64", {"asimd"}, 8), ("arm64", set(), 8),
    ],
)  # fmt: skip
def test_who_adds_up_products_of_bytes(monkeypatch, machine, flags, bits):
    monkeypatch.setattr(numeric, "_flags", lambda: frozenset(flags))
    monkeypatch.setattr(numeric.platform, "machine", lambda: machine)
    assert numeric.int8_bits() == bits


def test_int8_beside_bfloat16_has_no_rows_of_32(monkeypatch):
    """OpenVINO 2026.4 gives wrong vectors for them; rows of one text may have any width, and run beside float32."""
    alone = {fitting(n) for n in range(1, 513)}
    shared = {block.width for n in range(1, 513) for of in ([n], [9] * n) for block in shared_rows(of, 512, 512)}
    assert 32 not in alone | shared
    monkeypatch.setattr(openvino, "has_bfloat16", lambda: True)
    assert openvino._hint("int8", shares_rows=True) == "bf16"
    assert openvino._hint("int8", shares_rows=False) == "f32"
    monkeypatch.setattr(openvino, "has_bfloat16", lambda: False)
    assert openvino._hint("int8", shares_rows=True) == "f32"


def test_a_graph_is_made_once_and_found_by_another_process(store, tiny_model, monkeypatch):
    first = engine(store, tiny_model, "float32", "openvino")
    before = first.encode(["the river"], "text", "")
    second = engine(store, tiny_model, "float32", "openvino")
    monkeypatch.setattr(type(second), "make", lambda *_: pytest.fail("made again"))
    np.testing.assert_array_equal(second.encode(["the river"], "text", ""), before)


def test_nothing_is_left_of_a_graph_that_was_not_finished(store, tiny_model, monkeypatch):
    encoder = engine(store, tiny_model, "float32", "openvino")

    def stopped(self, folder, texts):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(encoder), "make", stopped)
        with pytest.raises(KeyboardInterrupt):
            encoder.load()
    assert not [path for path in (store.root / "engines").iterdir() if path.is_dir()]
    assert encoder.encode(["the river"], "text", "").shape[0] == 1


def test_calibration_is_part_of_the_identity_where_it_counts(store, tiny_model, sentences):
    for runtime in ("openvino", "onnx"):
        plain, own = (engine(store, tiny_model, "int8", runtime, texts) for texts in ((), sentences[:20]))
        assert plain.key("") != own.key("")
        floats = [engine(store, tiny_model, "float32", runtime, texts).key("") for texts in ((), sentences[:20])]
        assert floats[0] == floats[1]


def test_calibration_texts_are_the_users_and_everyday_ones(sentences):
    own = [f"{text} {at}" for at, text in enumerate(sentences * 10)]
    found = calibration_texts(own)
    assert len(found) <= TEXTS
    assert sum(text in set(own) for text in found) == TEXTS // 2
    assert len(calibration_texts()) > TEXTS // 2, "without any of the user's"
    assert calibration_texts(own) == found
    assert calibration_digest(found) != calibration_digest(found[::-1])
    assert calibration_texts(["", "  "]) == calibration_texts()


def test_a_precision_that_a_runtime_does_not_have_is_refused(tiny_model):
    with pytest.raises(InputError, match="onnx has no bf16; it runs fp32 and int8"):
        resolve(Model(str(tiny_model), "bfloat16", "onnx"))
    with pytest.raises(InputError, match="torch has no int8"):
        resolve(Model(str(tiny_model), "int8", "torch"))


def test_shapes_run_too(store):
    wanted = resolve(Model(SHAPE)).encode(["the river"], "text", "")
    for runtime in ("openvino", "onnx"):
        shape = engine(store, SHAPE, "float32", runtime)
        assert not shape.has_quality
        np.testing.assert_allclose(shape.encode(["the river"], "text", ""), wanted, atol=1e-4)


def test_a_text_without_tokens_has_a_vector_of_zeros(store, tiny_model):
    encoder = engine(store, tiny_model, "float32", "openvino")
    encoder.load()
    none = np.empty(0, dtype=np.int32)
    ids = np.array([5, 6, 7, 8], dtype=np.int32)
    out = np.full((3, encoder.dimensions), np.nan, dtype=np.float32)
    encoder._fill(out, Tokens(np.concatenate([ids[:2], none, ids[2:]]), np.array([0, 2, 2, 4])), 2)
    assert not out[1].any()
    assert np.linalg.norm(out[[0, 2]], axis=1) == pytest.approx(1.0, abs=1e-5)
