"""A real server in a process of its own, on a free port of this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import httpx2
import pytest

COMMAND = [sys.executable, "-c", "from sizewise.cli.main import run; run()", "serve"]


class Served:
    """`sizewise serve ...`: its address, its process, and the lines of its log as they come."""

    def __init__(self, arguments, env=None):
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments), "--port", "0"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=os.environ | (env or {}),
        )
        self.log, self.lines, self._changed = [], [], threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.event("listening")["url"]

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line)
                if line.startswith("{"):
                    self.log.append(json.loads(line))
                self._changed.notify_all()

    def event(self, name, timeout=120, **about):
        """The first line of this event whose fields are so; waits for it."""
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                for one in self.log:
                    if one["event"] == name and about.items() <= one.items():
                        return one
                assert self._reader.is_alive(), "".join(self.lines)
                assert time.monotonic() < until, "".join(self.lines)
                self._changed.wait(1.0)

    def ready(self, timeout=120):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            assert self.process.poll() is None, "".join(self.lines)
            if httpx2.get(f"{self.url}/readyz", timeout=60).status_code == 200:
                return self
            time.sleep(0.05)
        raise AssertionError("".join(self.lines))

    def end(self, number=signal.SIGTERM, timeout=40):
        """Its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code


@pytest.fixture
def serving():
    """`serving("name=bundle", ..., "--option", env={})`: a server that is ready; ended after the test."""
    running = []

    def start(*arguments, env=None, wait=True):
        running.append(Served(arguments, env))
        return running[-1].ready() if wait else running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.end()


@pytest.fixture(scope="module")
def served(request):
    """The same for all tests of a module, with the arguments that its fixture `arguments` gives."""
    running = Served(request.getfixturevalue("arguments")).ready()
    yield running
    assert running.end() in (0, -signal.SIGTERM), "".join(running.lines)
    assert "Traceback" not in "".join(running.lines)


SLOW = """
import json, os, sys, time
from sizewise.serve.service import Service

def load(*_):
    print(json.dumps({"event": "loading", "pid": os.getpid()}), file=sys.stderr, flush=True)
    time.sleep(600)

Service.open = load
"""


@pytest.fixture
def slow(tmp_path):
    """An environment in which a server says that it loads, and takes ten minutes."""
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.fixture
def command(tmp_path):
    """`command("serve", ..., env={})`: a command that ends by itself, within a minute."""

    def run(*words, env=None):
        whole = [*COMMAND[:-1], *map(str, words)]
        more = ["--port", "0"] if words[0] == "serve" and "--port" not in words and "--new-key" not in words else []
        return subprocess.run(
            [*whole, *more], capture_output=True, text=True, env=os.environ | (env or {}), timeout=60, check=False
        )

    return run
