"""Several texts in a row: which families of networks can, and that those which cannot are told from those that can."""

import pytest
import torch
import transformers
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling

from sizewise.encode.network import Network, RowsGraph, TextsGraph, rows_agree

SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
BODIES = {
    "bert": lambda: transformers.BertModel(transformers.BertConfig(**SMALL), add_pooling_layer=False),
    "roberta": lambda: transformers.RobertaModel(transformers.RobertaConfig(**SMALL), add_pooling_layer=False),
    "xlm-roberta": lambda: transformers.XLMRobertaModel(
        transformers.XLMRobertaConfig(**SMALL), add_pooling_layer=False
    ),
    "mpnet": lambda: transformers.MPNetModel(transformers.MPNetConfig(**SMALL), add_pooling_layer=False),
    "qwen3": lambda: transformers.Qwen3Model(
        transformers.Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=8, use_cache=False)
    ),
}
CANNOT = {
    "t5": lambda: transformers.T5EncoderModel(
        transformers.T5Config(vocab_size=300, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    ),
}
TEXTS = ((0, 0, 9), (0, 9, 15), (0, 15, 24), (1, 0, 20))
"""Row, start and end of each."""


def network(body, pooling="mean"):
    torch.manual_seed(0)
    made = body()
    made.config._attn_implementation = "eager"
    return Network(made.eval(), [Pooling(32, pooling), Dense(32, 16), Normalize()])


@pytest.fixture(scope="module")
def rows():
    ids = torch.randint(5, 300, (2, 24), generator=torch.Generator().manual_seed(1))
    mask = torch.zeros_like(ids)
    for number, (row, start, end) in zip((1, 2, 3, 1), TEXTS, strict=True):
        mask[row, start:end] = number
    return ids, mask


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("family", BODIES)
def test_a_text_has_the_vector_that_it_has_alone(rows, family, pooling):
    one = network(BODIES[family], pooling)
    assert rows_agree(one)
    ids, mask = rows
    with torch.inference_mode():
        _, found = RowsGraph(one)(ids, mask)
        alone = [TextsGraph(one)(part, torch.ones_like(part))[1] for part in (ids[r : r + 1, a:b] for r, a, b in TEXTS)]
    assert found.shape == (6, 16), "two rows of up to three texts"
    torch.testing.assert_close(found[:4], torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", BODIES)
def test_a_mask_of_0_and_1_is_one_text_a_row(rows, family):
    one = network(BODIES[family])
    ids, mask = rows
    with torch.inference_mode():
        _, found = RowsGraph(one)(ids, (mask > 0).long())
        _, wanted = TextsGraph(one)(ids, (mask > 0).long())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", CANNOT)
def test_relative_positions_are_found_out(family):
    assert not rows_agree(network(CANNOT[family]))


def test_a_way_to_pool_that_is_not_known_has_rows_of_its_own():
    assert not rows_agree(network(BODIES["bert"], "max"))
