"""Texts end to end have the vectors that they have alone: on processors here, on a GPU where there is one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode import packed
from sizewise.encode.cuda.flat import flatten
from sizewise.encode.network import Network
from sizewise.encode.reading import together
from sizewise.encode.resolve import resolve
from sizewise.encode.tokens import Tokens

SMALL = "shape:layers=2:hidden=32:heads=4:vocab=300:max_tokens=64"
CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"))
LENGTHS = (5, 1, 40, 12, 3, 27)


def encoders():
    """A small network of each family, its weights large enough that attention matters."""
    import transformers as t

    usual = {"vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    usual |= {"intermediate_size": 96, "initializer_range": 0.4, "max_position_embeddings": 80}
    decoder = usual | {"num_key_value_heads": 2, "head_dim": 16, "use_cache": False}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    return {
        "bert": t.BertConfig(**usual),
        "roberta": t.RobertaConfig(**usual, pad_token_id=1),
        "xlm-roberta": t.XLMRobertaConfig(**usual, pad_token_id=1),
        "distilbert": t.DistilBertConfig(
            vocab_size=300, dim=64, n_layers=3, n_heads=4, hidden_dim=96, initializer_range=0.4
        ),
        "modernbert": t.ModernBertConfig(**usual, local_attention=8, global_attn_every_n_layers=2, **special),
        "qwen3": t.Qwen3Config(**decoder),
        "mistral": t.MistralConfig(**decoder, sliding_window=6),
        "gpt2": t.GPT2Config(
            vocab_size=300,
            n_embd=64,
            n_layer=3,
            n_head=4,
            n_positions=80,
            initializer_range=0.4,
            use_cache=False,
            bos_token_id=1,
            eos_token_id=2,
        ),
    }


def cannot():
    """Families whose attention depends on relative positions in ways of their own."""
    import transformers as t

    usual = {"vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    usual |= {"intermediate_size": 96, "initializer_range": 0.4}
    return {
        "mpnet": t.MPNetConfig(**usual),
        "deberta": t.DebertaV2Config(**usual, relative_attention=True, pos_att_type=["p2c", "c2p"]),
        "t5": t.T5Config(vocab_size=300, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4),
    }


def body(config):
    from transformers import AutoModel, T5EncoderModel

    torch.manual_seed(0)
    made = T5EncoderModel(config) if config.model_type == "t5" else AutoModel.from_config(config)
    return made.eval()


def texts(seed=0):
    chance = np.random.default_rng(seed)
    return Tokens.of([chance.integers(5, 300, length).tolist() for length in LENGTHS])


def run(flat, tokens, device):
    ids, starts = (torch.from_numpy(array.astype(np.int32)).to(device) for array in (tokens.ids, tokens.starts))
    with torch.inference_mode():
        return flat(ids, starts, int(tokens.lengths.max())).cpu().numpy()


def padded(network, tokens, device):
    ids, mask = (torch.from_numpy(array).to(device) for array in tokens.padded(0))
    with torch.inference_mode():
        states = network.body(input_ids=ids, attention_mask=mask, return_dict=True).last_hidden_state
        return network.vectors(states.float(), mask).cpu().numpy()


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("family", encoders())
def test_packed_texts_have_the_vectors_of_padded_ones(family, device):
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    network = Network.with_mean_pooling(body(encoders()[family]).to(device, dtype), 64)
    tokens = texts()
    wanted = padded(network, tokens, device)
    flat, why = flatten(network)
    assert flat is not None, why
    found = run(flat, tokens, device)
    if device == "cpu":
        np.testing.assert_allclose(found, wanted, atol=2e-5)
    assert (found * wanted).sum(axis=1).min() > 0.995
    others = (wanted @ wanted.T)[~np.eye(len(wanted), dtype=bool)]
    assert others.max() < 0.99, "or this would show nothing"
    for at in range(len(tokens)):
        alone = run(flat, tokens.take(np.array([at])), device)
        np.testing.assert_allclose(alone[0], found[at], atol=2e-5 if device == "cpu" else 3e-2)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("family", cannot())
def test_families_that_cannot_are_found_out_and_left_as_they_were(family, device):
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    network = Network.with_mean_pooling(body(cannot()[family]).to(device, dtype), 64)
    tokens = texts()
    before = padded(network, tokens, device)
    flat, why = flatten(network)
    assert flat is None
    assert why
    np.testing.assert_array_equal(padded(network, tokens, device), before)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("mode", ["mean", "cls", "lasttoken", "max", "weightedmean", "mean_sqrt_len_tokens"])
def test_every_pooling_and_what_lies_behind_it(mode, device):
    torch.manual_seed(3)
    head = [Pooling(64, mode), Dense(64, 24).to(device), Normalize()]
    network = Network(body(encoders()["bert"]).to(device, torch.bfloat16 if device == "cuda" else None), head)
    tokens = texts()
    wanted = padded(network, tokens, device)
    flat, _ = flatten(network)
    found = run(flat, tokens, device)
    assert found.shape == (len(LENGTHS), 24)
    np.testing.assert_allclose(found, wanted, atol=1e-5 if device == "cpu" else 2e-2)


@pytest.mark.parametrize("mode", ["mean", "cls", "lasttoken"])
def test_a_text_without_tokens_is_zero_and_harms_no_other(mode):
    network = Network(body(encoders()["bert"]), [Pooling(64, mode)])
    flat, _ = flatten(network)
    found = run(flat, Tokens.of([[], [7, 8, 9], [], [5], []]), "cpu")
    assert not found[[0, 2, 4]].any()
    np.testing.assert_allclose(found[[1, 3]], run(flat, Tokens.of([[7, 8, 9], [5]]), "cpu"), atol=1e-6)


@pytest.fixture
def on_processors(monkeypatch):
    """Stands in for two GPUs: the same code on this machine's processors."""
    monkeypatch.setattr(packed, "devices", lambda precision: ["cpu", "cpu"])
    monkeypatch.setattr(packed, "device_name", lambda device: "a stand-in")
    monkeypatch.setattr(packed, "WINDOW_TEXTS", 7)


def cosines(found, wanted):
    return (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)


@pytest.mark.parametrize("folder", ["tiny_model", "dense_model"])
def test_vectors_are_those_of_the_reference_in_the_order_of_the_texts(folder, on_processors, request, sentences):
    name = str(request.getfixturevalue(folder))
    encoder, reference = resolve(Model(name, "bfloat16", runtime="packed")), resolve(Model(name))
    some = [*sentences[:60], "", "a", "river " * 900]
    found = encoder.encode(some, "query", "the ")
    assert found.shape == (63, encoder.dimensions) == (63, reference.dimensions)
    assert cosines(found, reference.encode(some, "query", "the ")).min() > 0.995
    assert cosines(encoder.encode(some[::-1], "query", "the ")[::-1], found).min() > 0.9999
    assert encoder.similarity == reference.similarity
    assert encoder.max_tokens == reference.max_tokens
    assert encoder.parameters == reference.parameters
    assert encoder.count_tokens(some, "the ").tolist() == reference.count_tokens(some, "the ").tolist()


def test_what_several_read_runs_as_one(on_processors, tiny_model, sentences):
    encoder = resolve(Model(str(tiny_model), "bfloat16", runtime="packed"))
    wanted = encoder.encode(sentences[:40], "query", "the ")
    parts = [encoder.read(sentences[at : at + 10], "query", "the ") for at in range(0, 40, 10)]
    assert {one.way for one in parts} == {None}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder.run, [*parts, together(parts), parts[0].take(np.array([3]))]))
    assert cosines(np.concatenate(found[:4]), wanted).min() > 0.9999
    assert cosines(found[4], wanted).min() > 0.9999
    assert cosines(found[5], wanted[3:4]).min() > 0.9999
    assert encoder.streams == 2
    assert encoder.run(parts[0].take(np.array([], dtype=np.int64))).shape == (0, encoder.dimensions)


def test_the_same_vectors_in_smaller_batches_when_memory_runs_out(on_processors, tiny_model, sentences, monkeypatch):
    from sizewise.encode.cuda.replica import Replica

    encoder, said, run_all = resolve(Model(str(tiny_model), "bfloat16", runtime="packed")), [], Replica._run
    wanted = encoder.encode(sentences, "text", "")

    def small(self, tokens):
        if tokens.starts[-1] > 50:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run_all(self, tokens)

    monkeypatch.setattr(Replica, "_run", small)
    encoder.say = said.append
    assert cosines(encoder.encode(sentences, "text", ""), wanted).min() > 0.9999
    assert "out of memory" in said[0]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch sees fewer than two GPUs")
@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
def test_all_gpus_work_and_agree(precision, tiny_model, sentences, monkeypatch):
    from sizewise.encode.cuda.replica import Replica

    many, worked, start = [f"{at}: {text}" for at, text in enumerate(sentences * 20)], set(), Replica.start

    def watched(self, out, tokens):
        worked.add(str(self.device))
        return start(self, out, tokens)

    monkeypatch.setattr(Replica, "start", watched)
    monkeypatch.setattr(packed, "WINDOW_TEXTS", 64)
    found = resolve(Model(str(tiny_model), precision, runtime="packed")).encode(many, "text", "")
    assert worked == {f"cuda:{at}" for at in range(torch.cuda.device_count())}
    monkeypatch.setattr(packed, "devices", lambda _: ["cuda:1"])
    alone = resolve(Model(str(tiny_model), precision, runtime="packed")).encode(many, "text", "")
    assert cosines(found, alone).min() > 0.9999


def test_what_cannot_be_packed_runs_padded_and_says_so(on_processors, tiny_model, sentences, monkeypatch):
    from sizewise.encode.cuda import replica

    monkeypatch.setattr(replica, "flatten", lambda network: (None, "its attention cannot be exchanged"))
    encoder, said = resolve(Model(str(tiny_model), "bfloat16", runtime="packed")), []
    encoder.say = said.append
    found = encoder.encode(sentences[:40], "text", "")
    assert cosines(found, resolve(Model(str(tiny_model))).encode(sentences[:40], "text", "")).min() > 0.995
    assert said == [f"{tiny_model}: it runs padded, because its attention cannot be exchanged"] * 2


@pytest.mark.parametrize("extra", ["", ":family=distilbert", ":family=roberta", ":family=decoder", ":family=gpt"])
def test_shapes(extra, on_processors):
    encoder = resolve(Model(SMALL + extra, "bfloat16", runtime="packed"))
    some = ["a river", "", "the moon " * 400, "somewhat longer than the first"]
    found = encoder.encode(some, "text", "")
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-2)
    assert not encoder.has_quality
    with pytest.raises(InputError, match="cannot be put into a bundle"):
        encoder.check_export()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_to_use(tiny_model):
    with pytest.raises(InputError, match="torch sees none here; use openvino, onnx or torch"):
        resolve(Model(str(tiny_model), "bfloat16", runtime="packed"))


def test_fp8_needs_a_gpu_that_has_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda at: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda at: "NVIDIA A100")
    assert packed.devices("bfloat16") == ["cuda:0"]
    with pytest.raises(InputError, match=r"needs compute capability 8.9 or more, and NVIDIA A100 has 8.0; use bf16"):
        packed.devices("float8")


def test_it_has_16_and_8_bits_only(tiny_model):
    with pytest.raises(InputError, match="packed has no fp32; it runs bf16, fp16 and fp8"):
        resolve(Model(str(tiny_model), "float32", runtime="packed"))
