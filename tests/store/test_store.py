"""The store: what is kept comes back, what is broken says so, and what is in use is not pruned."""

import os
import pickle
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from sizewise.core.errors import InputError, RunError
from sizewise.store.prepared import prepared
from sizewise.store.store import Store, default_root, folder_bytes
from sizewise.store.vectors import Space, text_keys

KEY = "ab" * 32


def vectors(count, dimensions=4, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


def filled(store, key="k", texts=("one", "two"), seed=0):
    space = store.space(key, {"name": "model"})
    space.add(text_keys(texts), vectors(len(texts), seed=seed))
    space.refresh()
    return space


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(path, (then, then))


# --- vectors


def test_vectors_come_back_in_the_order_asked_for(store):
    texts = [f"text {at}" for at in range(50)]
    wanted = vectors(50)
    space = store.space("k", {"name": "model"})
    for start in range(0, 50, 7):
        space.add(text_keys(texts[start : start + 7]), wanted[start : start + 7])
    space.refresh()
    order = np.random.default_rng(1).integers(0, 50, 80)
    for opened in (space, store.space("k", {"name": "model"})):
        rows = opened.rows(text_keys([texts[at] for at in order]))
        assert (len(rows), rows.dimensions, opened.count) == (80, 4, 50)
        np.testing.assert_array_equal(rows.block(0, 80), wanted[order])
        np.testing.assert_array_equal(rows.block(13, 31), wanted[order[13:31]])
        assert rows.block(5, 5).shape == (0, 4)


def test_missing_are_the_first_occurrences_of_what_is_not_there(store):
    space = filled(store)
    found = space.missing(text_keys(["new", "one", "new", "", "two", "newer", ""]))
    assert found.tolist() == [0, 3, 5]
    assert space.missing(text_keys(["two", "one"])).tolist() == []
    assert space.missing(text_keys([])).tolist() == []


def test_texts_are_told_apart_to_the_last_byte():
    texts = ["", " ", "a", "A", "a ", "a\0", "é", "e\u0301", "\ud800", "😀"]
    assert len(set(text_keys(texts).tolist())) == len(texts)
    assert text_keys(texts).tobytes() == b"".join(text_keys([text]).tobytes() for text in texts)


def test_a_key_that_ends_in_zero_bytes_is_found(store):
    """numpy strips trailing zero bytes from what it hands out; keys are compared in full all the same."""
    keys = np.frombuffer(bytes(15) + b"\1" + b"\1" + bytes(15) + bytes(16), dtype="S16")
    space = store.space("k", {})
    space.add(keys, vectors(3))
    space.refresh()
    assert space.missing(keys[::-1]).tolist() == []
    np.testing.assert_array_equal(space.rows(keys[::-1]).block(0, 3), vectors(3)[::-1])


def test_the_same_text_twice_keeps_one_vector(store):
    space = filled(store)
    filled(store, seed=1)
    space.refresh()
    assert space.count == 2
    np.testing.assert_array_equal(space.rows(text_keys(["two", "one"])).block(0, 2), vectors(2)[::-1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_kept(store, bad):
    space = store.space("k", {"name": "model"})
    broken = vectors(2)
    broken[1, 2] = bad
    with pytest.raises(RunError, match="model returned vectors that are not finite; they are not kept"):
        space.add(text_keys(["a", "b"]), broken)
    space.refresh()
    assert space.count == 0
    assert not list(space.path.glob("*.npy"))


@pytest.mark.parametrize("shape", [(1, 4), (3, 4), (2,)])
def test_one_vector_for_each_text_or_none_is_kept(store, shape):
    space = store.space("k", {"name": "model"})
    with pytest.raises(RunError, match=r"model returned an array of shape .* for 2 texts"):
        space.add(text_keys(["a", "b"]), np.zeros(shape, np.float32))
    assert not list(space.path.glob("*.npy"))


def test_shards_without_keys_and_temporary_files_do_not_count(store):
    space = filled(store)
    np.save(space.path / "orphan.npy", vectors(2, 9))
    (space.path / ".half.keys.x.tmp").write_bytes(b"x" * 16)
    fresh = store.space("k", {"name": "model"})
    assert (fresh.count, fresh.dimensions) == (2, 4)
    np.testing.assert_array_equal(fresh.rows(text_keys(["one", "two"])).block(0, 2), vectors(2))


@pytest.mark.parametrize("damage", [b"", b"garbage", "cut", "pickle"])
def test_a_broken_shard_says_which_and_what_to_do(store, damage):
    space = filled(store)
    shard = next(space.path.glob("*.npy"))
    content = shard.read_bytes()[:-7] if damage == "cut" else pickle.dumps([1]) if damage == "pickle" else damage
    shard.write_bytes(content)
    with pytest.raises(RunError, match=f"{shard} cannot be read .* delete {space.path} and run again"):
        space.rows(text_keys(["one"])).block(0, 1)


def test_broken_keys_say_which_and_what_to_do(store):
    space = filled(store)
    keys = next(space.path.glob("*.keys"))
    keys.write_bytes(keys.read_bytes()[:-3])
    with pytest.raises(RunError, match=f"{keys} cannot be read .* delete {space.path} and run again"):
        store.space("k", {"name": "model"})


def test_a_space_knows_what_it_stands_for(store):
    filled(store)
    assert Space.open(store.root / "vectors" / "k").label == "model"
    assert Space.open(store.root / "vectors" / "none").count == 0
    assert not (store.root / "vectors" / "none").exists(), "looking must not make anything"


# --- records


def test_records_come_back_as_they_were(store):
    wanted = {
        "ids": np.arange(6, dtype=np.int32).reshape(2, 3),
        "scores": np.array([[1.5, -0.0, np.inf]], dtype=np.float32),
        "double": np.array([1 / 3]),
        "names": np.array(["a", "é"]),
        "nothing": np.empty((0, 4), np.float32),
    }
    assert store.find_record(KEY) is None
    store.keep_record(KEY, wanted)
    found = store.find_record(KEY)
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_records_are_computed_once(store):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.ones(2)}

    for _ in range(2):
        np.testing.assert_array_equal(store.record(KEY, compute)["x"], np.ones(2))
    assert len(calls) == 1


def test_records_never_hold_a_pickle(store):
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        store.keep_record(KEY, {"x": np.array([{"a": 1}, None], dtype=object)})
    assert store.find_record(KEY) is None
    path = store._record_path(KEY)
    np.savez(path.open("wb"), x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RunError, match="cannot be read"):
        store.find_record(KEY)


@pytest.mark.parametrize("kept", [0, 10, 100, -1])
def test_a_broken_record_says_which_and_what_to_do(store, kept):
    store.keep_record(KEY, {"x": np.arange(100.0)})
    path = store._record_path(KEY)
    content = path.read_bytes()
    path.write_bytes(content[:kept] if kept >= 0 else content[:200] + b"!!!" + content[203:])
    with pytest.raises(RunError, match=f"{path} cannot be read .* delete it and run again"):
        store.find_record(KEY)


# --- the folder


def test_the_store_is_the_owners_alone(tmp_path):
    root = tmp_path / "deep" / "store"
    with Store(root) as store:
        filled(store)
        store.keep_record(KEY, {"x": np.ones(1)})
    folders = [root, root.parent, *(path for path in root.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


@pytest.mark.parametrize("below", ["", "deep"])
def test_a_store_that_cannot_be_written_is_an_input_error(tmp_path, below):
    file = tmp_path / "file"
    file.write_text("in the way")
    with (
        pytest.raises(InputError, match=r"the store .* cannot be written \(.*\); set SIZEWISE_STORE"),
        Store(file / below),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_store_is_an_input_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"), Store(tmp_path):
        pass


def test_where_the_store_is(monkeypatch, tmp_path):
    monkeypatch.setenv("SIZEWISE_STORE", str(tmp_path / "a"))
    assert default_root() == tmp_path / "a"
    monkeypatch.delenv("SIZEWISE_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert default_root() == tmp_path / "b" / "sizewise"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_root() == Path.home() / ".cache" / "sizewise"


def test_usage_counts_vectors_and_bytes(store):
    filled(store, "small")
    filled(store, "large", [str(at) for at in range(500)])
    large, small = store.usage()
    assert (large.key, large.encoder, large.vectors, small.vectors) == ("large", "model", 500, 2)
    assert large.bytes == folder_bytes(store.root / "vectors" / "large") > 500 * 4 * 4
    assert abs(large.last_used - time.time()) < 60
    store.keep_record(KEY, {"x": np.ones(1)})
    assert store.record_bytes() == store._record_path(KEY).stat().st_size


# --- pruning


def test_nothing_is_pruned_while_anybody_uses_the_store(tmp_path):
    with Store(tmp_path / "s") as store:
        space = filled(store)
        with pytest.raises(RunError, match="is in use by a running study"):
            Store(tmp_path / "s").prune()
        assert space.path.is_dir()
    assert Store(tmp_path / "s").prune() > 0
    assert not space.path.exists()


def test_who_comes_while_the_store_is_pruned_is_told(tmp_path, monkeypatch):
    with Store(tmp_path / "s"):
        pass
    pruning = Store(tmp_path / "s")
    locked = Store._locked
    with pruning._exclusive():
        monkeypatch.setattr("sizewise.store.store.SHARED_WAIT", 0.1)
        with pytest.raises(RunError, match="is being pruned; run again"), Store(tmp_path / "s"):
            pass
    assert Store._locked is locked
    with Store(tmp_path / "s"):
        pass


def test_only_what_was_not_used_for_long_is_pruned(tmp_path):
    with Store(tmp_path / "s") as store:
        old, new = filled(store, "old"), filled(store, "new")
        store.keep_record("aa" * 32, {"x": np.ones(1)})
        store.keep_record("bb" * 32, {"x": np.ones(1)})
        age(old.path / "identity.json", 8)
        age(store._record_path("aa" * 32), 8)
        before = folder_bytes(store.root)
    freed = Store(tmp_path / "s").prune(unused_days=7)
    with Store(tmp_path / "s") as store:
        assert freed == before - folder_bytes(store.root) > 0
        assert [usage.key for usage in store.usage()] == ["new"]
        assert store.find_record("aa" * 32) is None
        assert store.find_record("bb" * 32) is not None
        assert new.path.is_dir()


def test_using_vectors_or_a_record_keeps_them(tmp_path):
    with Store(tmp_path / "s") as store:
        space = filled(store)
        store.keep_record(KEY, {"x": np.ones(1)})
        age(space.path / "identity.json", 8)
        age(store._record_path(KEY), 8)
        store.space("k", {"name": "model"})
        store.find_record(KEY)
    Store(tmp_path / "s").prune(unused_days=7)
    with Store(tmp_path / "s") as store:
        assert store.space("k", {"name": "model"}).count == 2
        assert store.find_record(KEY) is not None


def test_pruning_clears_what_killed_processes_left(tmp_path):
    with Store(tmp_path / "s") as store:
        space = filled(store)
        (space.path / "orphan.npy").write_bytes(b"x")
        (space.path / ".a.npy.b.tmp").write_bytes(b"x")
        trash = store.root / "trash-x"
        trash.mkdir()
        (trash / "a.npy").write_bytes(b"x")
    Store(tmp_path / "s").prune(unused_days=1)
    assert not trash.exists()
    assert sorted(file.suffix for file in space.path.iterdir()) == [".json", ".keys", ".npy"]
    with Store(tmp_path / "s") as store:
        assert store.space("k", {"name": "model"}).count == 2


def test_graphs_count_and_are_pruned_when_nobody_used_them(tmp_path):
    made = []

    def graph(about):
        return prepared(
            tmp_path / "s", about, lambda folder: (made.append(about), (folder / "g").write_bytes(b"x" * 99))
        )

    with Store(tmp_path / "s") as store:
        old, used = graph({"of": "old"}), graph({"of": "used"})
        (old.parent / ".half").mkdir()
        (old.parent / "auto.json").write_text("{}")
        assert store.graph_bytes() >= 2 * 99
    for folder in (old, used):
        age(folder / "made.json", 8)
    assert graph({"of": "used"}) == used
    assert Store(tmp_path / "s").prune(unused_days=7) >= 99
    assert not old.exists()
    assert not (old.parent / ".half").exists()
    assert (used / "g").is_file()
    assert (old.parent / "auto.json").is_file(), "what @auto measured"
    assert graph({"of": "old"}) == old
    assert made == [{"of": "old"}, {"of": "used"}, {"of": "old"}]


def test_pruning_a_store_that_was_never_made(tmp_path):
    assert Store(tmp_path / "none").prune() == 0
    assert not (tmp_path / "none").exists()
