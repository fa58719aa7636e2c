"""`sizewise cost`: cost only, also for shapes whose weights nobody has."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from sizewise.core.candidate import Part
    from sizewise.cost.figures import Figures

NAME = "cost"

SINGLE_STREAM = ("p50_ms", "p95_ms", "p99_ms")
OFFLINE = ("texts_per_s", "tokens_per_s")
BOTH = ("load_s", "peak_memory_mb", "device_memory_mb", "disk_mb", "bytes_per_vector", "parameters")


def command(
    candidate: Annotated[list[str], typer.Argument(help="Candidates, as in all-MiniLM-L6-v2 or shape:bert-large.")],
    task: options.Tasks = [],  # noqa: B006 - typer copies defaults
    threads: options.Threads = None,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 3,
    json: options.JsonFile = None,
    store: options.Store = None,
    trust_remote_code: options.RemoteCode = [],  # noqa: B006
    allow_pickle: options.Pickles = [],  # noqa: B006
    allow_remote: options.AllowRemote = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure latency, throughput, memory and start-up of encoders and cross-encoders, each in a fresh process,
    interleaved.

    A shape that cannot fit this machine is answered at once, by arithmetic.
    """
    from sizewise.auto.settle import settled_in
    from sizewise.core.candidate import Cross, Embed, Lexical, model_of
    from sizewise.core.environment import processors
    from sizewise.core.grammar import parse_part
    from sizewise.cost.measure import Plan, measure, predicted
    from sizewise.cost.remote import to_time
    from sizewise.cost.sample import packaged, sample
    from sizewise.data.load import load_task
    from sizewise.encode.resolve import resolve
    from sizewise.pipeline.bench import calibration_sample
    from sizewise.pipeline.departure import permit, say_spent
    from sizewise.store.store import Store
    from sizewise.study.costing import baseline_task

    trust, progress = options.trust(trust_remote_code, allow_pickle, allow_remote), options.progress(quiet)
    candidate = settled_in(candidate, task, store=store, trust=trust, progress=progress, threads=threads)
    subjects: list[Part] = list(dict.fromkeys(_subject(parse_part(text)) for text in candidate))
    hopeless = {subject: found for subject in subjects if (found := predicted(subject))}
    for subject in subjects:
        if isinstance(subject, Embed | Cross) and subject not in hopeless:
            resolve(model_of(subject), trust)  # says what is wrong with it before anything is measured
    count = threads or processors()
    figures: dict[Part, Figures] = dict(hopeless)
    about = "arithmetic"
    if rest := [subject for subject in subjects if subject not in hopeless]:
        tasks = [load_task(path) for path in task]
        if any(isinstance(one, Lexical) for one in rest) and baseline_task(tasks) is None:
            raise InputError("bm25 has no encoder: its cost is that of a search, so give a --task with documents")
        texts = sample(tasks) if tasks else packaged()
        about = texts.about
        with Store(store) as opened:
            plan = Plan(
                texts,
                count,
                task=baseline_task(tasks),
                store=opened.root,
                trust=trust,
                rounds=rounds,
                calibration=calibration_sample(tasks),
            )
            permit(to_time(rest, texts, rounds, trust), trust, progress)
            try:
                figures |= measure(rest, plan, progress).figures
            finally:
                say_spent(trust, progress)
    if json is not None:
        rows = [row for subject in subjects for row in results(subject, figures[subject])]
        options.write_results(json, rows, count)
    if json is None or str(json) != "-":
        _show({subject: figures[subject] for subject in subjects}, about, count)


def results(subject: "Part", figures: "Figures") -> list[dict[str, Any]]:
    """One row a scenario; null where a figure does not apply."""
    scenarios = {"single-stream": SINGLE_STREAM, "offline": OFFLINE}
    rows = []
    for scenario, own in scenarios.items():
        row: dict[str, Any] = {"candidate": str(subject), "scenario": scenario}
        row |= {
            name: getattr(figures, name) if name in (*own, *BOTH) else None
            for name in (*OFFLINE, *SINGLE_STREAM, *BOTH)
        }
        rows.append(row | {"source": figures.source, "note": figures.note})
    return rows


def _subject(candidate: "Part") -> "Part":
    """Cost is an encoder's or a cross-encoder's: what is around them is measured in a study, where there is a corpus to
    search."""
    from sizewise.core.candidate import Embed, Lexical, is_hybrid, leaves

    if is_hybrid(candidate) or (isinstance(candidate, Embed) and candidate.steps):
        parts = dict.fromkeys(one.plain if isinstance(one, Embed) else one for one in leaves(candidate))
        encoders = ", ".join(str(one) for one in parts if not isinstance(one, Lexical))
        raise InputError(
            f"{candidate}: cost measures encoders ({encoders}); what the rest costs depends on the corpus, and a study "
            "measures it: sizewise study --task DIR CANDIDATE..."
        )
    return candidate


def _show(found: "dict[Part, Figures]", about: str, threads: int) -> None:
    from rich.table import Column, Table

    console = options.console()
    table = Table(Column("candidate", overflow="fold"))
    for heading in (
        "parameters",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "texts/s",
        "1,000 texts",
        "memory MB",
        "load s",
        "disk MB",
    ):
        table.add_column(heading, justify="right")
    for subject, figures in found.items():
        names = ("p50_ms", "p95_ms", "p99_ms", "texts_per_s")
        rest = [_number(getattr(figures, name)) for name in names]
        rest.append(_duration(1000 / figures.texts_per_s) if figures.texts_per_s else "-")
        rest += [_number(getattr(figures, name)) for name in ("peak_memory_mb", "load_s", "disk_mb")]
        parameters = f"{figures.parameters / 1e6:,.1f}M" if figures.parameters else "-"
        table.add_row(str(subject), parameters, *rest)
    console.print(table)
    console.print(f"{about}; {threads} threads; a fresh process each, rounds interleaved", style="dim", highlight=False)
    for subject, figures in found.items():
        if figures.note:
            console.print(f"{subject} ({figures.source}): {figures.note}.", highlight=False, soft_wrap=True)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
