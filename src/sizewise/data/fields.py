"""One value of one row, checked. Each function returns the value or raises InputError naming file, line and remedy."""

import math
from pathlib import Path
from typing import Any

from sizewise.core.errors import InputError
from sizewise.data.formats import Row

_BOOLEANS = {
    "true": True, "t": True, "yes": True, "1": True,
    "false": False, "f": False, "no": False, "0": False,
}  # fmt: skip


def bad(path: Path, line: int, problem: str) -> InputError:
    """The error for one line of one file."""
    return InputError(f"{path}:{line}: {problem}")


def text(path: Path, line: int, row: Row, column: str) -> str:
    """A text that is not blank, as it stands in the file."""
    value = _present(path, line, row, column)
    if type(value) is not str:
        raise bad(path, line, f"{column!r} is {_kind(value)}, not a text; write it as a string")
    if not value or value.isspace():
        raise bad(path, line, f"{column!r} is empty; fill it or remove the line")
    return value


def optional_text(path: Path, line: int, row: Row, column: str) -> str:
    """A text that may be blank, null or absent: then it is the empty string."""
    value = row.get(column)
    if value is None:
        return ""
    if type(value) is not str:
        raise bad(path, line, f"{column!r} is {_kind(value)}, not a text; write it as a string")
    return value


def name(path: Path, line: int, row: Row, column: str) -> str:
    """An identifier or a label: a string that is not blank, a whole number, or true and false; as a string."""
    value = _present(path, line, row, column)
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    return text(path, line, row, column)


def number(path: Path, line: int, row: Row, column: str) -> float:
    """A finite number."""
    value = _present(path, line, row, column)
    if type(value) in (int, float):
        result = float(value)
    else:
        try:
            result = float(value) if type(value) is str else math.nan
        except ValueError:
            result = math.nan
    if not math.isfinite(result):
        raise bad(path, line, f"{column!r} is {value!r}, not a finite number; correct it or remove the line")
    return result


def whole_number(path: Path, line: int, row: Row, column: str) -> int:
    """A whole number; `1.0` is one."""
    value = number(path, line, row, column)
    if not value.is_integer():
        raise bad(path, line, f"{column!r} is {value}, not a whole number; grades are 0, 1, 2, ...")
    return int(value)


def boolean(path: Path, line: int, row: Row, column: str) -> bool:
    """True or false; also 1 and 0, and the words in any case."""
    value = _present(path, line, row, column)
    result = _BOOLEANS.get(str(value).strip().lower()) if type(value) in (bool, int, str) else None
    if result is None:
        raise bad(path, line, f"{column!r} is {value!r}, neither true nor false; write true or false")
    return result


def _present(path: Path, line: int, row: Row, column: str) -> Any:
    value = row.get(column)
    if value is not None:
        return value
    if column in row:
        raise bad(path, line, f"{column!r} is null; fill it or remove the line")
    columns = ", ".join(map(repr, row)) or "none"
    raise bad(
        path, line, f"{column!r} is missing (there are: {columns}); add it, or map another with `fields` in task.toml"
    )


def _kind(value: Any) -> str:
    return {int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object"}.get(
        type(value), type(value).__name__
    )
