"""From settings to a running server: a process, or several with one that looks after them."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import FrameType

import portalocker

from sizewise.core.environment import THREAD_VARIABLES, processors
from sizewise.core.errors import InputError, RunError
from sizewise.serve.logs import log
from sizewise.serve.settings import Settings

SETTINGS = "SIZEWISE_SERVE"
"""Holds the settings of a worker process, as JSON; keys in them are hashes."""
PLACE = "SIZEWISE_SERVE_PLACE"
"""A folder that the workers of one server share."""
ACCEPTED = 16
"""Connections that are taken in one round of the event loop."""
CLAIM_S = 10.0
"""A worker that was killed gives its processors back as soon as the system is through with it."""
SWITCH_S = 0.0005
"""A thread that has work asks for Python's lock so soon, instead of after 5 ms: longer than a short text takes."""
KEEP_ALIVE_S = 75
"""Longer than most proxies keep a connection, so that they are the ones who close it."""


def run(settings: Settings) -> None:
    """Serve until told to end. Raises what `Service.open` does, and InputError when the address cannot be had."""
    sys.setswitchinterval(SWITCH_S)
    with listening(settings) as listener:
        host, port = listener.getsockname()[:2]
        log("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")
        # uvloop takes one connection from a listener in each round of its loop, and under load rounds are long: without
        # several ways to it, the last of a thousand clients that come at once would wait for half a minute.
        listeners = [listener, *(listener.dup() for _ in range(ACCEPTED - 1))]
        if settings.workers == 1:
            _serve_here(settings, listeners)
        else:
            _serve_by_workers(settings, listeners)


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Raises InputError when the address cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen on {settings.host} port {settings.port} ({error}); choose another --host or --port"
        ) from None
    with listener:
        yield listener


def _options(settings: Settings) -> Mapping[str, object]:
    """Of uvicorn. Its own log would say everything twice."""
    uvloop = {} if sys.platform == "win32" else {"loop": "uvloop"}
    return {
        **uvloop,
        "http": "httptools",
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nothing here asks who the client is
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": int(settings.limits.deadline_s) + 5,
        "timeout_worker_healthcheck": 30,
    }


def _serve_here(settings: Settings, listeners: list[socket.socket]) -> None:
    if settings.threads:
        _limit_threads(settings.threads)
    import uvicorn

    from sizewise.serve.app import make_app

    def end() -> None:
        server.should_exit = True

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            state.ending = True  # from now on it is not ready, while it finishes what it took
            super().handle_exit(sig, frame)

    app, state = make_app(settings, end)
    server = Server(uvicorn.Config(app, **_options(settings)))  # type: ignore[arg-type]
    server.run(sockets=listeners)
    if state.error is not None:
        raise state.error


def _serve_by_workers(settings: Settings, listeners: list[socket.socket]) -> None:
    import uvicorn

    from sizewise.search.folder import digest_of
    from sizewise.serve.supervisor import Supervisor

    digests = {name: digest_of(Path(folder)) for name, folder in settings.bundles.items()}
    settings = replace(settings, digests=digests)
    with tempfile.TemporaryDirectory(prefix="sizewise-") as place:
        os.environ |= {SETTINGS: settings.to_json().decode(), PLACE: place, "PROMETHEUS_MULTIPROC_DIR": place}
        options = dict(_options(settings)) | {"workers": settings.workers, "factory": True}
        config = uvicorn.Config("sizewise.serve.run:worker_app", **options)  # type: ignore[arg-type]
        workers = Supervisor(config, listeners)
        workers.run()
    if workers.failed:
        raise RunError("a worker could not start; the line of the log before this one says why")


_HELD = ExitStack()
"""What this worker holds while it lives."""


def worker_app() -> object:
    """The application of a worker: of its own group of processors, and loaded before it takes a connection."""
    settings = Settings.from_json(os.environ[SETTINGS])
    place = Path(os.environ[PLACE])
    sys.setswitchinterval(SWITCH_S)
    _forget_dead(place)
    _settle_down(_claimed(place, settings.workers), settings)
    from sizewise.serve.app import make_app

    app, state = make_app(settings, lambda: _give_up(state.error))
    return app


def _claimed(place: Path, workers: int) -> int:
    """A number from 0 that no other living worker has: whoever dies gives it back."""
    until = time.monotonic() + CLAIM_S
    for at in cycle(range(workers)):
        lock = portalocker.Lock(place / f"worker-{at}", mode="a", timeout=0, fail_when_locked=True)
        try:
            lock.acquire()
        except portalocker.exceptions.LockException:
            if time.monotonic() > until:
                break
            time.sleep(0.01)
            continue
        _HELD.callback(lock.release)
        return at
    raise RunError("another worker has the processors of this one, and does not give them back")


def _settle_down(at: int, settings: Settings) -> None:
    """On the processors of worker `at`, with as many threads."""
    every = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    mine = every[at * len(every) // settings.workers : (at + 1) * len(every) // settings.workers] or every
    if mine:
        os.sched_setaffinity(0, mine)
    _limit_threads(settings.threads or processors())


def _limit_threads(threads: int) -> None:
    """For libraries, which look when they load."""
    os.environ |= dict.fromkeys(THREAD_VARIABLES, str(threads))


def _forget_dead(place: Path) -> None:
    """What dead workers last said of how much they had to do."""
    for path in place.glob("gauge_live*_*.db"):
        if not Path(f"/proc/{path.stem.rpartition('_')[2]}").exists() and Path("/proc/self").exists():
            path.unlink(missing_ok=True)


def _give_up(error: BaseException | None) -> None:
    from uvicorn.config import STARTUP_FAILURE

    log("failed", error=str(error))
    os._exit(STARTUP_FAILURE)
