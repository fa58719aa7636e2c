"""The errors that users meet: one sentence that says what is wrong, where, and what to do."""

INTERRUPTED = 130
"""The exit code by Ctrl-C, as shells have it."""


class SizewiseError(Exception):
    """Base of all errors that Sizewise raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(SizewiseError):
    """The input or the command is wrong: bad data, an unknown name, a value out of range."""

    exit_code = 2


class RunError(SizewiseError):
    """Something failed while running: a model that does not load, a worker that died."""


class MissingExtra(InputError):  # noqa: N818 - what is wrong is that it is missing
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package}; install it with: pip install 'sizewise[{extra}]'")
