"""Several processes: one that is killed comes back, the others go on, and no answer is wrong."""

import errno
import os
import shutil
import signal
import socket
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


def test_they_end_while_they_load(serving, write_bundle, static_model, slow):
    server = serving(f"small={write_bundle(f'static:{static_model}')}", "--workers", "2", env=slow, wait=False)
    server.event("loading")
    for child in (children := workers(server)):
        server.event("loading", pid=child)
    assert server.end() in (0, -signal.SIGTERM)
    assert not any((PROC / str(one)).exists() for one in children)


def test_one_that_cannot_start_ends_nobody_else(serving, write_bundle, tiny_model, dense_model, tmp_path):
    """Its bundle is not there just now, or it is another one, whose vectors are others. Then the bundle is back."""
    folder = shutil.copytree(write_bundle(f"{tiny_model}@fp32/onnx"), tmp_path / "own")
    server = serving(f"small={folder}", "--workers", "2")
    wanted = load_bundle(folder).encode_documents(["moon"])

    def answers():
        for _ in range(5):
            assert np.allclose(httpx2.post(f"{server.url}/embed", json={"inputs": ["moon"]}).json(), wanted, atol=1e-5)

    said(server, '"event":"ready"', 2)
    folder.rename(tmp_path / "aside")
    os.kill(workers(server)[0], signal.SIGKILL)
    said(server, "own is not the bundle that was written")
    answers()
    shutil.copytree(write_bundle(f"{dense_model}@fp32/onnx"), folder)
    said(server, "own is another bundle than when the server was started")
    answers()
    shutil.rmtree(folder)
    (tmp_path / "aside").rename(folder)
    said(server, '"event":"ready"', 3)
    answers()
    assert server.process.poll() is None


def said(server, words, times=1):
    until = time.monotonic() + 60
    while sum(words in line for line in server.lines) < times:
        assert time.monotonic() < until, "".join(server.lines)
        time.sleep(0.1)


def test_who_comes_while_they_end_is_refused_at_once(running):
    """Not left waiting for workers that take nothing more, while these finish what they took."""
    server, _ = running
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as slow:
        slow.sendall(
            b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        )
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 10
        while not refused((host, int(port))):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert server.process.poll() is None


def refused(address):
    with socket.socket() as one:
        return one.connect_ex(address) == errno.ECONNREFUSED


def test_what_cannot_be_loaded_is_not_tried_for_ever(command, write_bundle, tiny_model, tmp_path):
    broken = shutil.copytree(write_bundle(f"{tiny_model}@fp32/onnx"), tmp_path / "broken")
    (broken / "sizewise.json").write_text("{}")
    done = command("serve", broken, "--workers", "2")
    assert done.returncode == 1
    assert "sizewise.json was changed" in done.stderr
