"""What makes a shard quick, built in a process of its own: it takes minutes, in which the library lets no other thread
run and hears no Ctrl-C.

`python -m sizewise.index.optimise FOLDER PARENT` is that process. It ends with the one that started it, and whoever
waits for that one's locks waits for it too.
"""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from sizewise.core.errors import RunError
from sizewise.index.edge import Edge

END_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""
LAST_WORDS = 300


def optimise(folder: Path) -> None:
    """Build it for the shard in `folder`, which nobody has open. Raises RunError when the process fails."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sizewise.index.optimise", str(folder), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        close_fds=False,  # locks are inherited, and nothing else is inheritable
    )
    try:
        words = process.communicate()[1].decode(errors="replace").strip()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        raise RunError(f"Qdrant Edge: {folder} was not optimised (code {process.returncode}): {words[-LAST_WORDS:]}")


def main(folder: str, parent: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it hears Ctrl-C too, and ends it
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(END_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != int(parent):
            return
    shard = Edge.load(Path(folder), alone=True)
    shard.optimise()
    shard.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
