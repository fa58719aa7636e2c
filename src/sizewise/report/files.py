"""What a report leaves in a run folder."""

from pathlib import Path

from sizewise.decide.recommendation import Recommendation
from sizewise.report.picture import frontier_svg
from sizewise.store.files import atomic


def write_picture(folder: Path, found: Recommendation) -> Path:
    """Write frontier.svg and return its path."""
    path = folder / "frontier.svg"
    with atomic(path) as file:
        file.write(frontier_svg(found).encode())
    return path
