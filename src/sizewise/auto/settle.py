"""`MODEL@auto` to the engines that it stands for on this machine, before a candidate is read."""

from collections.abc import Sequence
from pathlib import Path

from sizewise.auto.choice import Choice
from sizewise.auto.measure import chosen
from sizewise.core.candidate import Embed
from sizewise.core.environment import processors
from sizewise.core.errors import InputError
from sizewise.core.grammar import with_engine, without_auto
from sizewise.core.progress import Progress, Silent
from sizewise.cost.device import device_names
from sizewise.cost.measure import Plan
from sizewise.cost.sample import packaged, sample
from sizewise.data.load import load_task
from sizewise.data.task import Task
from sizewise.encode.encoder import Trust, scheme
from sizewise.encode.tuned import keep, machine, recall
from sizewise.pipeline.bench import Bench, calibration_sample
from sizewise.store.store import Store

PACKAGES = ("torch", "transformers", "sentence-transformers", "openvino", "nncf", "onnxruntime", "tokenizers")


def has_auto(texts: Sequence[str]) -> bool:
    return any(without_auto(text) is not None for text in texts)


def settled(
    bench: Bench, texts: Sequence[str], tasks: Sequence[Task] = (), threads: int | None = None, *, dry: bool = False
) -> list[str]:
    """`texts` with the engines for bulk and for single texts, one or two, in the place of each `@auto`.

    What is not known of this machine and model is measured, on the tasks' texts where there are any, and kept; when
    `dry`, the reference stands for it instead. Raises InputError for what has no engines to choose from.
    """
    found: list[str] = []
    for text in texts:
        written = without_auto(text)
        if written is None:
            found.append(text)
            continue
        choice = _choice(bench, written, tasks, threads or processors(), dry=dry)
        found += [str(written)] if choice is None else [str(with_engine(written, one)) for one in choice.engines]
    return found


def settled_in(
    texts: Sequence[str],
    tasks: Sequence[Task | Path | str] = (),
    *,
    store: Path | None = None,
    trust: Trust | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> list[str]:
    """The same with a bench of its own."""
    if not has_auto(texts):
        return list(texts)
    loaded = [task if isinstance(task, Task) else load_task(task) for task in tasks]
    with Store(store) as opened:
        bench = Bench(opened, trust or Trust(), progress or Silent(), calibration_sample(loaded))
        return settled(bench, texts, loaded, threads)


def one_of(text: str, found: Sequence[str]) -> str:
    """What `text` stands for, where one candidate is wanted. Raises InputError when it stands for two."""
    if len(found) == 1:
        return found[0]
    bulk, single = found
    raise InputError(f"{text} stands for {bulk} in bulk and {single} for single texts here; give the one you want")


def _choice(bench: Bench, written: Embed, tasks: Sequence[Task], threads: int, *, dry: bool) -> Choice | None:
    """For the model of `written`; None when it would have to be measured and this is `dry`."""
    model, say = written.model, bench.progress.say
    if scheme(model.name) is not None:
        raise InputError(f"{model.name}@auto: only models by name or folder have a choice of engines; leave out @auto")
    reference = bench.encoder(model)
    about = {
        "weights": reference.identity["weights"],
        "machine": machine(threads, *PACKAGES) | {"accelerators": device_names()},
    }
    if kept := recall(bench.store.root, {"auto": about}, say):
        choice = Choice.from_json(kept)
        say(f"{Embed(model)}@auto: {choice.sentence}; as measured on {choice.date}")
        return choice
    if dry:
        say(f"{Embed(model)}@auto is not measured yet: this plan takes {written} for it")
        return None
    texts = sample(tasks) if tasks else packaged()
    plan = Plan(texts, threads, store=bench.store.root, trust=bench.trust, calibration=bench.calibration)
    choice = chosen(bench, model, plan)
    keep(bench.store.root, {"auto": about}, choice.to_json())
    say(f"{Embed(model)}@auto: {choice.sentence}; kept for the next time")
    return choice
