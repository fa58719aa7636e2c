"""Real processes: killed while they write, and at work in the same space at once."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from sizewise.store.store import Store
from sizewise.store.vectors import text_keys

COMMON = """
import os, signal, sys
from hashlib import sha256
from pathlib import Path
import numpy as np
from sizewise.store.store import Store
from sizewise.store.vectors import text_keys

def vectors(texts):
    seeds = [int.from_bytes(sha256(text.encode()).digest()[:4], "little") for text in texts]
    return np.stack([np.random.default_rng(seed).standard_normal(64).astype(np.float32) for seed in seeds])
"""
WRITER = """
with Store(sys.argv[1]) as store:
    space = store.space("k", {"name": "m"})
    for shard in range(100000):
        texts = [f"{sys.argv[2]} {shard} {at}" for at in range(20)]
        space.add(text_keys(texts), vectors(texts))
        store.keep_record(sha256(texts[0].encode()).hexdigest(), {"x": vectors(texts)})
        print(shard, flush=True)
"""
HERE: dict = {}
exec(COMMON, HERE)
vectors, sha256 = HERE["vectors"], HERE["sha256"]


def start(*code: str, arguments=()) -> subprocess.Popen:
    text = "".join(textwrap.dedent(part) for part in code)
    return subprocess.Popen([sys.executable, "-c", text, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def shard_texts(run: str, shard: int) -> list[str]:
    return [f"{run} {shard} {at}" for at in range(20)]


def assert_only_whole_things(root, acknowledged: dict[str, int]) -> None:
    """Everything acknowledged is there, everything visible is right, nothing is seen by halves."""
    with Store(root) as store:
        space = store.space("k", {"name": "m"})
        seen = 0
        for run, shards in acknowledged.items():
            for shard in range(shards + 2):
                texts = shard_texts(run, shard)
                missing = len(space.missing(text_keys(texts)))
                assert missing in ((0,) if shard < shards else (0, 20)), (
                    f"{run}: shard {shard} of {shards} lacks {missing}"
                )
                if not missing:
                    seen += 20
                    np.testing.assert_array_equal(space.rows(text_keys(texts)).block(0, 20), vectors(texts))
                record = store.find_record(sha256(texts[0].encode()).hexdigest())
                assert record is not None or shard >= shards
                if record is not None:
                    np.testing.assert_array_equal(record["x"], vectors(texts))
        assert space.count == seen


def test_a_kill_at_any_moment_leaves_whole_shards_or_none(tmp_path):
    chance = random.Random(os.getpid())
    acknowledged = {}
    for run in range(10):
        process = start(COMMON, WRITER, arguments=(tmp_path / "s", run))
        process.stdout.readline()  # it is writing now
        time.sleep(chance.random() * 0.15)
        process.kill()
        acknowledged[str(run)] = 1 + len(process.communicate()[0].splitlines())
        assert process.returncode == -signal.SIGKILL
    assert_only_whole_things(tmp_path / "s", acknowledged)
    (tmp_path / "s" / "vectors" / "k" / "0.npy").touch()
    assert Store(tmp_path / "s").prune(unused_days=1) >= 0, "a dead process holds no lock"
    assert_only_whole_things(tmp_path / "s", acknowledged)
    assert not list((tmp_path / "s" / "vectors").rglob("*.tmp"))


@pytest.mark.parametrize("step", range(1, 6))
def test_a_kill_at_each_step_of_the_first_shard(tmp_path, step):
    """Before each rename: of identity.json, the vectors, the keys, the record, and the next shard's vectors."""
    stop = f"""
    renames, really = [], Path.replace
    def replace(self, target):
        renames.append(target)
        if len(renames) == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        return really(self, target)
    Path.replace = replace
    """
    process = start(COMMON, stop, WRITER, arguments=(tmp_path / "s", "a"))
    output = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL
    assert len(output.splitlines()) == (1 if step == 5 else 0)
    with Store(tmp_path / "s") as store:
        there = store.space("k", {"name": "m"})
        assert there.count == (20 if step >= 4 else 0)
        assert there.identity == {"name": "m"}
    assert_only_whole_things(tmp_path / "s", {"a": 1 if step == 5 else 0})
    process = start(COMMON, WRITER, arguments=(tmp_path / "s", "b"))
    assert process.stdout.readline() == "0\n", "what is left behind must not be in the way"
    process.kill()
    process.communicate()


def test_pruning_waits_for_nobody_and_a_dead_process_is_nobody(tmp_path):
    from sizewise.core.errors import RunError

    process = start(COMMON, WRITER, arguments=(tmp_path / "s", "a"))
    process.stdout.readline()
    with pytest.raises(RunError, match="in use"):
        Store(tmp_path / "s").prune()
    process.kill()
    process.communicate()
    assert Store(tmp_path / "s").prune() > 0
    assert not list((tmp_path / "s" / "vectors").iterdir())


WORKER = """
from sizewise.core.candidate import Model
from sizewise.core.progress import Silent
from sizewise.encode import stored
from sizewise.encode.encoder import Encoder
import time
stored.SHARD_CHARACTERS = 100

class Slow(Encoder):
    identity, dimensions = {"slow": 1}, 64
    def encode(self, texts, role, prompt):
        print(*texts, sep="\\n", flush=True)
        time.sleep(0.02)
        return vectors(texts)

texts = [f"text-{at}" for at in range(int(sys.argv[2]), int(sys.argv[3]))]
with Store(sys.argv[1]) as store:
    rows = stored.stored_vectors(store, Slow(Model("slow")), texts, "text", "", Silent())
    np.testing.assert_array_equal(rows.block(0, len(rows)), vectors(texts))
"""


def test_processes_at_work_in_one_space_share_it(tmp_path):
    processes = [start(COMMON, WORKER, arguments=(tmp_path / "s", *span)) for span in ((0, 150), (50, 200), (0, 200))]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    encoded = [text for output in outputs for text in output]
    assert sorted(encoded) == sorted(f"text-{at}" for at in range(200)), "each text is encoded exactly once"
