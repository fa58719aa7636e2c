"""Files that are either whole or not there."""

import stat

import numpy as np
import orjson
import pytest

from sizewise.store.files import atomic, digest, make_private, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    with atomic(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    with pytest.raises(TypeError), atomic(path) as file:
        file.write(b"half") and file.write("not bytes")
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_new_folders_are_the_owners_alone_and_old_ones_stay_as_they_are(tmp_path):
    old = tmp_path / "old"
    old.mkdir(mode=0o755)
    before = stat.S_IMODE(old.stat().st_mode)
    make_private(old / "new" / "deep")
    make_private(old / "new" / "deep")
    assert stat.S_IMODE(old.stat().st_mode) == before
    assert stat.S_IMODE((old / "new").stat().st_mode) == 0o700
    assert stat.S_IMODE((old / "new" / "deep").stat().st_mode) == 0o700


def test_json_may_hold_numpy_values_and_nan(tmp_path):
    write_json(tmp_path / "x.json", {"a": np.float64(0.5), "b": np.arange(2), "c": float("nan")})
    assert orjson.loads((tmp_path / "x.json").read_bytes()) == {"a": 0.5, "b": [0, 1], "c": None}


def test_the_digest_ignores_the_order_of_keys_and_nothing_else():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(value) for value in ({"a": 1}, {"a": "1"}, {"a": 1.5}, {"b": 1}, [1, 2], [2, 1], [[1], 2])}) == 7
