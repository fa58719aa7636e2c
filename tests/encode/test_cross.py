"""Cross-encoders on every runtime: the scores that sentence-transformers gives, whatever lies beside a pair."""

import json
import shutil

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode.encoder import Trust
from sizewise.encode.pairs import PairTokenizer, pair, unpaired
from sizewise.encode.resolve import resolve

ENGINES = [
    ("float32", "torch"), ("float32", "openvino"), ("float32", "onnx"), ("bfloat16", "openvino"), ("int8", "openvino"),
    ("int8", "onnx"),
]  # fmt: skip
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


@pytest.fixture(scope="module", params=["bert", "roberta"])
def folder(request, cross_model, tmp_path_factory):
    """A model with types of tokens and a pooler, or one with neither, whose positions begin at 2."""
    if request.param == "bert":
        return cross_model
    import torch
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

    made = tmp_path_factory.mktemp("models") / "roberta"
    tokenizer = Tokenizer.from_file(str(cross_model / "tokenizer.json"))
    marks = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B [SEP]", special_tokens=marks
    )
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(made)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, num_labels=1, max_position_embeddings=66, type_vocab_size=1, initializer_range=0.3,
        pad_token_id=tokenizer.token_to_id("[PAD]"),
    )  # fmt: skip
    torch.manual_seed(0)
    RobertaForSequenceClassification(config).eval().save_pretrained(made)
    return made


def by_sentence_transformers(folder, texts):
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu")
    return model, model.predict(unpaired(texts, ""), activation_fn=torch.nn.Identity(), convert_to_numpy=True)[:, None]


@pytest.fixture(scope="module")
def wanted(folder, texts):
    return by_sentence_transformers(folder, texts)[1]


@pytest.fixture(scope="module")
def encoder(folder, tmp_path_factory):
    from sizewise.store.store import Store

    store = Store(tmp_path_factory.mktemp("cross") / "store")

    def made(precision, runtime):
        found = resolve(Model(f"cross:{folder}", precision, runtime), Trust())
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
    assert np.ptp(wanted) > 0.3, "they differ"


@pytest.mark.parametrize(("precision", "runtime"), ENGINES)
def test_a_pair_alone_has_the_same_score(encoder, precision, runtime, texts):
    one = encoder(precision, runtime)
    together, alone = one.encode(texts, "text", ""), [one.encode([text], "text", "") for text in texts]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=2e-5)


def test_types_of_tokens_matter(cross_model, texts, wanted):
    """So that the tests above see types that are lost."""
    import torch

    model, scores = by_sentence_transformers(cross_model, texts)
    with torch.no_grad():
        model.model.base_model.embeddings.token_type_embeddings.weight[1] = (
            model.model.base_model.embeddings.token_type_embeddings.weight[0]
        )
    untyped = model.predict(unpaired(texts, ""), activation_fn=torch.nn.Identity(), convert_to_numpy=True)[:, None]
    assert np.abs(untyped - scores).max() > 1e-3


@pytest.mark.parametrize("limit", [9, 10, 24, 25])
def test_the_ids_are_those_of_the_tokenizer(folder, sentences, limit):
    """Whichever text is the longer one, and whatever is cut."""
    path = folder / "tokenizer.json"
    whole = Tokenizer.from_file(str(path))
    whole.no_padding()
    whole.enable_truncation(limit)
    words = " ".join(sentences).split()
    sizes = sorted({0, 1, 2, limit // 2 - 2, limit // 2 - 1, limit // 2, limit // 2 + 1, limit, 3 * limit, 700})
    pairs = [(" ".join(words[:one]), " ".join(words[5 : 5 + other])) for one in sizes for other in sizes]
    found = PairTokenizer.open(path, limit, "m")([pair(*two) for two in pairs])
    for at, one in enumerate(whole.encode_batch(pairs)):
        ids = found.ids[found.starts[at] : found.starts[at + 1]]
        assert np.where(ids < 0, -1 - ids, ids).tolist() == one.ids
        assert (ids < 0).astype(int).tolist() == one.type_ids


def test_a_limit_without_room(cross_model):
    with pytest.raises(InputError, match="m: a limit of 4 tokens leaves no room for two texts"):
        PairTokenizer.open(cross_model / "tokenizer.json", 4, "m")


@pytest.mark.parametrize(("precision", "runtime"), ENGINES[:3])
def test_what_is_no_pair(encoder, precision, runtime):
    for text in ("river", "[1", '["a"]', '["a", "b", "c"]', '"ab"', '{"a": 1, "b": 2}', "[1, 2]"):
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


def test_heads_that_only_torch_runs_are_told_before_work(cross_model, tmp_path):
    copy = shutil.copytree(cross_model, tmp_path / "other")
    config = json.loads((copy / "config.json").read_text()) | {"architectures": ["DebertaV2ForSequenceClassification"]}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="a DebertaV2ForSequenceClassification runs on torch only; leave out the"):
        resolve(Model(f"cross:{copy}", "int8", "onnx"), Trust())


@pytest.mark.parametrize("runtime", ["torch", "openvino", "onnx"])
def test_an_encoder_is_none(tiny_model, runtime):
    with pytest.raises(InputError, match=r"is no cross-encoder \(BertModel\)"):
        resolve(Model(f"cross:{tiny_model}", "float32", runtime), Trust())
