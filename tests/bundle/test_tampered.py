"""Whatever is changed in a bundle is refused, and named."""

import json
import os
import random
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from sizewise.bundle import certificate
from sizewise.bundle.layout import CANARIES, CANARY_TEXTS, CARD, CERTIFICATE, PIPELINE, TRANSFORMS
from sizewise.bundle.verify import verify
from sizewise.core.errors import InputError
from sizewise.encode.folder import BUNDLE_FILES as OWN


@pytest.fixture(scope="module")
def original(write_bundle, tiny_model):
    return write_bundle(f"{tiny_model}+whiten=8+int8")


@pytest.fixture
def bundle(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(bundle):
    """The sentence that it is refused with. What needs the model is not even tried."""
    found = verify(bundle)
    assert not found.passed
    assert {one.check for one in found.findings} <= {"certificate", "files"}
    assert found.problem.startswith(f"{bundle} is not the bundle that was written: ")
    return found.problem


def test_an_untouched_copy_is_whole(bundle):
    read = certificate.read(bundle)
    assert list(certificate.damage(bundle, read)) == []
    assert set(read["files"]) == set(files(bundle)) - {CERTIFICATE}


def test_no_pickle_anywhere(bundle):
    assert {Path(name).suffix for name in files(bundle)} <= {".json", ".safetensors", ".txt", ".md"}


def test_our_files_are_the_ones_no_encoder_reads(bundle):
    assert set(OWN) == {PIPELINE, TRANSFORMS, CANARY_TEXTS, CANARIES, CERTIFICATE}
    assert set(OWN) <= set(files(bundle))


def test_one_bit_flipped_in_any_file(bundle):
    chance = random.Random(11)
    for name in files(bundle):
        path = bundle / name
        content = path.read_bytes()
        places = {0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(20))}
        for at in sorted(places):
            changed = bytearray(content)
            changed[at] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            assert f"{name} " in refused(bundle), at
        path.write_bytes(content)
    assert verify(bundle).findings[1].passed


def test_every_bit_of_the_certificate(bundle):
    """White space, escapes, digits of hashes: nothing in it can change."""
    path = bundle / CERTIFICATE
    content = path.read_bytes()
    chance = random.Random(12)
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(certificate.Damaged, match=CERTIFICATE):
            certificate.read(bundle)


@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n",
        lambda text: json.dumps(json.loads(text)),
        lambda text: json.dumps(json.loads(text), indent=2, sort_keys=True),  # no newline at the end
        lambda text: text.replace('"schema": 1', '"schema": 1, "schema": 1'),
        lambda text: text.replace("integrity", "\\u0069ntegrity"),
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: "",
    ],
)
def test_a_certificate_in_another_form(bundle, changed):
    path = bundle / CERTIFICATE
    path.write_text(changed(path.read_text()), newline="")
    assert CERTIFICATE in refused(bundle)


def test_a_changed_value_is_refused_even_with_its_own_hash_put_right(bundle):
    """A new digest of the whole certificate would be needed: that is what it does not protect from, and says so."""
    path = bundle / PIPELINE
    path.write_text(path.read_text().replace("whiten=8", "whiten=7"))
    assert f"{PIPELINE} was changed: it is not the file that was certified" in refused(bundle)
    about = json.loads((bundle / CERTIFICATE).read_bytes())
    about["files"][PIPELINE] = {"sha256": sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    (bundle / CERTIFICATE).write_bytes(certificate.canonical(about))
    assert "its digest is not that of its content" in refused(bundle)
    assert "does not show who wrote them" in about["what"]


def test_a_score_changed_in_the_certificate(bundle):
    path = bundle / CERTIFICATE
    about = json.loads(path.read_bytes()) | {"measured": [{"task": "t", "value": 100.0}]}
    path.write_bytes(certificate.canonical(about))
    assert f"{CERTIFICATE} was changed" in refused(bundle)


def test_two_canaries_swapped(bundle):
    path = bundle / CANARY_TEXTS
    texts = json.loads(path.read_bytes())["texts"]
    texts[3], texts[4] = texts[4], texts[3]
    path.write_text(json.dumps({"texts": texts}))
    assert f"{CANARY_TEXTS} was changed" in refused(bundle)


@pytest.mark.parametrize("name", ["new.json", "1_Pooling/weights.pt", "model.bin", "deep/er/file"])
def test_a_file_added(bundle, name):
    (bundle / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle / name).write_text("x")
    assert f"{name} is not in the certificate" in refused(bundle)


def test_names_that_begin_with_a_dot_are_left_alone(bundle):
    (bundle / ".gitattributes").write_text("x")
    (bundle / ".cache" / "hub").mkdir(parents=True)
    (bundle / ".cache" / "hub" / "x.metadata").write_text("x")
    assert list(certificate.damage(bundle, certificate.read(bundle))) == []


def test_any_file_removed(bundle):
    for name in files(bundle):
        content = (bundle / name).read_bytes()
        (bundle / name).unlink()
        assert f"{name} is missing" in refused(bundle)
        (bundle / name).write_bytes(content)


def test_several_are_all_named(bundle):
    (bundle / CARD).write_text("changed")
    (bundle / "config.json").unlink()
    (bundle / "more.txt").write_text("x")
    problem = refused(bundle)
    for words in (f"{CARD} was changed", "config.json is missing", "more.txt is not in the certificate"):
        assert words in problem


def test_links(bundle, tmp_path):
    for name in ("config.json", CERTIFICATE):
        (bundle / name).rename(tmp_path / name)
        (bundle / name).symlink_to(tmp_path / name)
        assert f"{name} is a link; a bundle holds files only" in refused(bundle)
        (bundle / name).unlink()
        (tmp_path / name).rename(bundle / name)
    (bundle / "1_Pooling").rename(tmp_path / "pooling")
    (bundle / "1_Pooling").symlink_to(tmp_path / "pooling")
    assert "1_Pooling/config.json is a link" in refused(bundle)
    (bundle / "1_Pooling").unlink()
    (tmp_path / "pooling").rename(bundle / "1_Pooling")
    (bundle / "dangling").symlink_to(tmp_path / "nothing")
    assert "dangling is a link" in refused(bundle)
    (bundle / "dangling").unlink()
    (bundle / "all").symlink_to("/")
    assert "all is a link" in refused(bundle)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "a/../../outside", "", "./config.json", "a\\b", ".hidden", "a//b"]
)
def test_paths_that_leave_the_folder(bundle, tmp_path, name):
    (tmp_path / "outside").write_text("x")
    about = json.loads((bundle / CERTIFICATE).read_bytes())
    about["files"][name] = {"sha256": sha256(b"x").hexdigest(), "bytes": 1}
    about.pop("digest")
    about["digest"] = sha256(certificate.canonical(about)).hexdigest()
    (bundle / CERTIFICATE).write_bytes(certificate.canonical(about))
    assert "is no path inside a bundle" in refused(bundle)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "has schema 2, and this version reads 1"),
        ({"files": 3}, "it has no files"),
        ({"measured": None}, "it has no measured"),
        ({"files": {"config.json": 7}}, "config.json was changed"),
    ],
)
def test_another_schema_or_less_than_a_certificate(bundle, change, words):
    about = {**json.loads((bundle / CERTIFICATE).read_bytes()), **change}
    about.pop("digest")
    about["digest"] = sha256(certificate.canonical(about)).hexdigest()
    (bundle / CERTIFICATE).write_bytes(certificate.canonical(about))
    assert words in refused(bundle)


def test_what_is_no_bundle_at_all(tmp_path, tiny_model):
    for folder in (tmp_path, tiny_model, tmp_path / "nothing"):
        with pytest.raises(InputError, match=r"is no bundle: it holds neither sizewise.json nor certificate.json"):
            verify(folder)


def test_a_hole_in_a_file_that_keeps_its_size(bundle):
    path = bundle / "model.safetensors"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\0" * 16)
    assert path.stat().st_size == size
    assert "model.safetensors was changed" in refused(bundle)
    os.truncate(path, size // 2)
    assert "model.safetensors was changed" in refused(bundle)
