"""What a report leaves in a run folder."""

from pathlib import Path

from sizewise.decide.recommendation import Recommendation
from sizewise.report.html import report_html
from sizewise.report.picture import frontier_svg
from sizewise.store.files import atomic
from sizewise.study.run import Run


def write_picture(folder: Path, found: Recommendation) -> Path:
    """Write frontier.svg and return its path."""
    path = folder / "frontier.svg"
    with atomic(path) as file:
        file.write(frontier_svg(found).encode())
    return path


def write_report(path: Path, run: Run, found: Recommendation, *, text: bool = True) -> Path:
    """Write report.html, or `path` where that is no folder, and return its path."""
    path = path / "report.html" if path.is_dir() else path
    page = report_html(run, found, text=text)
    with atomic(path) as file:
        file.write(page.encode())
    return path
