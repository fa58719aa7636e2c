"""`sizewise eval`: scores only."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from sizewise.core.candidate import Candidate
    from sizewise.data.task import Task
    from sizewise.pipeline.bench import Bench

NAME = "eval"


def command(
    candidate: Annotated[list[str], typer.Argument(help="Candidates, as in all-MiniLM-L6-v2+int8.")],
    task: options.Tasks,
    protocol: Annotated[
        str | None, typer.Option(help="Of classification tasks: tuned (default), full or mteb.")
    ] = None,
    json: options.JsonFile = None,
    store: options.Store = None,
    trust_remote_code: options.RemoteCode = [],  # noqa: B006 - typer copies defaults
    allow_pickle: options.Pickles = [],  # noqa: B006
    allow_remote: options.AllowRemote = False,
    quiet: options.Quiet = False,
) -> None:
    """Score candidates on tasks, with 95% intervals."""
    from sizewise.auto.settle import settled_in
    from sizewise.certify.measure import check_neighbours, has_certificate
    from sizewise.certify.texts import parts
    from sizewise.core.grammar import parse
    from sizewise.data.load import load_task
    from sizewise.data.probe import PROTOCOLS
    from sizewise.evaluate import refuse_shape
    from sizewise.pipeline.bench import Bench, calibration_sample
    from sizewise.pipeline.departure import permit, say_spent, to_encode
    from sizewise.store.store import Store
    from sizewise.study.space import distinct_models, with_reference
    from sizewise.train.unseen import check_unseen

    if protocol is not None and protocol not in PROTOCOLS:
        raise InputError(f"unknown protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    trust, progress = options.trust(trust_remote_code, allow_pickle, allow_remote), options.progress(quiet)
    candidates = [parse(text) for text in settled_in(candidate, task, store=store, trust=trust, progress=progress)]
    for one in candidates:
        refuse_shape(one)
    tasks = [load_task(path, protocol=protocol) for path in task]
    for note in check_unseen(candidates, tasks):
        progress.say(note)
    with Store(store) as opened:
        bench = Bench(opened, trust, progress, calibration_sample(tasks))
        work = [(one, with_reference(one, candidates)) for one in tasks]
        permit(to_encode(bench, work), trust, bench.progress)
        for model in {one.model for _, found in work for one in distinct_models(found) if has_certificate(one.model)}:
            check_neighbours(bench, model, parts(tasks))
        try:
            results = [result for one in tasks for result in scores(bench, one, candidates)]
        finally:
            say_spent(trust, bench.progress)
    if not results:
        raise InputError(
            f"none of the candidates applies to {', '.join(one.name for one in tasks)}; bm25 ranks documents and does "
            "nothing else, so give a model"
        )
    if json is not None:
        options.write_results(json, results)
    if json is None or str(json) != "-":
        _show(results, [note for one in tasks for note in one.notes])


def scores(bench: "Bench", task: "Task", candidates: "list[Candidate]") -> list[dict[str, Any]]:
    """One result for each candidate that the task applies to."""
    from sizewise.core.candidate import encoders
    from sizewise.decide.evidence import compare
    from sizewise.evaluate import applies, record
    from sizewise.study.truncation import truncation
    from sizewise.study.work import reference_record

    results = []
    reference = reference_record(bench, task, candidates)
    for candidate in candidates:
        if not applies(candidate, task):
            bench.progress.say(f"{candidate} does not apply to {task.name} ({task.kind}); left out")
            continue
        started = time.perf_counter()
        raw = record(bench, task, candidate)
        seconds = time.perf_counter() - started
        found = compare(task, [raw], reference)
        cuts = [truncation(bench, task, plain)["truncated_texts"] for plain in encoders(candidate)]
        cut = None if None in cuts else max(cuts, default=0)
        results.append(
            {
                "candidate": str(candidate),
                "task": task.name,
                "kind": task.kind,
                "metric": task.metric,
                "value": float(found.points[0]),
                "ci95": [float(found.low[0]), float(found.high[0])],
                "approximate": found.approximate[0],
                "units": len(task.units),
                "groups": task.units.group_count,
                "truncated_texts": cut,
                "seconds": round(seconds, 3),
                "also": {name: 100 * value for name, value in task.also(raw).items()},
            }
        )
    return results


def _show(results: list[dict[str, Any]], notes: list[str]) -> None:
    from rich.table import Column, Table

    console = options.console()
    table = Table(Column("candidate", overflow="fold"), "task", "metric")
    for heading in ("score", "95% interval", "units", "cut off"):
        table.add_column(heading, justify="right")
    for one in results:
        low, high = one["ci95"]
        cut = "not known" if one["truncated_texts"] is None else f"{one['truncated_texts']:,}"
        interval = f"{low:.2f} to {high:.2f}{' ~' if one['approximate'] else ''}"
        table.add_row(
            one["candidate"], one["task"], one["metric"], f"{one['value']:.2f}", interval, f"{one['units']:,}", cut
        )
    console.print(table)
    for one in results:
        for name, value in one["also"].items():
            console.print(f"{one['candidate']} on {one['task']}: {name} {value:.2f}", highlight=False, soft_wrap=True)
    reasons = {one["approximate"] for one in results if one["approximate"]}
    for line in [*(f"~ approximate: {reason}" for reason in sorted(reasons)), *notes]:
        console.print(line, style="dim", highlight=False, soft_wrap=True)
