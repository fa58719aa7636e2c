"""Who looks after the workers of a server: one that dies is started again, and the others go on."""

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from sizewise.serve.logs import log

PAUSE_S = 2.0
"""Before a worker that could not start tries again."""


class Supervisor(Multiprocess):
    """Uvicorn's ends them all when one cannot start. Where others serve, what keeps it from that may pass: a GPU has no
    memory left just now, a bundle is being written."""

    served = False
    """Whether any worker ever was ready."""

    @property
    def failed(self) -> bool:
        """Whether none was, because one could not start."""
        return not self.served and any(one.exitcode == STARTUP_FAILURE for one in self.processes)

    def keep_subprocess_alive(self) -> None:
        self.served = self.served or any(one.is_ready() for one in self.processes)
        if self.served:
            for at, one in enumerate(self.processes):
                if one.exitcode == STARTUP_FAILURE:
                    log("failed", message="a worker could not start; it is tried again", pid=one.pid)
                    self.should_exit.wait(PAUSE_S)
                    self.processes[at] = Process(self.config, self.sockets)
                    self.processes[at].start()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Who connects now is refused at once, instead of waiting for workers that take nothing more."""
        for one in self.sockets:
            one.close()
        super().terminate_all()

    def handle_hup(self) -> None:
        """There are as many workers as groups of processors: uvicorn would start one more before it ends another."""

    handle_ttin = handle_ttou = handle_hup
