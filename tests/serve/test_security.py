"""Bundles that mean harm, certified by whoever made them: none of their code runs, and nothing outside is read."""

import json
import pickle
import shutil

import httpx2
import pytest

from sizewise.bundle import certificate


@pytest.fixture
def changed(write_bundle, tiny_model, tmp_path):
    """`changed(candidate, change)`: a bundle after `change(folder)`, with a certificate that fits."""

    def make(change, candidate=f"{tiny_model}"):
        folder = shutil.copytree(write_bundle(candidate), tmp_path / "changed")
        about = {name: value for name, value in certificate.read(folder).items() if name not in ("digest", "files")}
        change(folder)
        certificate.write(folder, about)
        return folder

    return make


def edit(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


CODE = "from pathlib import Path\nPath({mark!r}).touch()\n"


def own_code(folder, mark):
    """A model whose configuration names classes of its own."""
    (folder / "modeling_own.py").write_text(CODE.format(mark=str(mark)) + "class Own: pass\n")
    auto = {"AutoModel": "modeling_own.Own", "AutoConfig": "modeling_own.Own"}
    edit(folder / "config.json", lambda found: found | {"auto_map": auto, "model_type": "own"})


def own_module(folder, mark):
    """A module of sentence-transformers that lies in the folder."""
    (folder / "own_module.py").write_text(CODE.format(mark=str(mark)) + "class Own: pass\n")
    edit(folder / "modules.json", lambda found: [*found, {"idx": 9, "name": "9", "path": "", "type": "own_module.Own"}])
    edit(folder / "sizewise.json", lambda found: found | {"encoder": {"modules": 99}})


class Bomb:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def pickled(folder, mark):
    """Weights in a pickle instead of safetensors."""
    next(folder.rglob("model.safetensors")).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(mark)))


@pytest.mark.parametrize("harm", [own_code, own_module, pickled])
def test_no_code_of_a_bundle_runs(command, changed, tmp_path, harm):
    mark = tmp_path / "it-ran"
    done = command("serve", changed(lambda folder: harm(folder, mark)))
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert not mark.exists()


def outside(folder):
    shutil.copytree(folder, folder.parent / "outside")
    edit(folder / "sizewise.json", lambda found: found | {"model": "../outside"})


def absolute(folder):
    edit(folder / "sizewise.json", lambda found: found | {"learned": "/etc/passwd"})


def linked(folder):
    config = folder / "config.json"
    config.rename(folder.parent / "elsewhere.json")
    config.symlink_to(folder.parent / "elsewhere.json")


@pytest.mark.parametrize(
    ("harm", "message"), [(outside, "is no path inside"), (absolute, "is no path inside"), (linked, "is a link")]
)
def test_nothing_outside_a_bundle_is_read(command, changed, harm, message):
    done = command("serve", changed(harm))
    assert done.returncode in (1, 2)
    assert message in done.stderr


def test_no_path_of_a_client_reaches_a_file(serving, write_bundle, static_model):
    running = serving(f"small={write_bundle(f'static:{static_model}')}")
    for path in (
        "/page/../sizewise.json",
        "/page/%2e%2e/app.py",
        "/v1/models/..%2f..%2fetc%2fpasswd",
        "/../etc/passwd",
        "//etc/passwd",
    ):
        answer = httpx2.get(running.url + path)
        assert answer.status_code in (403, 404), path
        assert "root:" not in answer.text
    for name in ("../small", "/etc/passwd", "small/../../x"):
        assert httpx2.post(f"{running.url}/search", json={"query": "a", "model": name}).status_code == 404
