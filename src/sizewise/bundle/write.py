"""A live pipeline as a folder: model, transforms, canaries, card and certificate."""

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sizewise.bundle import canary, certificate, modules, parameters
from sizewise.bundle.answers import Answers
from sizewise.bundle.card import card
from sizewise.bundle.layout import CANARIES, CANARY_TEXTS, CARD, MODEL, TRANSFORMS, Layout
from sizewise.bundle.tolerance import tolerance
from sizewise.core.candidate import ROLES, Asym, Candidate, Embed, Model, is_shape
from sizewise.core.environment import environment
from sizewise.core.errors import InputError
from sizewise.encode.encoder import Encoder
from sizewise.encode.folder import SEEN_FILE, TRAINING_FILE, local_folder
from sizewise.pipeline.hybrid import AsymPipeline
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.pipeline.parts import taken_apart
from sizewise.store.files import write_json


def write(
    folder: Path,
    candidate: Candidate,
    pipeline: Pipeline,
    about: Mapping[str, Any],
    threads: int | None = None,
) -> None:
    """Write `pipeline`, which was made from `candidate`, to the empty `folder`.

    `about` is what is known of it, for card and certificate: `run`, `fitted_on`, `measured`, `cost`, `decided`.
    Raises InputError for what cannot be put into a bundle.
    """
    if isinstance(candidate, Embed) and isinstance(pipeline, EmbedPipeline):
        layout = _write_model(folder, candidate, pipeline)
    else:
        layout = Layout(candidate, parts=tuple(_write_parts(folder, candidate, pipeline)))
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
    _copy_provenance(candidate.model, folder)
    if transforms:
        modules.append(folder, transforms, cosine=pipeline.chain.cosine)
    parameters.save(folder / TRANSFORMS, pipeline.chain, candidate.steps)
    return Layout(candidate, where, about, pipeline.prompts, pipeline.encoder.similarity, pipeline.chain.incoming)


def _write_parts(folder: Path, candidate: Candidate, pipeline: Pipeline) -> Iterator[Layout]:
    """The parts of a hybrid: every model once, in a folder of its own, and what was fitted for each part."""
    where: dict[int, tuple[str, Mapping[str, Any]]] = {}
    for at, (one, live) in enumerate(dict(taken_apart(candidate, pipeline)).items()):
        encoder = live if isinstance(live, Encoder) else live.encoder
        prompts = dict.fromkeys(ROLES, "") | (live.prompts if isinstance(live, EmbedPipeline) else {})
        if id(encoder) not in where:
            path = f"{MODEL}s/{len(where)}"
            (folder / path).mkdir(parents=True)
            where[id(encoder)] = path, encoder.export(folder / path, prompts)
            _copy_provenance(encoder.model, folder / path)
        model, about = where[id(encoder)]
        learned = f"learned-{at}.safetensors"
        match one, live:
            case Embed(), EmbedPipeline():
                parameters.save(folder / learned, live.chain, one.steps)
                yield Layout(one, model, about, prompts, encoder.similarity, live.chain.incoming, learned)
            case Asym(), AsymPipeline():
                found = {"matrix": live.alignment.matrix, "offset": live.alignment.offset}
                parameters.save_arrays(folder / learned, found)
                asked = {**prompts, "query": live.prompt}
                yield Layout(one, model, about, asked, encoder.similarity, encoder.dimensions, learned)
            case _:
                yield Layout(one, model, about, prompts, encoder.similarity, encoder.dimensions)


def _copy_provenance(model: Model, to: Path) -> None:
    """A model that was trained here goes on telling on what."""
    made = local_folder(Model(model.name.removeprefix("cross:")))
    for name in (TRAINING_FILE, SEEN_FILE):
        if made is not None and (made / name).is_file():
            shutil.copyfile(made / name, to / name)
