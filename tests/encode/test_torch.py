"""The torch encoder gives sentence-transformers' own vectors, and its key changes with all that they depend on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError, RunError
from sizewise.encode.encoder import Trust
from sizewise.encode.resolve import resolve
from sizewise.encode.torch import TorchEncoder


def encoder_of(folder, *, trust=None, **settings) -> TorchEncoder:
    return TorchEncoder(Model(str(folder), **settings), trust)


def reference(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def cosines(first, second):
    first, second = (np.asarray(array, np.float64) for array in (first, second))
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def copied(tiny_model, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


@pytest.fixture(scope="session")
def routed_model(transformer_folder, tmp_path_factory) -> Path:
    """Queries and documents go through different weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Router, Transformer

    torch.manual_seed(5)
    routes = [
        [Transformer(str(transformer_folder), max_seq_length=24), Pooling(32, "mean"), Dense(32, 8)] for _ in range(2)
    ]
    router = Router.for_query_document(query_modules=routes[0], document_modules=routes[1], default_route="document")
    folder = tmp_path_factory.mktemp("models") / "routed"
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize("model", ["tiny_model", "dense_model", "dot_model", "transformer_folder"])
@pytest.mark.parametrize("role", ["query", "document", "text"])
def test_vectors_are_those_of_sentence_transformers(model, role, request, sentences):
    folder = request.getfixturevalue(model)
    encoder, peer = encoder_of(folder), reference(folder)
    texts = [*sentences[:50], "", " ", "x" * 500, "😀 river\n\tthe É", sentences[0]]
    by_role = {"query": peer.encode_query, "document": peer.encode_document, "text": peer.encode}
    wanted = by_role[role](texts)
    found = encoder.encode(texts, role, encoder.prompt(role))
    assert found.dtype == np.float32
    assert found.shape == wanted.shape == (len(texts), encoder.dimensions)
    assert cosines(found, wanted).min() > 0.999999
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_random_models_tell_texts_apart(tiny_model, sentences):
    """Else the comparisons above would show nothing."""
    found = encoder_of(tiny_model).encode(sentences[:50], "text", "")
    similar = np.abs(found @ found.T - np.eye(50))
    assert np.median(similar) < 0.9
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("prompt", ["", "river: ", "the moon and the star ", "中"])
def test_prompts_stand_before_each_text(tiny_model, sentences, prompt):
    found = encoder_of(tiny_model).encode(sentences[:20], "query", prompt)
    np.testing.assert_allclose(
        found, reference(tiny_model).encode([prompt + text for text in sentences[:20]]), atol=1e-5
    )


def test_an_empty_prompt_is_no_prompt_even_where_the_model_has_a_default(dense_model, tmp_path, sentences):
    folder = shutil.copytree(dense_model, tmp_path / "default")
    edit_json(folder / "config_sentence_transformers.json", prompts={"sts": "moon "}, default_prompt_name="sts")
    encoder, peer = encoder_of(folder), reference(folder)
    np.testing.assert_allclose(
        encoder.encode(sentences[:9], "text", ""), peer.encode(sentences[:9], prompt=""), atol=1e-5
    )
    assert encoder.prompt("text") == "moon "
    for role, encode in (("text", peer.encode), ("query", peer.encode_query), ("document", peer.encode_document)):
        np.testing.assert_allclose(
            encoder.encode(sentences[:9], role, encoder.prompt(role)), encode(sentences[:9]), atol=1e-5, err_msg=role
        )


def test_whose_prompt_comes_first(dense_model):
    plain = encoder_of(dense_model)
    own = encoder_of(dense_model, prompts=(("query", "mine: "),))
    assert plain.prompt("query") == "river: "
    assert plain.prompt("text") == ""
    assert plain.prompt("query", {"query": "task: "}) == "task: "
    assert own.prompt("query", {"query": "task: "}) == "mine: "
    assert own.prompt("document", {"document": "task: "}) == "task: "
    assert encoder_of(dense_model, prompts=(("query", ""),)).prompt("query") == ""


def test_pooling_without_the_prompt(tiny_model, tmp_path, sentences):
    folder = shutil.copytree(tiny_model, tmp_path / "no-prompt")
    edit_json(folder / "1_Pooling" / "config.json", include_prompt=False)
    wanted = reference(folder).encode(sentences[:9], prompt="the river of ")
    found = encoder_of(folder).encode(sentences[:9], "text", "the river of ")
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert cosines(found, encoder_of(tiny_model).encode(sentences[:9], "text", "the river of ")).min() < 0.9999


def test_queries_and_documents_may_go_through_different_weights(routed_model, sentences):
    encoder, peer = encoder_of(routed_model), reference(routed_model)
    queries = encoder.encode(sentences[:9], "query", "")
    np.testing.assert_allclose(queries, peer.encode_query(sentences[:9]), atol=1e-5)
    np.testing.assert_allclose(
        encoder.encode(sentences[:9], "document", ""), peer.encode_document(sentences[:9]), atol=1e-5
    )
    assert cosines(queries, peer.encode_document(sentences[:9])).max() < 0.999
    assert encoder.dimensions == 8
    assert encoder.key("", "query") != encoder.key("", "document"), "or one would be stored in the other's place"


def test_bfloat16_is_close_and_another_encoder(tiny_model, sentences):
    exact, short = encoder_of(tiny_model), encoder_of(tiny_model, precision="bfloat16")
    found, wanted = short.encode(sentences, "text", ""), exact.encode(sentences, "text", "")
    assert found.dtype == np.float32
    assert 0.99 < cosines(found, wanted).min() < 1 - 1e-7
    assert short.key("") != exact.key("")


@pytest.mark.parametrize(("longest", "padded"), [(32, True), (24, False)])
def test_bfloat16_is_padded_to_whole_steps(tiny_model, tmp_path, monkeypatch, longest, padded):
    """Where the longest text is a whole number of steps; by sentence-transformers too, from what is exported."""
    monkeypatch.setattr("sizewise.encode.torch.device", lambda: "cpu")
    folder, exported = shutil.copytree(tiny_model, tmp_path / "model"), tmp_path / "exported"
    config = json.loads((folder / "sentence_bert_config.json").read_text())
    (folder / "sentence_bert_config.json").write_text(json.dumps(config | {"max_seq_length": longest}))
    exact, short = encoder_of(folder), encoder_of(folder, precision="bfloat16")
    exported.mkdir()
    short.export(exported, dict.fromkeys(("query", "document", "text"), ""))
    few, *widths = (
        model.preprocess(["the river is cold"])["input_ids"].shape[1]
        for model in (exact._model, short._model, reference(exported))
    )
    assert few < 16
    assert widths == [16 if padded else few] * 2
    assert ("padded_to" in short.identity) == padded


@pytest.mark.parametrize(
    ("model", "similarity"), [("tiny_model", "cosine"), ("dot_model", "dot"), ("transformer_folder", "cosine")]
)
def test_how_vectors_are_compared(model, similarity, request):
    folder = request.getfixturevalue(model)
    assert encoder_of(folder).similarity == similarity == reference(folder).similarity_fn_name


def test_nothing_to_encode(tiny_model):
    assert encoder_of(tiny_model).encode([], "text", "").shape == (0, 32)


def test_when_memory_runs_out_batches_get_smaller_and_it_is_said(tiny_model, sentences, monkeypatch):
    encoder, said, tried = encoder_of(tiny_model), [], []
    wanted = encoder.encode(sentences[:50], "text", "")
    encode = encoder._model.encode

    def tight(texts, batch_size, **settings):
        tried.append(batch_size)
        if batch_size > 8:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return encode(texts, batch_size=batch_size, **settings)

    monkeypatch.setattr(encoder._model, "encode", tight)
    encoder.say = said.append
    np.testing.assert_allclose(encoder.encode(sentences[:50], "text", ""), wanted, atol=1e-5)
    encoder.encode(sentences[:50], "text", "")
    assert tried == [32, 16, 8, 8], "the smaller batch is kept"
    assert [message.split(": ")[1] for message in said] == [
        f"out of memory; going on with batches of {batch} texts" for batch in (16, 8)
    ]


def test_memory_that_one_text_does_not_fit_into_is_an_error(tiny_model, monkeypatch):
    encoder = encoder_of(tiny_model)

    def full(texts, batch_size, **settings):
        raise MemoryError("all of it")

    monkeypatch.setattr(encoder._model, "encode", full)
    with pytest.raises(MemoryError, match="all of it"):
        encoder.encode(["a"], "text", "")
    assert encoder._batch == 1


# --- what is known without loading weights


@pytest.mark.parametrize("model", ["tiny_model", "dense_model", "dot_model", "transformer_folder"])
def test_facts_are_read_without_loading_weights(model, request, monkeypatch):
    from safetensors.torch import load_file

    folder = request.getfixturevalue(model)
    peer = reference(folder)
    encoder = encoder_of(folder)
    monkeypatch.setattr(TorchEncoder, "_model", property(lambda _: pytest.fail("the weights were loaded")))
    assert encoder.dimensions == peer.get_embedding_dimension()
    assert encoder.max_tokens == peer.max_seq_length
    files = list(Path(folder).rglob("*.safetensors"))
    assert encoder.parameters == sum(weight.numel() for file in files for weight in load_file(file).values())
    assert encoder.disk_bytes == sum(file.stat().st_size for file in files)
    assert len(encoder.key("")) == 64
    assert encoder.count_tokens(["the river"], "").tolist() == [4]


def test_tokens_are_counted_before_they_are_cut(tiny_model, sentences):
    encoder, tokenizer = encoder_of(tiny_model), reference(tiny_model).tokenizer
    texts = [*sentences, "", "x" * 100, "the river " * 100]
    for prompt in ("", "moon: "):
        wanted = [len(tokenizer(prompt + text, truncation=False)["input_ids"]) for text in texts]
        assert encoder.count_tokens(texts, prompt).tolist() == wanted
    assert encoder.max_tokens == 24
    long = "the river " * 100
    same = encoder.encode([long, long[: 10 * 11], long[: 10 * 9]], "text", "")
    assert encoder.count_tokens([long[: 10 * 11]], "").tolist() == [24]
    assert cosines(same[:1], same[1:2]).min() > 0.999999, "what is beyond 24 tokens is cut off"
    assert cosines(same[:1], same[2:3]).max() < 0.99999


def test_no_count_without_a_fast_tokenizer(copied):
    (copied / "tokenizer.json").unlink()
    assert encoder_of(copied).count_tokens(["a"], "") is None


# --- the key


def test_the_same_folder_under_another_name_has_the_same_vectors(tiny_model, copied, monkeypatch):
    monkeypatch.chdir(copied.parent)
    keys = {encoder_of(name).key("p") for name in (tiny_model, copied, "copy", "./copy")}
    assert len(keys) == 1


def test_the_key_ignores_what_vectors_do_not_depend_on(tiny_model, copied):
    (copied / "README.md").write_text("changed")
    (copied / "onnx").mkdir()
    (copied / "onnx" / "config.json").write_text("{}")
    (copied / "openvino").mkdir()
    (copied / "openvino" / "openvino_model.bin").write_bytes(b"not a pickle")
    prompted = encoder_of(copied, prompts=(("query", "q: "),))
    assert prompted.key("") == encoder_of(tiny_model).key("")


@pytest.mark.parametrize(
    "file",
    [
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "config.json",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ],
)
def test_the_key_changes_with_every_file_that_matters(tiny_model, copied, file):
    content = (copied / file).read_bytes()
    (copied / file).write_bytes(content[:-1] + b" " + content[-1:] if file.endswith("json") else content[:-1] + b"\1")
    assert encoder_of(copied).key("") != encoder_of(tiny_model).key("")


def test_the_key_changes_with_weights_below_the_folder(dense_model, tmp_path):
    folder = shutil.copytree(dense_model, tmp_path / "copy")
    weights = folder / "2_Dense" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert encoder_of(folder).key("") != encoder_of(dense_model).key("")


def test_the_key_changes_with_prompt_precision_versions_and_machine(tiny_model, monkeypatch):
    def key(prompt="", **settings):
        return encoder_of(tiny_model, **settings).key(prompt)

    keys = [key(), key("query: "), key(precision="bfloat16")]
    monkeypatch.setattr("sizewise.encode.torch.versions", lambda *_: {"torch": "99"})
    keys.append(key())
    monkeypatch.setattr("sizewise.encode.torch.instruction_set", lambda: "other")
    keys.append(key())
    monkeypatch.setattr("sizewise.encode.torch.device", lambda: "cuda")
    keys.append(key())
    assert len(set(keys)) == len(keys)


# --- what does not load


def test_weights_that_do_not_fit_say_where(copied):
    (copied / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(RunError, match=f"{copied} does not load from {copied}: "):
        encoder_of(copied).load()


def test_resolving_loads_nothing(tiny_model, monkeypatch):
    monkeypatch.setattr(TorchEncoder, "_model", property(lambda _: pytest.fail("the weights were loaded")))
    assert isinstance(resolve(Model(str(tiny_model))), TorchEncoder)
    with pytest.raises(InputError, match="unknown runtime 'troch'; did you mean torch"):
        resolve(Model(str(tiny_model), runtime="troch"))
    with pytest.raises(InputError, match="unknown kind of encoder 'shapes' in 'shapes:x'; there are: shape"):
        resolve(Model("shapes:x"))


# --- pickles


class Poison:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "2_Dense/pytorch_model.bin", "weights.pt"])
def test_a_pickle_is_refused_and_never_loaded(copied, name):
    import torch

    poisoned = copied.parent / "poisoned"
    (copied / "model.safetensors").unlink()
    (copied / name).parent.mkdir(exist_ok=True)
    torch.save({"weight": Poison(poisoned)}, copied / name)
    with pytest.raises(InputError, match=rf"{name} is a pickle, which can run any code .* --allow-pickle '{copied}'"):
        encoder_of(copied)
    with pytest.raises(InputError, match="is a pickle"):
        encoder_of(copied, trust=Trust(pickled=frozenset({"another"})))
    assert not poisoned.exists()


def test_a_pickle_beside_safetensors_is_not_read(copied, sentences):
    import torch

    poisoned = copied.parent / "poisoned"
    torch.save({"weight": Poison(poisoned)}, copied / "pytorch_model.bin")
    torch.save(Poison(poisoned), copied / "training_args.bin")
    assert encoder_of(copied).encode(sentences[:3], "text", "").shape == (3, 32)
    assert not poisoned.exists()


def test_a_pickle_cannot_hide_behind_other_safetensors(copied):
    import torch

    poisoned = copied.parent / "poisoned"
    (copied / "model.safetensors").rename(copied / "decoy.safetensors")
    torch.save({"weight": Poison(poisoned)}, copied / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model.bin is a pickle"):
        encoder_of(copied)
    edit = json.loads((copied / "modules.json").read_text())
    edit[1]["path"] = "openvino"
    (copied / "modules.json").write_text(json.dumps(edit))
    (copied / "pytorch_model.bin").unlink()
    (copied / "decoy.safetensors").rename(copied / "model.safetensors")
    (copied / "openvino").mkdir()
    torch.save({"weight": Poison(poisoned)}, copied / "openvino" / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"openvino/pytorch_model.bin is a pickle"):
        encoder_of(copied)
    assert not poisoned.exists()


def test_a_pickle_is_read_where_the_user_named_the_model(tiny_model, copied, sentences):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    trust = Trust(pickled=frozenset({str(copied)}))
    encoder = encoder_of(copied, trust=trust)
    np.testing.assert_allclose(
        encoder.encode(sentences[:9], "text", ""), encoder_of(tiny_model).encode(sentences[:9], "text", ""), atol=1e-6
    )
    before = encoder.key("")
    assert encoder.disk_bytes == (copied / "pytorch_model.bin").stat().st_size
    (copied / "pytorch_model.bin").write_bytes(b"other")
    assert encoder_of(copied, trust=trust).key("") != before


def test_trusting_pickles_does_not_need_any(tiny_model, sentences):
    encoder = encoder_of(tiny_model, trust=Trust(pickled=frozenset({str(tiny_model)})))
    assert encoder.encode(sentences[:2], "text", "").shape == (2, 32)


# --- code from the folder


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "1_Pooling/config.json"])
def test_code_named_in_a_configuration_is_refused(copied, file):
    edit_json(copied / file, auto_map={"AutoModel": "code.Model"})
    (copied / "code.py").write_text(f"open({str(copied.parent / 'ran')!r}, 'w')\nclass Model: ...")
    with pytest.raises(InputError, match=rf"auto_map in {file} is code .* --trust-remote-code '{copied}'"):
        encoder_of(copied)
    assert encoder_of(copied, trust=Trust(remote_code=frozenset({str(copied)}))).dimensions == 32
    assert not (copied.parent / "ran").exists()


def test_a_module_from_the_folder_is_refused(copied):
    modules = json.loads((copied / "modules.json").read_text())
    modules[2]["type"] = "code.Normalize"
    (copied / "modules.json").write_text(json.dumps(modules))
    (copied / "code.py").write_text(f"open({str(copied.parent / 'ran')!r}, 'w')")
    with pytest.raises(InputError, match=r"module code.Normalize is code from the model folder"):
        encoder_of(copied)
    assert not (copied.parent / "ran").exists()


# --- the real one


@pytest.mark.slow
def test_the_embedded_model_is_found_by_its_names(sentences):
    encoder = TorchEncoder(Model("all-MiniLM-L6-v2"))
    assert (encoder.dimensions, encoder.max_tokens, encoder.parameters) == (384, 256, 22_713_216)
    assert encoder.key("") == TorchEncoder(Model("sentence-transformers/all-MiniLM-L6-v2")).key("")
    found = encoder.encode(["a man is eating food", "somebody eats a meal", "the sky is blue"], "text", "")
    scores = found @ found.T
    assert scores[0, 1] > 0.6 > 0.2 > scores[0, 2]
