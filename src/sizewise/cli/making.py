"""What `distill` and `finetune` share: telling what was made, and whether it may be shipped."""

from pathlib import Path
from typing import TYPE_CHECKING

from sizewise.cli import options

if TYPE_CHECKING:
    from sizewise.train.card import Provenance
    from sizewise.train.gate import Verdict


def check_installed() -> None:
    """Raises MissingExtra where what training needs is missing."""
    from sizewise.core.extras import require

    for package in ("datasets", "accelerate"):
        require(package, "training")


def show_made(out: Path, about: "Provenance", verdict: "Verdict", json: Path | None) -> None:
    """What was made, and whether it may be shipped."""
    from dataclasses import asdict

    if json is not None:
        options.write_document(json, {"schema": 1, "model": str(out), **asdict(about), "gate": verdict.to_json()})
        if str(json) == "-":
            return
    lines = [f"{out}: {about.made}; {about.texts:,} texts, {about.seconds:.0f} s"]
    if about.cost is not None:
        lines.append(f"cost: {about.cost:.2f} at {about.price_per_hour:g} an hour")
    lines += verdict.words() if verdict.tasks else ["not judged: name a task with --task to see whether to ship it"]
    for line in lines:
        options.console().print(line, highlight=False, soft_wrap=True)
