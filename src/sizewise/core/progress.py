"""How long work tells what it is doing. The library is silent unless given a `Progress` that speaks."""

from typing import Protocol


class Bar(Protocol):
    """One piece of long work with a known amount."""

    def advance(self, amount: float) -> None:
        """So much more is done. Zero says that what came before was preparation, whose time tells nothing."""
        ...

    def close(self) -> None: ...


class Progress(Protocol):
    """Somebody who wants to know: a terminal, a log, nobody."""

    def bar(self, label: str, total: float) -> Bar:
        """Work of `total` units begins; amounts are comparable within one bar, so time left can be told."""
        ...

    def say(self, message: str) -> None:
        """One line worth reading: what is re-used, what is waited for."""
        ...


class _SilentBar:
    def advance(self, amount: float) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Says nothing."""

    def bar(self, label: str, total: float) -> Bar:
        return _SilentBar()

    def say(self, message: str) -> None: ...
