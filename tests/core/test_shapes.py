"""Shapes: exact arithmetic against transformers' own models on the meta device, and the string form."""

import dataclasses
import subprocess
import sys

import pytest

from sizewise.core.errors import InputError
from sizewise.core.shapes import FAMILIES, SHAPES, Shape, model_arguments, parse_shape, transformers_config

BY_NUMBERS = [
    "layers=2:hidden=64:heads=4",
    "layers=3:hidden=96:heads=6:intermediate=100:vocab=200:positions=40:max_tokens=30:token_types=3",
    "layers=2:hidden=64:heads=4:vocab=77:positions=33:family=distilbert",
    "layers=2:hidden=64:heads=4:vocab=77:positions=33:family=roberta",
    "layers=2:hidden=64:heads=4:vocab=77:positions=33:family=xlm-roberta",
    "layers=2:hidden=64:heads=4:vocab=77:positions=33:intermediate=70:family=gpt",
    "layers=2:hidden=64:heads=4:vocab=77:family=decoder",
    "layers=2:hidden=64:heads=4:vocab=77:kv_heads=1:head_dim=24:intermediate=70:positions=33",
    "layers=2:hidden=50:heads=4:head_dim=6:gated=yes",
    "layers=12:hidden=768:heads=12:gated=yes",
]


def meta_model(shape: Shape):
    """transformers' model for the shape, without memory for its weights."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModel

    with torch.device("meta"):
        return AutoModel.from_config(transformers_config(shape), **model_arguments(shape))


@pytest.mark.parametrize("text", [*SHAPES, *BY_NUMBERS])
def test_parameters_equal_transformers(text):
    shape = parse_shape(text)
    assert shape.parameters == sum(weight.numel() for weight in meta_model(shape).parameters())


@pytest.mark.parametrize("text", BY_NUMBERS)
def test_embedding_parameters_and_matmul_weights_equal_transformers(text):
    shape = parse_shape(text)
    sizes = {name: weight.numel() for name, weight in meta_model(shape).named_parameters()}
    looked_up = ("embeddings.", "embed_tokens.", "wte.", "wpe.")
    assert shape.embedding_parameters == sum(size for name, size in sizes.items() if name.startswith(looked_up))
    matrices = [n for n, w in meta_model(shape).named_parameters() if w.dim() == 2 and not n.startswith(looked_up)]
    assert shape.matmul_weights == sum(sizes[name] for name in matrices)


@pytest.mark.parametrize("family", FAMILIES)
def test_flops_equal_those_torch_counts(family):
    """torch counts the scores of causal models in full, so theirs are compared with twice their mean."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel

    shape, length = Shape.of(2, 64, 4, family=family, vocab=100, positions=130), 128
    config = transformers_config(shape)
    model = AutoModel.from_config(config, **model_arguments(shape), attn_implementation="eager").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=torch.ones((1, length), dtype=torch.long))
    flops = shape.flops_per_token(length)
    if FAMILIES[shape.family].causal:
        flops += 2 * (length - 1) * shape.layers * shape.query_width
    assert counter.get_total_flops() == pytest.approx(length * flops, rel=1e-3)


@pytest.mark.parametrize("text", BY_NUMBERS[:8])
def test_a_random_model_runs_at_its_longest_text(text):
    torch = pytest.importorskip("torch")
    from transformers import AutoModel

    shape = parse_shape(text)
    model = AutoModel.from_config(transformers_config(shape), **model_arguments(shape)).eval()
    ids = torch.full((1, shape.max_tokens), min(5, shape.vocab - 1))
    with torch.no_grad():
        vectors = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    assert vectors.shape == (1, shape.max_tokens, shape.dimensions)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("minilm-l6", 22_713_216 - 384 * 385),  # all-MiniLM-L6-v2's model.safetensors, less its pooler
        ("bert-base", 109_482_240 - 768 * 769),
        ("bert-large", 335_141_888 - 1024 * 1025),
        ("roberta-base", 124_645_632 - 768 * 769),
        ("distilbert", 66_362_880),
    ],
)
def test_parameters_equal_published_checkpoints(name, published):
    assert SHAPES[name].parameters == published


def test_decoders_have_the_size_in_their_name():
    qwen3_embedding = dataclasses.replace(SHAPES["decoder-0.6b"], vocab=151669)
    assert qwen3_embedding.parameters == 595_776_512  # Qwen3-Embedding-0.6B's model.safetensors
    assert SHAPES["decoder-7b"].parameters == pytest.approx(7.1e9, rel=0.01)
    assert SHAPES["gpt3-175b"].parameters == pytest.approx(174.6e9, rel=0.001)


def test_weight_bytes():
    shape = SHAPES["minilm-l6"]
    sizes = [shape.weight_bytes(precision) for precision in ("float32", "bfloat16", "int8")]
    assert sizes == [4 * shape.parameters, 2 * shape.parameters, shape.parameters]
    with pytest.raises(
        InputError, match="minilm-l6: unknown precision 'fp3'; there are float32, bfloat16, float16, int8, float8"
    ):
        shape.weight_bytes("fp3")


def test_flops_grow_with_length_and_less_so_in_a_causal_model():
    bert = SHAPES["bert-base"]
    assert bert.flops_per_token(0) == 2 * bert.matmul_weights
    assert bert.flops_per_token(100) - bert.flops_per_token(0) == 4 * 100 * 768 * 12
    gpt = SHAPES["gpt3-175b"]
    assert gpt.flops_per_token(1) - 2 * gpt.matmul_weights == 4 * 12288 * 96  # the first token sees itself only
    assert gpt.flops_per_token(1) == pytest.approx(348e9, rel=0.001)


@pytest.mark.parametrize("text", [*SHAPES, *BY_NUMBERS])
def test_round_trip(text):
    shape = parse_shape(text)
    assert parse_shape(str(shape)) == shape
    assert shape.name == str(shape)


def test_a_changed_named_shape_is_written_by_its_numbers():
    changed = dataclasses.replace(SHAPES["bert-large"], layers=12, max_tokens=128)
    assert str(changed) == "layers=12:hidden=1024:heads=16:max_tokens=128"
    assert dataclasses.replace(parse_shape(str(changed)), name="bert-large") == changed


def test_numbers_may_come_in_any_order():
    assert parse_shape("heads=12 : hidden=768:layers=12") == parse_shape("layers=12:hidden=768:heads=12")
    assert parse_shape(" bert-base ") is SHAPES["bert-base"]
    assert parse_shape("layers=12:hidden=768:heads=12").parameters == SHAPES["bert-base"].parameters


def test_family_is_inferred_from_gates_and_grouped_heads():
    assert parse_shape("layers=2:hidden=64:heads=4").family == "bert"
    assert parse_shape("layers=2:hidden=64:heads=4:kv_heads=4:gated=no").family == "bert"
    assert parse_shape("layers=2:hidden=64:heads=4:kv_heads=2").family == "decoder"
    assert parse_shape("layers=2:hidden=64:heads=4:gated=yes").family == "decoder"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bert-lage", "unknown shape 'bert-lage'; did you mean bert-large or bert-base"),
        ("BERT-LARGE", "did you mean bert-large"),
        ("zzz", "unknown shape 'zzz'; there are minilm-l6, .* or give numbers as in layers=12"),
        ("", "unknown shape ''"),
        ("layers=12:hidden=768", "missing heads; add, for example, heads=12"),
        ("hidden=768", "missing layers and heads"),
        ("layers=12:hidden=768:heads=7", "cannot split hidden=768 over heads=7"),
        ("layers=0:hidden=768:heads=12", "layers=0; give 1 or more"),
        ("layers=12:hidden=768:heads=0", "heads=0; give 1 or more"),
        ("layers=-1:hidden=64:heads=2", "layers=-1 is not a whole number"),
        ("layers=1.5:hidden=64:heads=2", "layers=1.5 is not a whole number"),
        ("layers=:hidden=64:heads=2", "layers= is not a whole number"),
        ("layers=" + "9" * 5000 + ":hidden=64:heads=2", "at most 12"),
        ("layers=1:hidden=64:heads=2:width=3", "unknown key 'width'; there are layers, "),
        ("layers=1:hidden=64:heads=2:layers=2", "layers is given twice"),
        ("layers=1:hidden=64:heads=2:", "'' is not of the form key=number"),
        ("layers=1:hidden=64:heads=2:gated=maybe", "gated=maybe is unclear"),
        ("layers=1:hidden=64:heads=2:gated=yes:family=bert", "cannot have gated=yes; write family=decoder"),
        ("layers=1:hidden=64:heads=2:gated=no:family=decoder", "cannot have gated=no; write family=gpt"),
        ("layers=1:hidden=64:heads=2:kv_heads=3", "kv_heads=3; choose a divisor of heads=2"),
        ("layers=1:hidden=64:heads=2:kv_heads=1:family=bert", "kv_heads=1 and head_dim=32; leave both out"),
        ("layers=1:hidden=64:heads=2:head_dim=16", "head_dim=16; leave both out"),
        ("layers=1:hidden=6:heads=2:family=decoder", "head_dim=3; rotary positions need an even one"),
        ("layers=1:hidden=64:heads=2:token_types=0", "token_types=0; leave it out for the usual 2"),
        ("layers=1:hidden=64:heads=2:token_types=2:family=gpt", "token_types=2; leave it out for the usual 0"),
        ("layers=1:hidden=64:heads=2:positions=99:max_tokens=100", "max_tokens=100 but 99 usable positions"),
        ("layers=1:hidden=64:heads=2:positions=2:family=roberta", "max_tokens=0 but 0 usable positions"),
        ("layers=1:hidden=64:heads=2:family=t5", "unknown family 't5' of a model shape; there are bert, "),
    ],
)
def test_wrong_shapes_say_what_to_do(text, message):
    with pytest.raises(InputError, match=message):
        parse_shape(text)


def test_needs_no_torch():
    code = "import sys, sizewise.core.shapes; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
