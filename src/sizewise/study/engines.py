"""Engines within a study: certified before anything of them is scored, and left out when they are not offered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sizewise.certify.certificate import Certificate
from sizewise.certify.measure import certify, has_certificate, on_task, reference_model
from sizewise.certify.texts import parts
from sizewise.core.candidate import Candidate, Embed, encoders, is_shape
from sizewise.core.errors import InputError
from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import Evidence
from sizewise.pipeline.bench import Bench
from sizewise.study.space import distinct_models, reference_of, with_reference

Certificates = Mapping[Embed, Certificate]
"""By plain candidate."""


def certificates(bench: Bench, tasks: Sequence[Task], scored: Sequence[Candidate]) -> Certificates:
    """Of every engine whose records are needed, those that fidelity tasks compare with among them."""
    needed = distinct_models([one for task in tasks for one in with_reference(task, scored)])
    texts = parts(tasks)
    found = {}
    for engine in needed:
        if has_certificate(engine.model):
            found[engine] = certify(bench, engine.model, texts)
            bench.progress.say(found[engine].sentence)
            bench.forget(engine.model)
            bench.forget(reference_model(engine.model))
    return found


def offered(candidates: Sequence[Candidate], tasks: Sequence[Task], found: Certificates) -> tuple[Candidate, ...]:
    """`candidates` without those of engines that are not offered.

    Raises InputError when no encoder is left, or a fidelity task names such an engine as its reference.
    """
    out = {engine: one for engine, one in found.items() if not one.offered}
    kept = tuple(one for one in candidates if not out.keys() & set(encoders(one)))
    if out and not any(encoders(one) and not is_shape(one) for one in kept):
        why = "; and ".join(one.sentence for one in out.values())
        raise InputError(f"no model is left: {why}; give another precision or runtime")
    for task in tasks:
        reference = reference_of(task, kept)
        if isinstance(reference, Embed) and reference.plain in out:
            raise InputError(
                f"task {task.name} cannot compare with {reference}: {out[reference.plain].sentence}; name another in "
                "its task.toml"
            )
    return kept


def on_tasks(
    found: Certificates, evidence: Evidence, raws: Mapping[str, Mapping[Candidate, Raw]]
) -> Iterator[Certificate]:
    """What a run keeps of `found`: on each task too, where engine and reference were scored, and without texts."""
    for engine, certificate in found.items():
        pair = engine, Embed(reference_model(engine.model))
        rows = [
            on_task(facts, compared, *((evidence.candidates.index(str(one)), raws[facts.name][one]) for one in pair))
            for facts, compared in zip(evidence.tasks, evidence.compared, strict=True)
            if all(one in raws[facts.name] for one in pair)
        ]
        yield replace(certificate.without_text(), tasks=tuple(rows))
