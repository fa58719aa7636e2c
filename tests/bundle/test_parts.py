"""Transforms in a file and as modules, the layout, the model's folder: the parts of a bundle one by one."""

import json
import shutil
import sys
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest

from sizewise.bundle import modules, parameters
from sizewise.bundle.layout import PIPELINE, TRANSFORMS, Layout
from sizewise.bundle.load import load_bundle
from sizewise.bundle.verify import verify
from sizewise.core.candidate import Lexical, Step
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.core.registry import TRANSFORMS as REGISTRY
from sizewise.encode.folder import ModelFolder
from sizewise.transform.chain import Chain
from sizewise.transform.transform import Transform

STEPS = ["truncate=5", "pca=4", "whiten=6", "int8", "binary", "binary-asym", "pca=7+truncate=3+int8", "whiten=4+binary"]


@dataclass(frozen=True)
class Squared(Transform):
    """Not linear."""

    needs_fit = False

    @classmethod
    def fit(cls, vectors, value):
        return cls()

    def apply(self, vectors):
        return vectors * np.abs(vectors)

    def dimensions(self, incoming):
        return incoming


@dataclass(frozen=True)
class Stubborn(Squared):
    """Cannot be made again from its parameters."""

    secret: int = 0

    def parameters(self):
        return {"other": np.zeros(3)}


@dataclass(frozen=True)
class Sided(Squared):
    """Linear, but not alike for queries and documents."""

    def apply(self, vectors):
        return vectors

    def apply_queries(self, vectors):
        return -vectors

    def linear(self, incoming):
        return np.eye(incoming, dtype=np.float32), None


@pytest.fixture
def own_transforms(monkeypatch):
    module = ModuleType("own_transforms")
    module.Squared, module.Stubborn, module.Sided = Squared, Stubborn, Sided
    monkeypatch.setitem(sys.modules, "own_transforms", module)
    added = {name: f"own_transforms:{name.capitalize()}" for name in ("squared", "stubborn", "sided")}
    monkeypatch.setattr(REGISTRY, "_builtin", {**REGISTRY._builtin, **added})


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32) + np.float32(0.3)


def steps_of(text):
    return parse(f"x+{text}").steps


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("text", STEPS)
def test_transforms_come_back_to_the_last_bit(text, cosine, vectors, tmp_path):
    chain = Chain.fit(steps_of(text), vectors, cosine=cosine)
    parameters.save(tmp_path / "t.safetensors", chain, steps_of(text))
    again = parameters.load(tmp_path / "t.safetensors", steps_of(text), 8, cosine=cosine)
    np.testing.assert_array_equal(again.documents(vectors), chain.documents(vectors))
    np.testing.assert_array_equal(again.queries(vectors), chain.queries(vectors))
    assert again.bytes_per_vector == chain.bytes_per_vector


@pytest.mark.parametrize("text", STEPS)
def test_linear_is_what_apply_does(text, vectors):
    chain = Chain.fit(steps_of(text), vectors, cosine=False)
    found = vectors
    for weight, added in modules.linear(chain):
        assert weight.dtype == np.float32
        found = found @ weight + (0.0 if added is None else added)
    np.testing.assert_allclose(found, modules.floats(chain).documents(vectors), rtol=1e-4, atol=1e-5)


def test_another_file_is_no_chain_of_these_steps(vectors, tmp_path):
    path = tmp_path / "t.safetensors"
    chain = Chain.fit(steps_of("pca=4"), vectors, cosine=True)
    parameters.save(path, chain, steps_of("pca=4"))
    with pytest.raises(InputError, match=r"whiten=4 cannot be made again from \['axes'\]"):
        parameters.load(path, steps_of("whiten=4"), 8, cosine=True)
    with pytest.raises(InputError, match="int8 cannot be made again from"):
        parameters.load(path, steps_of("int8"), 8, cosine=True)
    with pytest.raises(InputError, match="cannot be read"):
        parameters.load(tmp_path / "none", steps_of("int8"), 8, cosine=True)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="cannot be read"):
        parameters.load(path, steps_of("pca=4"), 8, cosine=True)


def test_what_cannot_be_made_again_is_told_when_it_is_written(own_transforms, vectors, tmp_path):
    chain = Chain((Stubborn(),), cosine=True, incoming=8)
    with pytest.raises(InputError, match=r"stubborn cannot be made again from \['other'\]: Stubborn is not made"):
        parameters.save(tmp_path / "t.safetensors", chain, [Step("stubborn")])


# --- modules


def test_modules_of_a_bundle(write_bundle, tiny_model, dense_model, dot_model):
    def kinds(text):
        found = json.loads((write_bundle(text) / "modules.json").read_bytes())
        assert [module["idx"] for module in found] == list(range(len(found)))
        assert len({module["name"] for module in found}) == len(found)
        return [module["type"].rpartition(".")[2] for module in found]

    base = ["Transformer", "Pooling", "Normalize"]
    assert kinds(f"{tiny_model}+int8") == base
    assert kinds(f"{tiny_model}+truncate=8") == [*base, "Dense", "Normalize"]
    assert kinds(f"{tiny_model}+pca=8+truncate=4+binary") == [*base, "Dense", "Normalize", "Dense", "Normalize"]
    assert kinds(f"{dense_model}+truncate=8") == ["Transformer", "Pooling", "Dense", "Normalize", "Dense", "Normalize"]
    assert kinds(f"{dot_model}+whiten=8") == ["Transformer", "Pooling", "Dense", "Dense"], "lengths matter"


def test_names_that_are_taken(write_bundle, tiny_model, tmp_path):
    """A model folder whose modules have names of their own, and a stray folder where a module would go."""
    folder = shutil.copytree(tiny_model, tmp_path / "named")
    listed = json.loads((folder / "modules.json").read_bytes())
    for module, name in zip(listed, ("network", "3", "4"), strict=True):
        module["name"] = name
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "3_Dense").mkdir()
    (folder / "3_Dense" / "stray.json").write_text("{}")
    bundle = write_bundle(f"{folder}+truncate=8")
    made = json.loads((bundle / "modules.json").read_bytes())
    assert [module["name"] for module in made] == ["network", "3", "4", "3_", "4_"]
    assert made[3]["path"] == "3_Dense_"
    assert verify(bundle).passed


@pytest.mark.parametrize("step", ["squared", "sided"])
def test_what_sentence_transformers_cannot_run_lies_apart(own_transforms, write_bundle, tiny_model, step, task, bench):
    """It would give other vectors, silently; so it does not find a model at all."""
    bundle = write_bundle(f"{tiny_model}+{step}+int8")
    assert not (bundle / "modules.json").exists()
    assert not (bundle / "config.json").exists()
    assert Layout.read(bundle).model == "model"
    found = verify(bundle)
    assert found.passed
    assert found.findings[-1].passed is None
    assert "not made for sentence-transformers alone" in found.findings[-1].detail
    card = (bundle / "README.md").read_text()
    assert "library_name: sizewise" in card
    assert "SentenceTransformer(" not in card
    live = load_bundle(bundle)
    wanted = bench.chain(parse(f"{tiny_model}+{step}+int8"), task).documents(
        bench.encoder(parse(str(tiny_model)).model).encode(task.documents[:9], "document", "")
    )
    np.testing.assert_array_equal(live.encode_documents(task.documents[:9]), wanted)


# --- the model's files


def test_weights_stay_as_they_are(write_bundle, tiny_model):
    bundle = write_bundle(f"{tiny_model}@bf16+truncate=8")
    assert (bundle / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()
    assert json.loads((bundle / "config.json").read_bytes())["dtype"] == "bfloat16"
    assert json.loads((write_bundle(str(tiny_model)) / "config.json").read_bytes())["dtype"] == "float32"


@pytest.mark.parametrize("precision", ["", "@bf16"])
def test_weights_that_are_short_on_disk(write_bundle, tiny_model, tmp_path, precision):
    """A folder that says bfloat16, measured in either precision: sentence-transformers loads what was measured."""
    import torch
    from safetensors.torch import load_file, save_file
    from sentence_transformers import SentenceTransformer

    folder = shutil.copytree(tiny_model, tmp_path / "model")
    weights = {name: weight.bfloat16() for name, weight in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_bytes()) | {"dtype": "bfloat16", "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    bundle = write_bundle(f"{folder}{precision}+truncate=8")
    wanted = torch.bfloat16 if precision else torch.float32
    assert next(SentenceTransformer(str(bundle), device="cpu").parameters()).dtype == wanted
    assert verify(bundle).passed


def test_only_what_the_encoder_needs(write_bundle, tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    for name in ("onnx/model.json", "training.log", ".cache/secret.json", "certificate.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    bundle = write_bundle(str(folder))
    assert not any((bundle / name).exists() for name in ("onnx", "training.log", ".cache"))
    assert verify(bundle).passed


def test_prompts_are_where_sentence_transformers_looks(write_bundle, tiny_model, dense_model):
    own = write_bundle(f'{dense_model}[query="lake: ",text="moon "]')
    settings = json.loads((own / "config_sentence_transformers.json").read_bytes())
    assert settings["prompts"] == {"query": "lake: ", "document": "", "passage": "ocean: ", "text": "moon "}
    assert settings["default_prompt_name"] == "text"
    assert ModelFolder("x", own).stored_prompts == {"query": "lake: ", "document": "", "text": "moon "}
    plain = json.loads((write_bundle(str(tiny_model)) / "config_sentence_transformers.json").read_bytes())
    assert plain["default_prompt_name"] is None
    assert set(plain["prompts"].values()) == {""}


def test_a_default_prompt_can_be_emptied(write_bundle, tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    path = folder / "config_sentence_transformers.json"
    settings = json.loads(path.read_bytes()) | {"prompts": {"sts": "moon "}, "default_prompt_name": "sts"}
    path.write_text(json.dumps(settings))
    kept, emptied = write_bundle(str(folder)), write_bundle(f'{folder}[text=""]')
    assert ModelFolder("x", kept).stored_prompts["text"] == "moon "
    assert ModelFolder("x", emptied).stored_prompts["text"] == ""
    assert verify(kept).passed
    assert verify(emptied).passed


# --- sizewise.json


def test_the_layout_comes_back(tmp_path):
    for layout in (
        Layout(Lexical()),
        Layout(parse("m+int8"), ".", {"modules": 3}, {"query": "q", "document": "", "text": ""}, "dot", 8),
    ):
        layout.write(tmp_path)
        assert Layout.read(tmp_path) == layout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 9}, "has schema 9, and this version reads 1"),
        ({"prompts": {}}, "is not as this version writes it"),
        ({"dimensions": "many"}, "is not as this version writes it"),
        ({"candidate": "a b"}, "candidate 'a b'"),
    ],
)
def test_a_layout_that_cannot_be_read(write_bundle, tiny_model, tmp_path, change, said):
    folder = shutil.copytree(write_bundle(str(tiny_model)), tmp_path / "bundle")
    about = json.loads((folder / PIPELINE).read_bytes()) | change
    (folder / PIPELINE).write_text(json.dumps(about))
    with pytest.raises(InputError, match=said):
        load_bundle(folder)
    for text in ("[]", "{"):
        (folder / PIPELINE).write_text(text)
        with pytest.raises(InputError, match="cannot be read"):
            load_bundle(folder)
    (folder / PIPELINE).unlink()
    with pytest.raises(InputError, match=r"is no bundle: there is no sizewise.json; make one with sizewise build"):
        load_bundle(folder)


def test_a_bundle_without_its_transforms(write_bundle, tiny_model, tmp_path):
    folder = shutil.copytree(write_bundle(f"{tiny_model}+int8"), tmp_path / "bundle")
    (folder / TRANSFORMS).unlink()
    with pytest.raises(InputError, match=f"{TRANSFORMS} cannot be read"):
        load_bundle(folder)
