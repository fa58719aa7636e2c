"""Cross-encoders on every runtime: the scores that sentence-transformers gives, whatever lies beside a pair."""

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode.encoder import Trust
from sizewise.encode.pairs import pair, unpaired
from sizewise.encode.resolve import resolve

ENGINES = [("float32", "torch"), ("float32", "openvino"), ("float32", "onnx"), ("int8", "openvino"), ("int8", "onnx")]
PAIRS = [
    ("river bank", "the water of the river and the bank of the river"),
    ("river bank", ""),
    ("", "money"),
    ("moon " * 90, "star"),
    ("moon", "star " * 500),
    ("moon " * 90, "star " * 90),
    ("word [SEP] word", "page [SEP] letter [CLS]"),
    ("a half \ud800", "snow"),
]


@pytest.fixture(scope="module")
def texts(sentences):
    return [pair(*two) for two in [*PAIRS, *zip(sentences[:20], sentences[20:40], strict=True)]]


@pytest.fixture(scope="module")
def wanted(cross_model, texts):
    """By sentence-transformers itself."""
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(cross_model), max_length=64, device="cpu")
    return model.predict(unpaired(texts, ""), activation_fn=torch.nn.Identity(), convert_to_numpy=True)[:, None]


@pytest.fixture(scope="module")
def encoder(cross_model, tmp_path_factory):
    from sizewise.store.store import Store

    store = Store(tmp_path_factory.mktemp("cross") / "store")

    def made(precision, runtime):
        found = resolve(Model(f"cross:{cross_model}", precision, runtime), Trust())
        found.attach(store)
        return found

    return made


@pytest.mark.parametrize(("precision", "runtime"), ENGINES)
def test_scores_are_those_of_sentence_transformers(encoder, precision, runtime, texts, wanted):
    scores = encoder(precision, runtime).encode(texts, "text", "")
    assert scores.shape == (len(texts), 1)
    assert scores.dtype == np.float32
    if precision == "float32":
        np.testing.assert_allclose(scores, wanted, atol=2e-5)
    else:  # of random weights
        assert np.corrcoef(scores[:, 0], wanted[:, 0])[0, 1] > 0.97
    assert np.ptp(wanted) > 0.5, "they differ"


@pytest.mark.parametrize(("precision", "runtime"), ENGINES)
def test_a_pair_alone_has_the_same_score(encoder, precision, runtime, texts):
    one = encoder(precision, runtime)
    together, alone = one.encode(texts, "text", ""), [one.encode([text], "text", "") for text in texts]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=2e-5)


def test_which_text_is_which_matters(encoder, sentences):
    """So that the test above would see token types that are lost."""
    first, second = sentences[50:52]
    scores = encoder("float32", "onnx").encode([pair(first, second), pair(second, first)], "text", "")
    assert abs(scores[0, 0] - scores[1, 0]) > 1e-3


@pytest.mark.parametrize(("precision", "runtime"), ENGINES[:3])
def test_what_is_no_pair(encoder, precision, runtime):
    for text in ("river", "[1", '["a"]', '["a", "b", "c"]'):
        with pytest.raises(InputError, match="reads a query and a document together; use it as in rerank"):
            encoder(precision, runtime).encode([text], "text", "")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Model("cross:{}", "bfloat16", "packed"), "runs on torch, openvino and onnx"),
        (Model("cross:{}", "float32", "none"), "unknown runtime 'none'"),
        (Model("cross:{}", prompts=(("query", "q: "),)), "takes no prompts"),
        (Model("cross:{}", "float32", "onnx", (("query", "q: "),)), "takes no prompts"),
    ],
)
def test_what_there_is_not(cross_model, model, message):
    from dataclasses import replace

    with pytest.raises(InputError, match=message):
        resolve(replace(model, name=model.name.replace("{}", str(cross_model))), Trust())


@pytest.mark.parametrize("runtime", ["torch", "openvino", "onnx"])
def test_an_encoder_is_none(tiny_model, runtime):
    with pytest.raises(InputError, match=r"is no cross-encoder \(BertModel\)"):
        resolve(Model(f"cross:{tiny_model}", "float32", runtime), Trust())
