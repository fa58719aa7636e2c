"""Progress on a terminal: one line a piece of work, with the time left."""

from math import exp

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from sizewise.core.progress import Bar

MEMORY = 0.3
"""Of the whole work: what lies farther back counts little for the pace, since pieces become shorter as they go."""


class Pace:
    """How long the rest takes, from pieces of work that were done one after the other, as uneven as they like.

    The first piece is left out as soon as there is another: in it, libraries and caches warm up.
    """

    def __init__(self, total: float, now: float) -> None:
        self._left, self._memory = total, MEMORY * total
        self._last = now
        self._work = self._seconds = 0.0
        self._pieces = 0

    def advance(self, amount: float, now: float) -> None:
        """`amount` more is done at `now` (seconds); with none, the clock starts again."""
        if amount <= 0:
            self._last = now
            return
        fading = 0.0 if self._pieces == 1 else exp(-amount / self._memory)
        self._work = self._work * fading + amount
        self._seconds = self._seconds * fading + now - self._last
        self._left = max(self._left - amount, 0.0)
        self._last = now
        self._pieces += 1

    def left(self, now: float) -> float | None:
        """Seconds; None before anything is done. Between pieces it runs down, and waits at zero."""
        if self._work <= 0:
            return None
        return max(self._left * self._seconds / self._work - (now - self._last), 0.0)


class _TimeLeft(ProgressColumn):
    """rich's own column only knows the last half minute, and so nothing where a piece takes longer."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.fields["pace"].left(task.get_time())
        if left is None:
            return Text("-:--:--", style="progress.remaining")
        minutes, seconds = divmod(round(left), 60)
        return Text(f"{minutes // 60}:{minutes % 60:02}:{seconds:02}", style="progress.remaining")


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
                _TimeLeft(),
                console=self._console,
                transient=True,
                disable=not self._console.is_terminal,
            )
            self._progress.start()
        total = max(total, 1e-9)
        pace = Pace(total, self._progress.get_time())
        return _TerminalBar(self, self._progress, self._progress.add_task(label, total=total, pace=pace), pace)

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
    def __init__(self, owner: TerminalProgress, progress: Progress, task: TaskID, pace: Pace) -> None:
        self._owner, self._progress, self._task, self._pace = owner, progress, task, pace

    def advance(self, amount: float) -> None:
        self._pace.advance(amount, self._progress.get_time())
        self._progress.advance(self._task, amount)

    def close(self) -> None:
        self._owner.closed(self._task)
