"""Distillation: a model with fewer layers, trained to make its teacher's vectors, or those of another model."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.data.seen import Seen
from sizewise.encode.encoder import Trust
from sizewise.encode.folder import ModelFolder, locate
from sizewise.encode.source import FolderSource, load
from sizewise.encode.torch import device
from sizewise.pipeline.bench import Bench
from sizewise.train.card import Provenance, hash_of, seen_by
from sizewise.train.layers import best_start, depth, shallow, without_dropout
from sizewise.train.look import COSINE, agreement, held_out
from sizewise.train.teacher import Teacher, Vectors
from sizewise.train.texts import TrainingText
from sizewise.train.work import MODEL, workplace
from sizewise.transform.align import Alignment
from sizewise.transform.chain import unit
from sizewise.transform.project import principal_axes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


TRIED = 300
"""Texts on which the layers to keep are chosen."""
ALIGNED = 2_000
"""Texts on which a student's first vectors are brought into another space, at most."""
AXES_TEXTS = 20_000
"""Texts that a narrower output is fitted on, at most."""
BATCH_TOKENS = 8_192


@dataclass(frozen=True)
class Distillation:
    """What is to be made. Two that are equal, on equal texts, make the same model within noise."""

    teacher: Model
    """What it begins as, and with no other space to go into, whose vectors it learns."""
    layers: int | None
    """Of `teacher`, that are kept; None: all, which needs another space to go into."""
    into: Model | None = None
    """Another model, in whose space of queries its vectors are to lie."""
    dimensions: int | None = None
    """Of the output; None: the teacher's."""
    widths: Sequence[int] = ()
    """First numbers of a vector that are trained to do by themselves (Matryoshka)."""
    epochs: float = 6.0
    learning_rate: float = 5e-4
    batch_tokens: int = BATCH_TOKENS
    seed: int = 0

    def check(self, width: int) -> None:
        """Raises InputError for what a teacher of so many dimensions cannot be made into."""
        if self.into is not None and (self.dimensions is not None or self.widths):
            raise InputError("--into takes the dimensions of the space; leave --dimensions and --matryoshka out")
        if self.dimensions is not None and not 0 < self.dimensions < width:
            raise InputError(f"--dimensions {self.dimensions}: give a number below the teacher's {width}")
        most = self.dimensions or width
        if wrong := next((one for one in self.widths if not 0 < one < most), None):
            raise InputError(f"--matryoshka {wrong}: give numbers of dimensions below {most}")
        if self.epochs <= 0 or self.learning_rate <= 0:
            raise InputError("--epochs and --learning-rate must be above zero")


def distil(
    asked: Distillation,
    text: TrainingText,
    out: Path,
    bench: Bench,
    *,
    sources: Sequence[str] = (),
    price_per_hour: float | None = None,
) -> Provenance:
    """Make the model and write it to `out`, a new folder that sentence-transformers loads.

    Stopped and called again with the same, it goes on. Raises InputError for a teacher, a number of layers or a place
    that will not do, before work begins.
    """
    from sizewise.train.batches import BudgetSampler, Padded, rows
    from sizewise.train.losses import Agreement
    from sizewise.train.trainer import Material, Settings, train

    started = time.perf_counter()
    trust = bench.trust
    teacher = Teacher.of(asked.into, trust, "query") if asked.into else Teacher.of(asked.teacher, trust)
    prompt = bench.encoder(asked.teacher).prompt("query") if asked.into else teacher.prompt
    asked.check(teacher.encoder.dimensions)
    folder, weights = teacher_folder(asked.teacher, trust)
    texts = list(text.texts)
    space = {"space": teacher.encoder.key(teacher.prompt)} if asked.into else {}
    recipe = {"made": "distilled", **asdict(asked), "weights": weights, "texts": hash_of(texts), **space}
    with workplace(out, recipe, bench.progress) as work:
        whole = to_train(folder, asked.teacher.name, trust)
        layers = depth(whole, asked.teacher.name)
        if asked.layers is not None and asked.layers >= layers:
            raise InputError(f"{asked.teacher.name} has {layers} layers; keep fewer than that, not {asked.layers}")
        wanted = teacher.vectors(texts, bench, work / "teacher.npy")
        unseen = held_out(len(texts), asked.seed)
        trained_on = np.setdiff1d(np.arange(len(texts)), unseen)
        sample = sampled(trained_on, TRIED, asked.seed)
        student, kept = whole, tuple(range(layers))
        if asked.layers is not None:
            tried_on = [prompt + texts[at] for at in sample]
            alike = whole.encode(tried_on, show_progress_bar=False) if asked.into else wanted[sample]
            kept, tried = best_start(whole, asked.layers, tried_on, alike, asked.teacher.name)
            bench.progress.say(f"keeping layers {_listed(kept)} of {layers}: cosine {tried[kept]:.4f} before training")
            student = shallow(whole, kept, asked.teacher.name)
        student = without_dropout(student)
        if asked.into is not None:
            fitted = sampled(trained_on, ALIGNED, asked.seed)
            found = student.encode([prompt + texts[at] for at in fitted], show_progress_bar=False)
            student = led_into(student, Alignment.fit(unit(np.asarray(found, np.float32)), np.array(wanted[fitted])))
        if asked.dimensions is not None:
            axes = _axes(wanted, trained_on, asked.dimensions, asked.seed)
            student, wanted = narrowed(student, axes), projected(wanted, axes, work / "narrow.npy")
        tokenizer = FolderSource(folder, asked.teacher.name, trust).text_tokenizer()
        tokens = tokenizer([texts[at] for at in trained_on], prompt)
        look = agreement(student, [prompt + texts[at] for at in unseen], np.array(wanted[unseen]))
        before = look()
        mine = np.lib.format.open_memmap(work / "wanted.npy", "w+", np.float32, (len(trained_on), wanted.shape[1]))
        for start in range(0, len(trained_on), AXES_TEXTS):
            mine[start : start + AXES_TEXTS] = wanted[trained_on[start : start + AXES_TEXTS]]
        result = train(
            student,
            Agreement(student, mine, asked.widths),
            Material(
                rows(len(trained_on)),
                BudgetSampler(tokens.lengths, asked.batch_tokens, asked.seed),
                Padded(tokens, int(student.tokenizer.pad_token_id or 0)),
            ),
            Settings(asked.epochs, asked.learning_rate, asked.seed),
            work,
            bench.progress,
            look,
            COSINE,
            label=f"distil {len(kept)} layers",
        )
        after = look()
        student.save_pretrained(str(work / MODEL), create_model_card=False)
        about = Provenance(
            kind="distilled",
            start=asked.teacher.name,
            weights=weights,
            made=f"layers {_listed(kept)} of {layers}, trained to match "
            + (f"the vectors of {asked.into.name} for queries" if asked.into else "its vectors"),
            texts=len(texts),
            text_sha256=hash_of(texts),
            sources=tuple(sources),
            settings={
                "epochs": asked.epochs, "learning_rate": asked.learning_rate, "batch_tokens": asked.batch_tokens,
                "seed": asked.seed, "dimensions": asked.dimensions, "matryoshka": list(asked.widths),
                **({"into": asked.into.name} if asked.into else {}),
                "teacher_vectors": f"{teacher.encoder.model.precision}/{teacher.encoder.model.runtime}",
            },
            training=asdict(result),
            found={
                "held_out_texts": len(unseen),
                "cosine_with_the_teacher_before": before[COSINE],
                "cosine_with_the_teacher": after[COSINE],
            },
            price_per_hour=price_per_hour,
            seconds=time.perf_counter() - started,
        )  # fmt: skip
        about.write(work / MODEL, Seen.of(texts) | (seen_by(folder.path) or Seen.of(())))
        return about


def teacher_folder(model: Model, trust: Trust) -> tuple[ModelFolder, str]:
    """Where a model's weights are, and their sha256."""
    if ":" in model.name:
        raise InputError(f"{model.name} is no transformer in a folder; name one, or a model of the Hugging Face hub")
    folder = locate(model.name, trust)
    return folder, folder.sha256


def to_train(folder: ModelFolder, name: str, trust: Trust) -> "SentenceTransformer":
    """The model in `folder` in float32, set up to be trained quickly."""
    # On processors torch's fused attention takes longer backwards than all the rest of a step.
    return load(folder, name, trust, "float32", "cpu", "eager" if device() == "cpu" else None)


def led_into(model: "SentenceTransformer", alignment: Alignment) -> "SentenceTransformer":
    """The model with `alignment` behind it, which is trained with it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    width, wanted = alignment.matrix.shape
    dense = Dense(width, wanted, bias=True, activation_function=torch.nn.Identity())
    with torch.no_grad():
        dense.linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(alignment.matrix.T)))
        dense.linear.bias.copy_(torch.from_numpy(alignment.offset))
    own = [module for module in model if not isinstance(module, Normalize)]
    return SentenceTransformer(modules=[*own, Normalize(), dense, Normalize()], device="cpu")


def narrowed(model: "SentenceTransformer", axes: Vectors) -> "SentenceTransformer":
    """The model with a projection on `axes` [d, kept] behind its pooling, which is trained with it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize

    dense = Dense(axes.shape[0], axes.shape[1], bias=False, activation_function=torch.nn.Identity())
    with torch.no_grad():
        dense.linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(axes.T)))
    modules = [module for module in model if not isinstance(module, Normalize)]
    return SentenceTransformer(modules=[*modules, dense, Normalize()], device="cpu")


def _axes(wanted: Vectors, among: np.ndarray, kept: int, seed: int) -> Vectors:
    return principal_axes(wanted[sampled(among, AXES_TEXTS, seed)], kept)[1].astype(np.float32)


def projected(wanted: Vectors, axes: Vectors, path: Path) -> Vectors:
    """`wanted` [n, d] on `axes` [d, kept], of unit length again; mapped from the file `path`, which is written."""
    found = np.lib.format.open_memmap(path, "w+", np.float32, (len(wanted), axes.shape[1]))
    for start in range(0, len(wanted), AXES_TEXTS):
        found[start : start + AXES_TEXTS] = unit(wanted[start : start + AXES_TEXTS] @ axes)
    return found


def sampled(among: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of `among`, sorted."""
    chosen: np.ndarray = np.sort(np.random.default_rng(seed).permutation(among)[:most])
    return chosen


def _listed(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
