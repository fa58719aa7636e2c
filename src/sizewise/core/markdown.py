"""Markdown that shows what users wrote as it is."""

import re

from sizewise.core.text import printable

_ANYWHERE = re.compile(r"[\\`*_\[\]<>|~&$]")
_AT_THE_START = re.compile(r"^(\d*)([#+.)-])")
"""What would mean something in Markdown."""


def escaped(text: str) -> str:
    """`text` in one line of Markdown that shows it as it is."""
    line = _ANYWHERE.sub(r"\\\g<0>", printable(" ".join(text.split())))
    return _AT_THE_START.sub(r"\1\\\2", line)


def code(text: str) -> str:
    """`text` as a code span."""
    line = printable(" ".join(text.split())) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padded = f" {line} " if line.startswith("`") or line.endswith("`") else line
    return f"{fence}{padded}{fence}"


def cell(text: str) -> str:
    """`text` as a code span inside a table."""
    return code(text).replace("|", "\\|")
