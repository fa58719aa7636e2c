"""Where a run's tasks came from, so that their texts can be read again: a run folder holds none."""

from dataclasses import dataclass, replace
from pathlib import Path

from sizewise.core.errors import InputError
from sizewise.data.load import load_task
from sizewise.data.task import Task


@dataclass(frozen=True, slots=True)
class Source:
    """A task's folder and what makes it the same task."""

    name: str
    path: str
    protocol: str | None
    fingerprint: str
    margin: float | None = None
    reference: str | None = None
    """Of a fidelity task: the candidate that its task.toml names."""
    tune: bool = False
    """The queries that the folder keeps to choose by, instead of those that are tested."""

    def load(self) -> Task:
        """The task again. Raises InputError when its folder is gone or holds other data than the run was made with."""
        try:
            found = load_task(self.path, protocol=self.protocol, name=self.name)
        except InputError as error:
            raise InputError(f"the run's task {self.name} cannot be read again: {error}") from None
        task = found.tune if self.tune else found
        if task is None or task.fingerprint != self.fingerprint or getattr(task, "reference", None) != self.reference:
            raise InputError(
                f"the run's task {self.name} has changed: {self.path} holds other data than the run was made with; "
                "run the study again"
            )
        return replace(task, margin=self.margin)


def source(task: Task) -> Source:
    """Where `task` came from."""
    path = str(Path(task.path).resolve())
    protocol, reference = getattr(task, "protocol", None), getattr(task, "reference", None)
    return Source(task.name, path, protocol, task.fingerprint, task.margin, reference, task.is_tune)
