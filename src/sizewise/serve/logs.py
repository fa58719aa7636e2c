"""A line for each request, and for what befalls the server. Nothing that a user wrote is in them, and no key.

For programs a line is JSON; on a terminal it is made to be read.
"""

import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from sizewise.core.text import printable


def log(event: str, **about: Any) -> None:
    """On standard error."""
    now = datetime.now(UTC)
    if sys.stderr.isatty():
        words = " ".join(f"{name}={value}" for name, value in about.items())
        line = printable(f"{now.astimezone():%H:%M:%S} {event:9} {words}")
    else:
        line = orjson.dumps({"time": now.isoformat(timespec="milliseconds"), "event": event, **about}).decode()
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
