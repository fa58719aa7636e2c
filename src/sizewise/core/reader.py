"""A cursor over the string form of a candidate: what any grammar needs, and nothing of this one."""

import re
from dataclasses import dataclass

from sizewise.core.errors import InputError

SPACE = re.compile(r"\s*")


@dataclass(slots=True)
class Reader:
    """A cursor over `text`, stripped of white space at its ends."""

    text: str
    at: int = 0

    def __post_init__(self) -> None:
        self.text = self.text.strip()

    @property
    def done(self) -> bool:
        return self.at == len(self.text)

    def take(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def need(self, pattern: re.Pattern[str], what: str) -> str:
        found = self.take(pattern)
        if found is None:
            raise self.error(what)
        return found

    def skip(self, character: str) -> bool:
        if self.text.startswith(character, self.at):
            self.at += len(character)
            return True
        return False

    def blank(self) -> None:
        """Past white space."""
        self.take(SPACE)

    def comma(self) -> bool:
        """Past a comma and the white space around it, where there is one."""
        self.blank()
        if not self.skip(","):
            return False
        self.blank()
        return True

    def expect_comma(self) -> None:
        if not self.comma():
            raise self.error("','")

    def close(self) -> None:
        """Past the closing parenthesis."""
        self.blank()
        if not self.skip(")"):
            raise self.error("',' or ')'")

    def error(self, expected: str) -> InputError:
        rest = self.text[self.at : self.at + 12]
        found = repr(rest) if rest else "the end"
        return InputError(f"candidate {self.text!r}: expected {expected} at character {self.at + 1}, found {found}")
