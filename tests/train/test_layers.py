"""Fewer layers: what is kept, that it is saved and loaded as it is, and that the choice is measured."""

import numpy as np
import pytest

from sizewise.core.errors import InputError
from sizewise.train.layers import MOST_TRIED, best_start, choices, depth, shallow


def loaded(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def test_every_choice_of_few_and_the_usual_of_many():
    assert len(choices(6, 3)) == 20
    assert choices(2, 1) == [(0,), (1,)]
    many = choices(24, 6)
    assert 3 <= len(many) <= MOST_TRIED
    assert {tuple(range(6)), tuple(range(18, 24)), (0, 1, 2, 21, 22, 23)} <= set(many)
    for choice in many:
        assert len(choice) == len(set(choice)) == 6
        assert list(choice) == sorted(choice)
        assert 0 <= choice[0] <= choice[-1] < 24


def test_kept_layers_in_their_order(tiny_model, tmp_path, sentences):
    model = loaded(tiny_model)
    layers = depth(model, "tiny")
    copy = shallow(model, (layers - 1,), "tiny")
    assert depth(copy, "tiny") == 1
    assert depth(model, "tiny") == layers, "the model itself stays whole"
    before = copy.encode(sentences[:9])
    copy.save_pretrained(str(tmp_path / "copy"), create_model_card=False)
    np.testing.assert_allclose(loaded(tmp_path / "copy").encode(sentences[:9]), before, atol=1e-6)
    assert not np.allclose(model.encode(sentences[:9]), before, atol=1e-3)


def test_a_layer_that_does_nothing_is_left_out(tiny_model, sentences):
    """Its output is zero, so that only normalisations remain: the choice without it is nearest."""
    import torch

    model = loaded(tiny_model)
    layers = depth(model, "tiny")
    assert layers >= 2
    idle = layers - 1
    with torch.no_grad():
        for module in model[0].auto_model.encoder.layer[idle].modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.zero_()
                module.bias.zero_()
    chosen, found = best_start(model, layers - 1, sentences, model.encode(sentences), "tiny")
    assert chosen == tuple(range(layers - 1))
    assert found[chosen] == max(found.values()) > 0.99
    assert len(found) == layers


@pytest.mark.parametrize("kept", [0, 99])
def test_no_such_number(tiny_model, sentences, kept):
    model = loaded(tiny_model)
    with pytest.raises(InputError, match=rf"tiny has \d layers; keep at least 1 and fewer than that, not {kept}"):
        best_start(model, kept, sentences, model.encode(sentences), "tiny")


def test_static_models_have_no_layers():
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    with pytest.raises(InputError, match="s begins with Normalize, not with a transformer"):
        depth(SentenceTransformer(modules=[Normalize()], device="cpu"), "s")
