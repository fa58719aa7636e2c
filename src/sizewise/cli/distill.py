"""`sizewise distill`: make a smaller model that gives its teacher's vectors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sizewise.cli import options
from sizewise.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sizewise.core.candidate import Model
    from sizewise.train.texts import TrainingText

NAME = "distill"

Text = Annotated[
    list[str],
    typer.Option(
        help="Text to train on: a table (of pairs both sides), a .txt file, a folder of them, the folder of a task (what "
        "it offers for training) or a study file (the same of its tasks). Repeatable."
    ),
]


def command(
    teacher: Annotated[str, typer.Argument(help="The model to learn from, as in all-MiniLM-L6-v2.")],
    text: Text,
    out: Annotated[Path, typer.Option(help="A new folder for the model.")],
    layers: Annotated[int | None, typer.Option(min=1, help="Keep so many of its layers.")] = None,
    static: Annotated[bool, typer.Option("--static", help="One vector a token instead: runs without torch.")] = False,
    dimensions: Annotated[
        int | None, typer.Option(min=1, help="A narrower output (default: the teacher's; 256 for --static).")
    ] = None,
    matryoshka: Annotated[
        list[int], typer.Option(min=1, help="Dimensions that the vectors stay good at when truncated. Repeatable.")
    ] = [],  # noqa: B006 - typer copies defaults
    field: Annotated[
        list[str], typer.Option(help="Column of tables that holds text (default: the usual ones). Repeatable.")
    ] = [],  # noqa: B006
    sentences: Annotated[
        bool, typer.Option("--sentences/--no-sentences", help="Long texts in sentences too.")
    ] = True,
    most_texts: Annotated[int, typer.Option(min=2, help="A random sample of so many texts, where there are more.")] = (
        1_000_000
    ),
    task: Annotated[
        list[Path], typer.Option("--task", help="Judge the model on this task; its tested texts are kept out. Repeatable.")
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
    """Make a smaller model that gives its teacher's vectors: fewer layers, or one vector a token.

    Stopped, the same command goes on where it was. With --task, the model is compared with its teacher on units that
    it never saw, and the verdict is printed.
    """
    from sizewise.core.extras import require
    from sizewise.store.store import Store
    from sizewise.train.distil import Distillation, distil
    from sizewise.train.work import check_out

    if (layers is None) == (not static):
        raise InputError("say what to make: --layers N for a model of N layers, or --static for one vector a token")
    check_out(out)
    model = named(teacher)
    for package in ("datasets", "accelerate"):
        require(package, "training")
    trust, progress = options.trust(trust_remote_code, allow_pickle), options.progress(quiet)
    chosen = {"epochs": epochs, "learning_rate": learning_rate, "batch_tokens": batch_tokens}
    given = {name: value for name, value in chosen.items() if value is not None}
    found = material(text, field, task, split=sentences, most=most_texts, seed=seed)
    progress.say(found.words())
    with Store(store) as opened:
        assert layers is not None
        about = distil(
            Distillation(model, layers, dimensions, tuple(matryoshka), seed=seed, **given),  # type: ignore[arg-type]
            found,
            out,
            sources=text,
            store=opened,
            progress=progress,
            trust=trust,
            price_per_hour=price_per_hour,
        )
    options.console().print(f"{out}: {about.made}; {about.seconds:.0f} s", highlight=False, soft_wrap=True)


def named(text: str) -> "Model":
    """The model that a plain candidate names. Raises InputError for any other candidate."""
    from sizewise.core.candidate import Embed
    from sizewise.core.grammar import parse

    candidate = parse(text)
    if not isinstance(candidate, Embed) or candidate.steps:
        raise InputError(f"{text} is no model: name one without transforms, as in all-MiniLM-L6-v2")
    return candidate.model


def material(
    text: list[str], field: list[str], task: list[Path], *, split: bool, most: int, seed: int
) -> "TrainingText":
    """What to train on, without what the tasks test."""
    from sizewise.data.load import load_task
    from sizewise.study.config import read_config
    from sizewise.train.texts import held_back, source_texts, task_texts, training_text

    def of(name: str) -> "Iterator[str]":
        if not name.endswith(".toml"):
            return source_texts(Path(name), field)
        return task_texts(load_task(one.path, protocol=one.protocol, name=one.name) for one in read_config(Path(name)).tasks)

    tasks = [load_task(path) for path in task]
    return training_text((one for name in text for one in of(name)), split, held_back(tasks), most, seed)


