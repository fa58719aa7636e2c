"""`sizewise distill`: make a smaller model that gives its teacher's vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sizewise.cli import options
from sizewise.cli.making import check_installed, show_made
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sizewise.data.task import Task
    from sizewise.train.texts import TrainingText

NAME = "distill"

Text = Annotated[
    list[str],
    typer.Option(
        help="Text to train on: a table (of pairs both sides), a .txt file, a folder of them, the folder of a task "
        "(what it offers for training) or a study file (the same of its tasks). Repeatable."
    ),
]


def command(
    teacher: Annotated[str, typer.Argument(help="The model to learn from, as in all-MiniLM-L6-v2.")],
    out: Annotated[Path, typer.Option(help="A new folder for the model.")],
    text: Text = [],  # noqa: B006 - typer copies defaults
    layers: Annotated[int | None, typer.Option(min=1, help="Keep so many of its layers.")] = None,
    static: Annotated[bool, typer.Option("--static", help="One vector a token instead: runs without torch.")] = False,
    into: Annotated[
        str | None,
        typer.Option(help="Learn the vectors of this model instead: for queries to documents that it encodes."),
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(min=1, help="A narrower output (default: the teacher's; 256 for --static).")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="With --static: a byte a number.")] = False,
    own_vocabulary: Annotated[
        bool, typer.Option("--own-vocabulary", help="With --static: rows only for tokens that the text has.")
    ] = False,
    matryoshka: Annotated[
        list[int], typer.Option(min=1, help="Dimensions that the vectors stay good at when truncated. Repeatable.")
    ] = [],  # noqa: B006
    field: Annotated[
        list[str], typer.Option(help="Column of tables that holds text (default: the usual ones). Repeatable.")
    ] = [],  # noqa: B006
    sentences: Annotated[bool, typer.Option("--sentences/--no-sentences", help="Long texts in sentences too.")] = True,
    most_texts: Annotated[int, typer.Option(min=2, help="A random sample of so many texts, where there are more.")] = (
        1_000_000
    ),
    task: Annotated[
        list[Path],
        typer.Option("--task", help="Judge the model on this task; its tested texts are kept out. Repeatable."),
    ] = [],  # noqa: B006
    margin: options.Margin = None,
    epochs: Annotated[float | None, typer.Option(help="Times that every text is seen; 0 with --static: untrained.")] = (
        None
    ),
    learning_rate: Annotated[float | None, typer.Option(help="At its highest.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=64, help="Tokens a batch.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one makes another model of the same recipe.")] = 0,
    price_per_hour: options.PricePerHour = None,
    store: options.Store = None,
    trust_remote_code: options.RemoteCode = [],  # noqa: B006
    allow_pickle: options.Pickles = [],  # noqa: B006
    quiet: options.Quiet = False,
    json: options.JsonFile = None,
) -> None:
    """Make a smaller model that gives its teacher's vectors: fewer layers, or one vector a token; or, with --into, one
    whose queries find what another model encoded.

    Stopped, the same command goes on where it was. With --task, the model is compared with its teacher on units that
    it never saw, and the verdict is printed.
    """
    from sizewise.core.candidate import Asym, Embed, Model
    from sizewise.core.grammar import local, plain_model
    from sizewise.data.load import load_task
    from sizewise.pipeline.bench import Bench
    from sizewise.store.store import Store
    from sizewise.train.distil import Distillation, distil
    from sizewise.train.gate import gate
    from sizewise.train.static import StaticDistillation, make_static
    from sizewise.train.work import check_out

    if static and (layers is not None or into is not None):
        raise InputError("--static is made from its teacher alone, without --layers or --into")
    if layers is None and not static and into is None:
        raise InputError(
            "say what to make: --layers N for a model of N layers, --static for one vector a token, or --into MODEL "
            "for queries to documents of that model"
        )
    if not static and (int8 or own_vocabulary):
        raise InputError(f"--{'int8' if int8 else 'own-vocabulary'} is for --static models")
    if static and matryoshka:
        raise InputError("--matryoshka is for models of layers; a static one takes --dimensions")
    if not text and not (static and not epochs):
        raise InputError("give --text to train on: a table, a .txt file, a folder of texts, a task or a study file")
    check_out(out)
    model = plain_model(teacher)
    check_installed()
    tasks = [load_task(path) for path in task]
    progress = options.progress(quiet)
    chosen = {"epochs": epochs, "learning_rate": learning_rate, "batch_tokens": batch_tokens, "dimensions": dimensions}
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    found = material(text, field, tasks, split=sentences, most=most_texts, seed=seed) if text else None
    if found:
        progress.say(found.words())
    with Store(store) as opened:
        bench = Bench(opened, options.trust(trust_remote_code, allow_pickle), progress)
        common: dict[str, Any] = {"sources": text, "price_per_hour": price_per_hour}
        if static:
            table = StaticDistillation(model, int8=int8, own_vocabulary=own_vocabulary, seed=seed, **given)
            about = make_static(table, found, out, bench, **common)
        else:
            assert found is not None
            space = None if into is None else plain_model(into)
            asked = Distillation(model, layers, space, widths=tuple(matryoshka), seed=seed, **given)
            about = distil(asked, found, out, bench, **common)
        made = Embed(Model(f"static:{out}" if static else local(out)))
        if into is None:
            verdict = gate(bench, Embed(model), made, keeps=tasks, margin=margin)
        else:
            large = Embed(plain_model(into))
            verdict = gate(bench, large, Asym(made, large), keeps=tasks, margin=margin)
    show_made(out, about, verdict, json)


def material(
    text: list[str], field: list[str], tasks: "list[Task]", *, split: bool, most: int, seed: int
) -> "TrainingText":
    """What to train on, without what the tasks test."""
    from sizewise.data.load import load_task
    from sizewise.study.config import read_config
    from sizewise.train.texts import held_back, source_texts, task_texts, training_text

    def of(name: str) -> "Iterator[str]":
        if not name.endswith(".toml"):
            return source_texts(Path(name), field)
        return task_texts(
            load_task(one.path, protocol=one.protocol, name=one.name) for one in read_config(Path(name)).tasks
        )

    return training_text((one for name in text for one in of(name)), split, held_back(tasks), most, seed)
