"""Following a training run: how it goes on, and how it ends in good order on Ctrl-C."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from transformers import TrainerCallback

from sizewise.core.progress import Bar, Progress

EVALUATED = "eval_"
"""What the trainer puts before the names of scores."""
TIMES = ("runtime", "samples_per_second", "steps_per_second")
"""What it adds to them."""


class Following(TrainerCallback):
    """Tells how training goes on, and ends it in good order on Ctrl-C."""

    def __init__(self, bar: Bar, progress: Progress) -> None:
        self._bar, self._progress = bar, progress
        self.stopped = False
        self.first = 0
        self.loss = float("nan")
        self.history: list[dict[str, float]] = []

    @contextmanager
    def interrupts(self) -> Iterator[None]:
        """Within the block the first Ctrl-C ends training behind a checkpoint; the second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def heard(*_: Any) -> None:
            if self.stopped:
                raise KeyboardInterrupt
            self.stopped = True
            self._progress.say("stopping behind this step; Ctrl-C again to stop at once")

        signal.signal(signal.SIGINT, heard)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.first = state.global_step
        looks = (one for one in state.log_history if any(name.startswith("eval_") for name in one))
        self.history = [{"step": float(one["step"]), **_told(one)} for one in looks]
        if self.first:
            self._progress.say(f"going on behind step {self.first:,} of {state.max_steps:,}")
        self._bar.advance(0.0)
        self._bar.advance(float(self.first))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self._bar.advance(1.0)
        if self.stopped:
            control.should_save = control.should_training_stop = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            with suppress(TypeError, ValueError):
                self.loss = float(logs["loss"])

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        kept = _told(metrics or {})
        self.history.append({"step": float(state.global_step), **kept})
        said = ", ".join(f"{name} {value:.4f}" for name, value in kept.items())
        self._progress.say(f"step {state.global_step:,} of {state.max_steps:,}: {said}, loss {self.loss:.4f}")


def _told(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The scores among what the trainer has logged."""
    found = {name.removeprefix(EVALUATED): value for name, value in metrics.items() if name.startswith(EVALUATED)}
    return {name: float(value) for name, value in found.items() if name not in TIMES}
