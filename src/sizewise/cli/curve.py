"""`sizewise finetune --learning-curve`: training on growing parts, told and drawn."""

from pathlib import Path
from typing import TYPE_CHECKING

from sizewise.cli import options
from sizewise.core.errors import InputError
from sizewise.core.extras import require

if TYPE_CHECKING:
    from sizewise.core.candidate import Model
    from sizewise.data.task import Task
    from sizewise.pipeline.bench import Bench
    from sizewise.train.examples import LabelledTexts, Pairs
    from sizewise.train.finetune import FineTuning


def show_curve(
    starts: "list[Model]",
    examples: "Pairs | LabelledTexts",
    tasks: "list[Task]",
    asked: "FineTuning",
    bench: "Bench",
    out: Path,
    per_label: list[int],
    json: Path | None,
) -> None:
    """Train on growing parts, tell what that gave, and draw it: `curve.json` and `curve.svg` in the folder `out`."""
    from rich.table import Table

    from sizewise.data.classification import Classification
    from sizewise.report.curve import curve_svg
    from sizewise.store.files import atomic, write_json
    from sizewise.train.curve import learning_curve
    from sizewise.train.examples import LabelledTexts

    task = next((one for one in tasks if isinstance(one, Classification)), None)
    if not isinstance(examples, LabelledTexts) or task is None or len(tasks) > 1:
        raise InputError("--learning-curve needs --labels, and one --task with labels to score on")
    require("vl_convert", "drawing a curve")
    if out.is_file():
        raise InputError(f"{out} is a file; name a folder for the curve")
    points = []
    for point in learning_curve(starts, examples, task, asked, bench, out / "models", per_label):
        points.append(point)
        bench.progress.say(f"{point.model}, {point.arm} on {point.texts:,} texts: {point.held_out:.2f}")
    document = {"schema": 1, "task": task.name, "metric": task.metric, "points": [one.to_json() for one in points]}
    write_json(out / "curve.json", document)
    with atomic(out / "curve.svg") as file:
        file.write(curve_svg(points).encode())
    if json is not None:
        options.write_document(json, document)
        if str(json) == "-":
            return
    table = Table("model", "arm")
    for heading in ("texts", "training", "held out", "95% interval"):
        table.add_column(heading, justify="right")
    for one in points:
        interval = f"{one.low:.2f} to {one.high:.2f}"
        table.add_row(one.model, one.arm, f"{one.texts:,}", f"{one.training:.2f}", f"{one.held_out:.2f}", interval)
    options.console().print(table)
    options.console().print(f"Drawn in {out / 'curve.svg'}", highlight=False, soft_wrap=True)
