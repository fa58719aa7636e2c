"""The option tables of docs/commands.md are those of the command line. `python tests/docs/test_options.py` writes them.

They are read from the signatures of the commands, which typer's versions agree on.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import typer

from sizewise.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
TABLE = re.compile(r"(<!-- options: ([\w ]+) -->\n)(.*?)(<!-- end of options -->)", re.DOTALL)
KINDS = {Path: "PATH", str: "TEXT", int: "WHOLE NUMBER", float: "NUMBER"}


@dataclass(frozen=True)
class Parameter:
    """One argument or option, as its command's signature has it."""

    name: str
    kind: Any
    info: Any
    default: Any

    @property
    def is_argument(self) -> bool:
        return isinstance(self.info, typer.models.ArgumentInfo)

    @property
    def needed(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def repeats(self) -> bool:
        return list in map(get_origin, (self.kind, *get_args(self.kind)))

    @property
    def plain(self) -> Any:
        """The type of one value."""
        kinds = get_args(self.kind) if isinstance(self.kind, UnionType) else (self.kind,)
        kind = next(kind for kind in kinds if kind is not NoneType)
        return get_args(kind)[0] if get_origin(kind) is list else kind

    @property
    def value(self) -> str:
        if issubclass(self.plain, Enum):
            return "\\|".join(one.value for one in self.plain)
        return KINDS[self.plain]

    @property
    def placeholder(self) -> str:
        return self.info.metavar or self.name.upper() + ("..." if self.repeats else "")

    @property
    def options(self) -> list[str]:
        first = [self.info.default] if isinstance(self.info.default, str) else []  # typer takes a first name for it
        return [*first, *(self.info.param_decls or ())] or [f"--{self.name.replace('_', '-')}"]

    def row(self) -> str:
        what = (self.info.help or "").replace("|", "\\|")
        if self.is_argument:
            return f"| `{self.placeholder.replace('|', chr(92) + '|')}` | {what} | |"
        value = "" if self.plain is bool else f" {self.value}"
        names = ", ".join(f"`{name}{value}`" for name in self.options)
        return f"| {names} | {what} | {self.shown_default} |".replace("|  |", "| |")

    @property
    def shown_default(self) -> str:
        if self.needed:
            return "needed"
        value = getattr(self.default, "value", self.default)
        return "" if value in (None, False, []) else f"`{value}`"


def parameters(command: Callable[..., Any]) -> list[Parameter]:
    found = []
    for one in inspect.signature(command, eval_str=True).parameters.values():
        kind, info = get_args(one.annotation)
        found.append(Parameter(one.name, kind, info, one.default))
    return found


def commands(group: typer.Typer, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every command by name, as in `store show`."""
    for one in group.registered_commands:
        yield f"{prefix}{one.name}", one.callback
    for below in group.registered_groups:
        yield from commands(below.typer_instance, f"{prefix}{below.name} ")


def table(name: str, command: Callable[..., Any]) -> str:
    """Synopsis, what it does and the options of one command, in Markdown."""
    found = sorted(parameters(command), key=lambda one: not one.is_argument)
    arguments = [one.placeholder for one in found if one.is_argument]
    wanted = [
        f"{one.options[0]} {one.value}".replace("\\|", "|") for one in found if one.needed and not one.is_argument
    ]
    optional = ["[options]"] if any(not one.needed for one in found) else []
    synopsis = " ".join(["sizewise", name, *arguments, *wanted, *optional])
    head = ["```text", synopsis, "```", "", inspect.cleandoc(command.__doc__ or ""), ""]
    rows = ["| argument or option | what it is | default |", "|---|---|---|", *(one.row() for one in found)]
    return "".join(f"{line}\n" for line in [*head, *rows])


def tables() -> dict[str, str]:
    return {name: table(name, command) for name, command in commands(app)}


def test_the_page_has_every_command_and_option():
    found = {name: text for _, name, text, _ in TABLE.findall(PAGE.read_text(encoding="utf-8"))}
    assert found == tables(), "run: python tests/docs/test_options.py"


if __name__ == "__main__":
    wanted, page = tables(), PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda at: at[1] + wanted.get(at[2], "") + at[4], page), encoding="utf-8")
    for missing in wanted.keys() - {name for _, name, _, _ in TABLE.findall(page)}:
        print(f"{PAGE.name} has no place for it: <!-- options: {missing} --> and <!-- end of options -->")
