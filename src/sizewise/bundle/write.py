"""A live pipeline as a folder: model, transforms, canaries, card and certificate."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sizewise.bundle import canary, certificate, modules, parameters
from sizewise.bundle.answers import Answers
from sizewise.bundle.card import card
from sizewise.bundle.layout import CANARIES, CANARY_TEXTS, CARD, MODEL, TRANSFORMS, Layout
from sizewise.bundle.tolerance import tolerance
from sizewise.core.candidate import Candidate, Embed, is_shape
from sizewise.core.environment import environment
from sizewise.core.errors import InputError
from sizewise.encode.folder import SEEN_FILE, TRAINING_FILE, local_folder
from sizewise.pipeline.live import EmbedPipeline, LexicalPipeline
from sizewise.store.files import write_json


def write(
    folder: Path,
    candidate: Candidate,
    pipeline: EmbedPipeline | LexicalPipeline,
    about: Mapping[str, Any],
    threads: int | None = None,
) -> None:
    """Write `pipeline`, which was made from `candidate`, to the empty `folder`.

    `about` is what is known of it, for card and certificate: `run`, `fitted_on`, `measured`, `cost`, `decided`.
    Raises InputError for what cannot be put into a bundle.
    """
    layout = Layout(candidate)
    if isinstance(candidate, Embed) and isinstance(pipeline, EmbedPipeline):
        layout = _write_model(folder, candidate, pipeline)
    layout.write(folder)
    Answers.of(pipeline, canary.TEXTS).save(folder / CANARIES)
    write_json(folder / CANARY_TEXTS, {"texts": canary.TEXTS})
    (folder / CARD).write_text(card(layout, pipeline, about), encoding="utf-8")
    found = {
        "sizewise": version("sizewise"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "candidate": str(candidate),
        "environment": environment(threads),
        "canaries": {"texts": len(canary.TEXTS), "tolerance": tolerance(candidate).to_json()},
    }
    certificate.write(folder, found | dict(about))


def check_candidate(candidate: Candidate) -> None:
    """Raises InputError for random weights: they have a cost, and nothing to serve."""
    if is_shape(candidate):
        raise InputError(
            f"{candidate} has random weights, so there is nothing to put into a bundle; give a trained model of that "
            "shape"
        )


def _write_model(folder: Path, candidate: Embed, pipeline: EmbedPipeline) -> Layout:
    """The encoder, and the transforms: as our own arrays, and where they are linear as modules of the model.

    Where they cannot be, the model goes to a folder of its own, so that nobody loads the bundle without them.
    """
    transforms = modules.linear(pipeline.chain) if pipeline.encoder.exports_modules else None
    where = "." if transforms is not None else MODEL
    (folder / where).mkdir(exist_ok=True)
    about = pipeline.encoder.export(folder / where, pipeline.prompts)
    made = local_folder(candidate.model)
    for name in (TRAINING_FILE, SEEN_FILE):  # a model that was trained here goes on telling on what
        if made is not None and (made / name).is_file():
            shutil.copyfile(made / name, folder / name)
    if transforms:
        modules.append(folder, transforms, cosine=pipeline.chain.cosine)
    parameters.save(folder / TRANSFORMS, pipeline.chain, candidate.steps)
    return Layout(candidate, where, about, pipeline.prompts, pipeline.encoder.similarity, pipeline.chain.incoming)
