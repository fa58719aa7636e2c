"""What is taken together gives what it gave apart."""

import pytest
import torch
from transformers import AutoModel, BertConfig, DistilBertConfig, RobertaConfig

from sizewise.encode.cuda import fp8
from sizewise.encode.cuda.fuse import fuse

USUAL = {"vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
USUAL |= {"intermediate_size": 96, "initializer_range": 0.2}
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


def made(config):
    torch.manual_seed(0)
    return AutoModel.from_config(config, add_pooling_layer=False).eval()


@pytest.mark.parametrize("config", [BertConfig(**USUAL), RobertaConfig(**USUAL)], ids=["bert", "roberta"])
def test_three_pairs_a_layer_of_bert_and_its_kin(config):
    assert fuse(made(config)) == 3 * 3


def test_what_is_built_otherwise_stays():
    assert fuse(AutoModel.from_config(DistilBertConfig(vocab_size=300, dim=64, n_layers=2, n_heads=4))) == 0
    assert fuse(made(BertConfig(**USUAL, hidden_act="relu"))) == 2 * 3


def run(body):
    ids = torch.arange(200).view(4, 50).cuda()
    with torch.inference_mode():
        return body(input_ids=ids, return_dict=True).last_hidden_state.float()


@on_gpu
@pytest.mark.parametrize("hidden", [64, 80])
def test_in_16_bits(hidden):
    config = BertConfig(**USUAL | {"hidden_size": hidden})
    body = made(config).cuda()
    wanted = run(body)
    plain = run(body.bfloat16())
    fuse(body)
    found = run(body)
    assert torch.cosine_similarity(found, wanted, dim=-1).min() > 0.999
    assert (found - wanted).norm() < 1.2 * (plain - wanted).norm(), "no worse than without"


@on_gpu
def test_in_8_bits():
    body = made(BertConfig(**USUAL)).cuda()
    wanted = run(body)
    fp8.convert(body.bfloat16())
    plain = run(body)
    fuse(body)
    assert (run(body) - wanted).norm() < 1.2 * (plain - wanted).norm(), "no worse than without"
