"""Progress on a terminal: one line a piece of work, with the time left."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sizewise.core.progress import Bar


class TerminalProgress:
    """Bars and lines on standard error, so that standard output can be piped. Without a terminal, lines only."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    def bar(self, label: str, total: float) -> Bar:
        if not self._console.is_terminal:
            self.say(f"{label} ...")
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                console=self._console,
                transient=True,
                disable=not self._console.is_terminal,
            )
            self._progress.start()
        return _TerminalBar(self, self._progress, self._progress.add_task(label, total=max(total, 1e-9)))

    def say(self, message: str) -> None:
        self._console.print(message, style="dim", highlight=False)

    def closed(self, task: TaskID) -> None:
        """A bar ended; the display ends with the last one."""
        if self._progress is None:
            return
        self._progress.remove_task(task)
        if not self._progress.tasks:
            self._progress.stop()
            self._progress = None


class _TerminalBar:
    def __init__(self, owner: TerminalProgress, progress: Progress, task: TaskID) -> None:
        self._owner, self._progress, self._task = owner, progress, task

    def advance(self, amount: float) -> None:
        self._progress.advance(self._task, amount)

    def close(self) -> None:
        self._owner.closed(self._task)
