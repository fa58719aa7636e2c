"""Servers as the benchmark sees them: started, asked whether they are ready, their memory read from outside, ended."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

LOAD = Path(__file__).with_name("load.py")


class Server:
    """A process that serves on a port of this machine until the end of the `with` block."""

    def __init__(self, command, url, ready, env=None, log=None):
        self.command, self.url, self.ready, self.env, self.log = command, url, ready, env, log

    def __enter__(self):
        out = Path(self.log).open("w") if self.log else subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, env=os.environ | (self.env or {}), stdout=out, stderr=out)
        until = time.monotonic() + 180
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise SystemExit(f"{' '.join(map(str, self.command))} ended with code {self.process.returncode}")
            with suppress(OSError):
                if urllib.request.urlopen(self.ready, timeout=5).status == 200:
                    return self
            time.sleep(0.2)
        raise SystemExit(f"{self.ready} did not answer in 180 s")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def tree(self):
        """Ids of the process and its children."""
        found = [self.process.pid]
        for pid in found:
            with suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def resident_mb(self):
        """Memory of all its processes, pages that they share counted once for each of them in proportion (PSS)."""
        total = 0
        for pid in self.tree():
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total * 1024 / 1e6

    def cpu_s(self):
        """Seconds of processor time that they took so far."""
        total = 0
        for pid in self.tree():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")


def start_load(url, bodies, mode, seconds, processor=None, **more):
    """A load generator at work; `seen` waits for what it saw."""
    plan = {"url": url, "bodies": bodies, "mode": mode, "seconds": seconds, "processor": processor, **more}
    process = subprocess.Popen([sys.executable, LOAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(json.dumps(plan).encode())
    process.stdin.close()
    return process


def seen(process):
    found = json.loads(process.stdout.read())
    if process.wait():
        raise SystemExit("a load generator failed")
    return found


def load(*arguments, **more):
    return seen(start_load(*arguments, **more))


def sizewise_server(bundle, port, *options, log=None):
    """`sizewise serve m=BUNDLE`, of this interpreter."""
    command = [sys.executable, "-m", "sizewise", "serve", *_named(bundle), "--port", str(port), "-q", *options]
    url = f"http://127.0.0.1:{port}"
    return Server(list(map(str, command)), url, f"{url}/readyz", log=log)


def _named(bundle):
    return [bundle if "=" in str(bundle) else f"m={bundle}"]
