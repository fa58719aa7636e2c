"""One training run on sentence-transformers' trainer: checkpoints, resume, early stop, progress, memory."""

import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import (
    CrossEncoder,
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.trainer import BaseTrainer
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from sizewise.core.errors import RunError
from sizewise.core.progress import Progress
from sizewise.encode.budget import out_of_memory
from sizewise.encode.numeric import has_bfloat16
from sizewise.train.following import Following

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.sampler import DefaultBatchSampler

CHECKS = 12
"""Times that a run is looked at, and kept, between its start and its end."""
PATIENCE = 3
"""Looks without gain after which a run ends early."""
LEAST_GAIN = 1e-4
WARM_UP = 0.05
CHECKPOINTS = "checkpoints"
BESIDE = "beside.safetensors"
"""In a checkpoint: what is not in its model."""
ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Not cuDNN's, which builds a plan for every shape of a batch: on an H100, 40 of the 91 s that three layers took."""


@dataclass(frozen=True)
class Settings:
    """How long and how hard a model is trained."""

    epochs: float
    learning_rate: float
    seed: int = 0
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Material:
    """What it is trained on."""

    data: "Dataset"
    batches: "DefaultBatchSampler"
    collate: Any = None
    """Makes a batch of rows; None: the texts in the columns are tokenised when they are needed."""


@dataclass(frozen=True)
class Trained:
    """What a training run was."""

    steps: int
    seconds: float
    """Since this process began with it; what earlier ones did, before they were stopped, is not counted."""
    loss: float
    """Mean of the last steps."""
    device: str
    peak_memory_mb: float
    """Of this process; on a GPU, of what was allocated there."""
    resumed_from: int = 0
    history: tuple[Mapping[str, float], ...] = field(default=())
    """`step` and what `look` told, in order."""


def train(
    model: "SentenceTransformer | CrossEncoder",
    loss: nn.Module,
    material: Material,
    settings: Settings,
    folder: Path,
    progress: Progress,
    look: Callable[[], Mapping[str, float]] | None = None,
    watched: str = "",
    label: str = "train",
) -> Trained:
    """Train `model` in place; checkpoints go to `folder`, and a run that was stopped there goes on.

    `look` is asked CHECKS times how good the model is; the best state by `watched` (higher is better) is what the
    model is left with. Cosine schedule, autocast to bfloat16 where the device has it. Raises KeyboardInterrupt when
    Ctrl-C came: a checkpoint is then kept.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    halves = torch.cuda.is_bf16_supported() if device == "cuda" else has_bfloat16()
    steps = max(1, round(settings.epochs * len(material.batches)))
    every = max(1, steps // CHECKS)
    crosses = isinstance(model, CrossEncoder)
    trains: Any = _OfCrossEncoders if crosses else _OfEncoders
    of_kind: Any = CrossEncoderTrainingArguments if crosses else SentenceTransformerTrainingArguments
    arguments = of_kind(
        output_dir=str(folder / CHECKPOINTS),
        max_steps=steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(WARM_UP * steps),
        weight_decay=settings.weight_decay,
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=halves,
        use_cpu=device == "cpu",
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        eval_strategy="steps" if look else "no",
        eval_steps=every,
        load_best_model_at_end=look is not None,
        metric_for_best_model=watched or None,
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=max(1, every // 4),
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device == "cuda",
    )
    bar = progress.bar(label, float(steps))
    following = Following(bar, progress)
    callbacks: list[TrainerCallback] = [following]
    if look:
        callbacks.append(EarlyStoppingCallback(PATIENCE, LEAST_GAIN))
    trainer = trains(
        model=model,
        args=arguments,
        train_dataset=material.data,
        loss=loss,
        data_collator=material.collate,
        evaluator=_Evaluator(look, watched) if look else None,
        callbacks=callbacks,
    )
    trainer.batches, trainer.say = material.batches, progress.say
    trainer.beside = {name: one for name, one in loss.named_parameters() if not name.startswith("model.")}
    trainer.partly = not all(one.requires_grad for one in model.parameters())
    if trainer.partly:
        trainer.beside |= {f"model.{name}": one for name, one in model.named_parameters() if one.requires_grad}
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
            trainer.remove_callback(callback)
    last = _last_checkpoint(folder / CHECKPOINTS)
    started = time.perf_counter()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        with following.interrupts(), sdpa_kernel(ATTENTION):
            trainer.train(resume_from_checkpoint=last)
    finally:
        bar.close()
    if following.stopped:
        raise KeyboardInterrupt
    return Trained(
        steps=trainer.state.global_step,
        seconds=time.perf_counter() - started,
        loss=following.loss,
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        peak_memory_mb=_peak_mb(device),
        resumed_from=following.first,
        history=tuple(following.history),
    )


def _last_checkpoint(folder: Path) -> str | None:
    """The last one that is whole: of one, the state is written last. What is not whole goes."""
    for path in folder.glob("checkpoint-*"):
        if not (path / "trainer_state.json").is_file():
            shutil.rmtree(path)
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None  # type: ignore[no-untyped-call]


class _Careful(BaseTrainer):
    """Takes batches as they are given. A step that does not fit into memory is made in halves, from then on."""

    batches: "DefaultBatchSampler"
    beside: Mapping[str, nn.Parameter]
    """What the trainer does not bring back from a checkpoint, by name: what the loss itself learns, and low-rank
    updates."""
    partly = False
    """Only updates of the weights are trained."""
    say: Callable[[str], None] = staticmethod(lambda _: None)
    parts = 1

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: models made here have cards of their own."""

    def get_batch_sampler(self, *_: Any, **__: Any) -> "DefaultBatchSampler":
        return self.batches

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        if output_dir and self.beside:
            save_file({name: weight.detach().cpu() for name, weight in self.beside.items()}, Path(output_dir) / BESIDE)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:  # type: ignore[override]
        if not self.partly:
            super()._load_from_checkpoint(checkpoint_path)
        kept = load_file(Path(checkpoint_path) / BESIDE) if self.beside else {}
        with torch.no_grad():
            for name, weight in self.beside.items():
                weight.copy_(kept[name])

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        while True:
            try:
                return self._in_parts(model, inputs, num_items_in_batch)
            except Exception as error:
                if not out_of_memory(error):
                    raise
            size = _size(inputs)
            if 2 * self.parts > size:
                raise RunError(
                    f"memory ran out with {size} texts in {self.parts} parts; cut texts at fewer tokens, or take a "
                    "smaller model or a larger machine"
                )
            self.parts *= 2
            model.zero_grad(set_to_none=True)
            for weight in self.beside.values():
                weight.grad = None
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self.say(f"out of memory: going on with batches in {self.parts} parts of about {size // self.parts} texts")

    def _in_parts(self, model: nn.Module, inputs: dict[str, Any], items: Any) -> torch.Tensor:
        if self.parts == 1:
            return super().training_step(model, inputs, items)
        parts = split(inputs, self.parts)
        losses = [super(_Careful, self).training_step(model, part, items) for part in parts]
        for weight in {id(one): one for one in (*model.parameters(), *self.beside.values())}.values():
            if weight.grad is not None:
                weight.grad /= len(parts)
        return torch.stack(losses).mean()


def _size(inputs: Mapping[str, Any]) -> int:
    return len(next(iter(inputs.values())))


def split(inputs: Mapping[str, Any], parts: int) -> list[dict[str, Any]]:
    """A batch of padded texts, whose values all have a row for each, in so many parts of about one size."""
    size = _size(inputs)
    assert all(len(value) == size for value in inputs.values())
    bounds = [round(at * size / parts) for at in range(parts + 1)]
    return [
        {name: value[start:end] for name, value in inputs.items()} for start, end in pairwise(bounds) if end > start
    ]


class _OfEncoders(_Careful, SentenceTransformerTrainer):
    pass


class _OfCrossEncoders(_Careful, CrossEncoderTrainer):
    pass


class _Evaluator(BaseEvaluator):
    """What sentence-transformers' trainer asks for a score."""

    def __init__(self, look: Callable[[], Mapping[str, float]], watched: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._look, self.primary_metric = look, watched

    def __call__(self, *_: Any, **__: Any) -> dict[str, float]:
        return dict(self._look())


def _peak_mb(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
