"""`sizewise certify`: are an engine's vectors those of the reference?"""

from typing import TYPE_CHECKING, Annotated

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError, RunError
from sizewise.core.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from sizewise.certify.certificate import Certificate
    from sizewise.core.candidate import Embed
    from sizewise.data.task import Task
    from sizewise.pipeline.bench import Bench

NAME = "certify"
MOST_TEXT = 100
"""Characters shown of a text."""


def command(
    candidate: Annotated[
        list[str], typer.Argument(help="Models at a precision or on a runtime, as in all-MiniLM-L6-v2@bf16.")
    ],
    task: options.Tasks = [],  # noqa: B006 - typer copies defaults
    json: options.JsonFile = None,
    store: options.Store = None,
    trust_remote_code: options.RemoteCode = [],  # noqa: B006
    allow_pickle: options.Pickles = [],  # noqa: B006
    quiet: options.Quiet = False,
) -> None:
    """Show how far a model's vectors on a runtime are from those of the same model in float32 on torch.

    On canary texts, packaged sentences and, with --task, your own. Exit code 1 when an engine is not offered.
    """
    from sizewise.auto.settle import settled_in
    from sizewise.certify.measure import has_certificate
    from sizewise.core.candidate import Embed
    from sizewise.core.grammar import parse
    from sizewise.data.load import load_task
    from sizewise.pipeline.bench import Bench, calibration_sample
    from sizewise.store.store import Store

    trust, progress = options.trust(trust_remote_code, allow_pickle), options.progress(quiet)
    engines = []
    for text in settled_in(candidate, task, store=store, trust=trust, progress=progress):
        found = parse(text)
        if not isinstance(found, Embed) or not has_certificate(found.model):
            raise InputError(
                f"{found} has no certificate: it is the reference itself, or nothing that the reference runs too; give "
                "a model by name or folder with a precision or runtime, as in all-MiniLM-L6-v2@bf16"
            )
        engines.append(found.plain)
    tasks = [load_task(path) for path in task]
    with Store(store) as opened:
        bench = Bench(opened, trust, progress, calibration_sample(tasks))
        results = [certified(bench, one, tasks) for one in dict.fromkeys(engines)]
    if json is not None:
        options.write_results(json, [one.to_json() for one in results])
    if json is None or str(json) != "-":
        for one in results:
            show(options.console(), one)
    if refused := [one.sentence for one in results if not one.offered]:
        raise RunError("; and ".join(refused))


def certified(bench: "Bench", engine: "Embed", tasks: "list[Task]") -> "Certificate":
    """The certificate of one engine with its scores and the reference's on `tasks`, which are encoded whole by both.

    Without scores where its vectors depend on their neighbours.
    """
    from dataclasses import replace

    import numpy as np

    from sizewise.certify.measure import certify, on_task, reference_model
    from sizewise.certify.texts import parts
    from sizewise.core.candidate import Embed
    from sizewise.decide.evidence import compare
    from sizewise.evaluate import record
    from sizewise.study.study import facts
    from sizewise.study.work import reference_record

    found = certify(bench, engine.model, parts(tasks))
    if found.neighbours.reasons:
        return found
    pair = [Embed(reference_model(engine.model)), engine]
    rows = []
    for task in tasks:
        other, own = (record(bench, task, one) for one in pair)
        compared = compare(task, [other, own], reference_record(bench, task, pair))
        rows.append(on_task(facts(task, np.arange(len(task.units))), compared, (1, own), (0, other)))
    return replace(found, tasks=tuple(rows))


def show(console: "Console", found: "Certificate") -> None:
    """Figures beside what is asked, tasks, and the worst texts."""
    from rich.table import Column, Table

    figures = Table(Column("cosine with the reference's vector"), title=found.engine, title_justify="left")
    for heading in ("found", "least"):
        figures.add_column(heading, justify="right")
    for words, value, least in found.rows():
        figures.add_row(words, f"{value:.5f}", "-" if least is None else f"{least:g}")
    console.print(figures)
    if found.tasks:
        tasks = Table("task", "metric", title="Scores, engine less reference", title_justify="left")
        for heading in ("difference", "95% interval", "same top 10"):
            tasks.add_column(heading, justify="right")
        for one in found.tasks:
            change = one.change
            interval = f"{change.low:+.2f} to {change.high:+.2f}{' ~' if change.approximate else ''}"
            top10 = "-" if one.top10 is None else f"{100 * one.top10:.1f}%"
            tasks.add_row(change.task, one.metric, f"{change.gain:+.2f}", interval, top10)
        console.print(tasks)
    worst = Table(Column("cosine", justify="right"), "from", "text", title="The worst texts", title_justify="left")
    for text in found.shown:
        worst.add_row(f"{text.cosine:.5f}", text.source, printable(repr(text.text), MOST_TEXT))
    console.print(worst)
    console.print(f"{found.sentence}.", highlight=False, soft_wrap=True)
