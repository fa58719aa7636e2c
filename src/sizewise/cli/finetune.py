"""`sizewise finetune`: specialise a model to pairs that belong together, or to labels."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sizewise.cli import options
from sizewise.cli.curve import show_curve
from sizewise.cli.making import check_installed, show_made
from sizewise.core.errors import InputError

NAME = "finetune"

Files = list[Path]

RERANKED = 50
"""Of what the model finds, so many are ranked again where a reranker is judged."""


def command(
    model: Annotated[list[str], typer.Argument(help="The model to start from; several for --learning-curve.")],
    out: Annotated[Path, typer.Option(help="A new folder for the model.")],
    pairs: Annotated[
        Files, typer.Option(help="Table of anchor and positive (or query and document). Repeatable.")
    ] = [],  # noqa: B006 - typer copies defaults
    labels: Annotated[Files, typer.Option(help="Table of text and label. Repeatable.")] = [],  # noqa: B006
    task: Annotated[
        Files, typer.Option("--task", help="The model must be better on this task to be shipped. Repeatable.")
    ] = [],  # noqa: B006
    keep: Annotated[
        Files, typer.Option("--keep", help="The model must not be worse by the margin on this task. Repeatable.")
    ] = [],  # noqa: B006
    against: Annotated[
        list[str], typer.Option(help="A candidate that the model must be better than too, on every --task. Repeatable.")
    ] = [],  # noqa: B006
    margin: options.Margin = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Times that every example is seen (default 1 for pairs, 5 for labels; of few examples more)."
        ),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its highest.")] = None,
    batch: Annotated[int | None, typer.Option(min=4, help="Examples a batch.")] = None,
    negatives: Annotated[int | None, typer.Option(min=0, help="Hard negatives mined for each pair.")] = None,
    matryoshka: Annotated[
        list[int], typer.Option(min=1, help="With --pairs: dimensions that vectors stay good at. Repeatable.")
    ] = [],  # noqa: B006
    reranker: Annotated[
        bool,
        typer.Option("--reranker", help="With --pairs: make a cross-encoder, which ranks again what MODEL finds."),
    ] = False,
    lora: Annotated[bool, typer.Option("--lora", help="Train low-rank updates instead of all weights.")] = False,
    learning_curve: Annotated[
        bool,
        typer.Option("--learning-curve", help="With --labels: train each model on 5, 10, 25, 50 and 100% of them."),
    ] = False,
    per_label: Annotated[
        list[int], typer.Option(min=1, help="For --learning-curve: so many texts a label instead. Repeatable.")
    ] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0, help="Another one makes another model of the same recipe.")] = 0,
    price_per_hour: options.PricePerHour = None,
    store: options.Store = None,
    trust_remote_code: options.RemoteCode = [],  # noqa: B006
    allow_pickle: options.Pickles = [],  # noqa: B006
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """Specialise a model to pairs that belong together, or to labels, and tell whether it helped.

    With --task, it is compared on units that it never saw with the model that it was made from, and, for pairs, with a
    linear adapter of the queries. Stopped, the same command goes on where it was.
    """
    from sizewise.core.candidate import Cross, Embed, Model, Rerank
    from sizewise.core.extras import require
    from sizewise.core.grammar import local, parse, plain_model
    from sizewise.data.load import load_task
    from sizewise.pipeline.bench import Bench
    from sizewise.store.store import Store
    from sizewise.train.examples import Pairs, read_labels, read_pairs
    from sizewise.train.finetune import FineTuning, finetune, query_adapter
    from sizewise.train.gate import gate
    from sizewise.train.texts import held_back
    from sizewise.train.work import check_out

    if bool(pairs) == bool(labels):
        raise InputError(
            "say what to train on: --pairs FILE of what belongs together, or --labels FILE of labelled texts"
        )
    if per_label and not learning_curve:
        raise InputError("--per-label is for --learning-curve")
    if len(model) > 1 and not learning_curve:
        raise InputError(f"{len(model)} models were named, and one is trained at a time, but for --learning-curve")
    if labels and (matryoshka or negatives is not None):
        raise InputError(f"--{'matryoshka' if matryoshka else 'negatives'} is for --pairs")
    if reranker and not pairs:
        raise InputError("--reranker is for --pairs")
    if not learning_curve:
        check_out(out)
    if against and not task:
        raise InputError("--against needs a --task to compare on")
    starts, others = [plain_model(one) for one in model], [parse(one) for one in against]
    check_installed()
    if lora:
        require("peft", "--lora")
    gains, keeps = ([load_task(path) for path in paths] for paths in (task, keep))
    progress, trust = options.progress(quiet), options.trust(trust_remote_code, allow_pickle)
    tested = held_back([*gains, *keeps])
    examples = read_pairs(pairs, tested) if pairs else read_labels(labels, tested)
    left_out = f"; {examples.left_out:,} left out because tasks test them" if examples.left_out else ""
    progress.say(f"{len(examples):,} {'pairs' if pairs else 'texts with labels'} to train on{left_out}")
    chosen = {"epochs": epochs, "learning_rate": learning_rate, "batch": batch, "negatives": negatives}
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    asked = FineTuning(starts[0], widths=tuple(matryoshka), lora=lora, reranker=reranker, seed=seed, **given)
    with Store(store) as opened:
        bench = Bench(opened, trust, progress)
        if learning_curve:
            show_curve(starts, examples, gains, asked, bench, out, per_label, json)
            return
        sources = [str(path) for path in (*pairs, *labels)]
        about = finetune(asked, examples, out, bench, sources=sources, price_per_hour=price_per_hour)
        adapter = (
            query_adapter(starts[0], examples, bench)
            if isinstance(examples, Pairs) and any(one.needs == "rankings" for one in gains)
            else None
        )
        start, made = Embed(starts[0]), Model(local(out))
        candidate = Rerank(start, Cross(made), RERANKED) if reranker else Embed(made)
        verdict = gate(bench, start, candidate, gains, keeps, margin, adapter, others)
    show_made(out, about, verdict, json)
