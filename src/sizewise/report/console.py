"""The console that all of the command line prints through: text from data cannot act on the terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from sizewise.core.text import printable

MOST_CHARACTERS = 5_000
"""Of one cell or line; nothing of our own is as long."""


class SafeConsole(Console):
    """A rich console that writes out control characters and direction marks instead of passing them on.

    Strings are cleaned before they are measured, so tables keep their shape; whatever else is rendered is cleaned as it
    goes out. The escapes for colour, and those that move progress bars, are rich's own and are added after that.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text, MOST_CHARACTERS), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
