"""Several processes: one that is killed comes back, the others go on, and no answer is wrong."""

import os
import signal
import threading
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest

from sizewise.bundle.load import load_bundle

pytestmark = pytest.mark.slow
PROC = Path("/proc")


@pytest.fixture
def running(serving, write_bundle, tiny_model):
    folder = write_bundle(f"{tiny_model}@fp32/onnx")
    return serving(f"small={folder}", "--workers", "2"), load_bundle(folder)


def workers(running):
    """Processes that the server started and that serve: not those of its resource tracker."""
    process = PROC / str(running.process.pid)
    children = (process / "task" / process.name / "children").read_text().split()
    return [int(one) for one in children if b"spawn_main" in (PROC / one / "cmdline").read_bytes()]


def test_a_worker_that_is_killed(running):
    server, pipeline = running
    server.event("ready")
    texts = ["the moon", "a river and an ocean", "loud music"]
    wanted = pipeline.encode_documents(texts)
    over, seen, wrong, broken = threading.Event(), [], [], []

    def ask():
        with httpx2.Client(base_url=server.url, timeout=60) as client:
            while not over.is_set():
                try:
                    answer = client.post("/embed", json={"inputs": texts})
                except httpx2.TransportError:  # its connection was to the one that died
                    broken.append(time.monotonic())
                    continue
                seen.append(answer.status_code)
                if answer.status_code == 200 and not np.allclose(answer.json(), wanted, atol=1e-5):
                    wrong.append(answer.json())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before = workers(server)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        until = time.monotonic() + 60
        while len(after := workers(server)) < 2 or before[0] in after:
            assert time.monotonic() < until
            time.sleep(0.1)
        enough = len(seen) + 30  # answers while it starts, and after that
        while len(seen) < enough:
            assert time.monotonic() < until
            time.sleep(0.1)
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert set(seen) == {200}
    assert len(broken) <= 2 * len(threads)


def test_metrics_are_those_of_all(running):
    server, _ = running
    for _ in range(20):
        assert httpx2.post(f"{server.url}/embed", json={"inputs": "moon"}).status_code == 200
    lines = httpx2.get(f"{server.url}/metrics").text.splitlines()
    assert "te_embed_success 20.0" in lines
    assert "te_queue_size 0.0" in lines


def test_they_end_together(running):
    server, _ = running
    children = workers(server)
    assert server.end() in (0, -signal.SIGTERM)
    assert not any((PROC / str(one)).exists() for one in children)


def test_what_cannot_be_loaded_is_not_tried_for_ever(command, write_bundle, tiny_model, tmp_path):
    import shutil

    broken = shutil.copytree(write_bundle(f"{tiny_model}@fp32/onnx"), tmp_path / "broken")
    (broken / "sizewise.json").write_text("{}")
    done = command("serve", broken, "--workers", "2")
    assert done.returncode == 1
    assert "sizewise.json was changed" in done.stderr
