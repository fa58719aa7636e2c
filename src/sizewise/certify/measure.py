"""Measuring an engine against the reference: plain sentence-transformers in float32 on torch, of the same model.

First whether a text's vector depends on what is encoded beside it; vectors made for that are not kept, since those of
an engine that fails are of no use. Then how far vectors are from the reference's, on vectors of the store, which a
study needs anyway. Both leave raw cosines in the store; figures and verdict are derived.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sizewise.certify.bounds import BOUNDS
from sizewise.certify.certificate import Certificate, Neighbours, OnTask, Shown
from sizewise.certify.texts import Part, strangest
from sizewise.core.candidate import Embed, Model
from sizewise.core.errors import InputError
from sizewise.data.rankings import share_found
from sizewise.data.task import Raw
from sizewise.decide.evidence import Compared, TaskFacts
from sizewise.decide.frontier import change
from sizewise.encode.encoder import Encoder, scheme
from sizewise.encode.stored import stored_vectors
from sizewise.pipeline.bench import Bench
from sizewise.stats.alike import alike
from sizewise.store.files import digest
from sizewise.store.store import Arrays
from sizewise.store.vectors import text_keys
from sizewise.transform.transform import Vectors

VERSION = 1
"""Part of every key. Raise it when the same engines and texts would give other cosines."""
WINDOW = 7
"""Texts in a small batch."""
WORST_SHOWN = 10
FIRST = 10
"""Of each ranking, what is compared."""


def has_certificate(model: Model) -> bool:
    """Whether `model` is one that the reference runs too, on another engine.

    The reference itself has none, nor has what the reference does not run: static models, endpoints, shapes (random
    weights), encoders of other packages.
    """
    return scheme(model.name) is None and model != reference_model(model)


def reference_model(model: Model) -> Model:
    """The same model and prompts in float32 on torch."""
    plain = Model(model.name)
    return replace(model, precision=plain.precision, runtime=plain.runtime)


def neighbours(bench: Bench, model: Model, parts: Sequence[Part]) -> Neighbours:
    """Whether vectors of `model` depend on their neighbours, on the strangest texts of `parts`. Measured once; the
    cosines are kept, the vectors are not."""
    encoder, texts = bench.encoder(model), strangest(parts)
    key = digest(["neighbours", VERSION, encoder.key(encoder.prompt("text")), _digest(texts)])
    found = bench.store.record(key, lambda: _neighbours(bench, encoder, texts))
    return Neighbours(
        texts=len(texts),
        worst=float(found["alone"].min()),
        copies=float(found["copies"].min()),
        declared=encoder.depends_on_batch,
        least=BOUNDS[model.precision].neighbours,
        seconds=float(found["seconds"]),
    )


def check_neighbours(bench: Bench, model: Model, parts: Sequence[Part]) -> None:
    """Raises InputError when vectors of `model` depend on their neighbours beyond the bound."""
    if reasons := neighbours(bench, model, parts).reasons:
        raise InputError(f"{Embed(model)} is not offered: {'; '.join(reasons)}; take another precision or runtime")


def certify(bench: Bench, model: Model, parts: Sequence[Part]) -> Certificate:
    """The certificate of `model`, which `has_certificate`, on the texts of `parts`.

    Measured once: a later call finds the cosines in the store. Vectors go to the store too, unless they depend on their
    neighbours.
    """
    encoder, reference = bench.encoder(model), bench.encoder(reference_model(model))
    beside = neighbours(bench, model, parts)
    ways = [
        [encoder.key(_prompt(encoder, part), part.role), reference.key(_prompt(reference, part), part.role)]
        for part in parts
    ]
    key = digest(["agreement", VERSION, ways, [_digest(part.texts) for part in parts]])
    keep = not beside.reasons
    found = bench.store.record(key, lambda: _agreement(bench, encoder, reference, parts, keep=keep))
    cosines = found["cosines"]
    p1, p5 = np.percentile(cosines, [1, 5])
    return Certificate(
        engine=str(Embed(model)),
        reference=str(Embed(reference.model)),
        precision=model.precision,
        runtime=model.runtime,
        similarity=reference.similarity,
        texts=len(cosines),
        worst=float(cosines.min()),
        p1=float(p1),
        p5=float(p5),
        mean=float(cosines.mean()),
        lengths=float(found["lengths"].max()),
        neighbours=beside,
        shown=_worst(parts, cosines),
        seconds=round(beside.seconds + float(found["seconds"]), 2),
    )


def on_task(facts: TaskFacts, compared: Compared, engine: tuple[int, Raw], reference: tuple[int, Raw]) -> OnTask:
    """The engine against the reference on one task: of each its row in `compared` and its record."""
    (i, got), (j, wanted) = engine, reference
    top10 = float(share_found(got["ids"][:, :FIRST], wanted["ids"][:, :FIRST]).mean()) if "ids" in got else None
    return OnTask(change(facts, compared, i, j), facts.metric, top10)


def _neighbours(bench: Bench, encoder: Encoder, texts: list[str]) -> Arrays:
    """`alone` float64 [n]: for each text the worst cosine of its vector alone with those in batches; `copies` float64
    [n]: of its two vectors in one call."""
    started, count = time.perf_counter(), len(texts)
    prompt, encoder.say = encoder.prompt("text"), bench.progress.say
    bar = bench.progress.bar(f"certify {Embed(encoder.model)}: alone and in batches", float(5 * count))

    def encoded(order: npt.NDArray[np.int64], size: int) -> Vectors:
        """Vectors of the texts at `order`, `size` at a time, sorted by place again."""
        blocks = []
        for start in range(0, len(order), size):
            some = order[start : start + size]
            blocks.append(encoder.encode([texts[at % count] for at in some], "text", prompt))
            bar.advance(len(some))
        found: Vectors = np.concatenate(blocks)[np.argsort(order)]
        return found

    try:
        encoder.load()
        bar.advance(0.0)
        shuffled = np.random.default_rng(0).permutation(2 * count)
        twice = encoded(shuffled, 2 * count)
        copies = twice[:count], twice[count:]
        few = encoded(shuffled[shuffled < count], WINDOW)
        together = encoded(np.arange(count), count)
        alone = encoded(np.arange(count), 1)
    finally:
        bar.close()
    return {
        "alone": np.min([alike(batched, alone)[0] for batched in (*copies, few, together)], axis=0),
        "copies": alike(*copies)[0],
        "seconds": np.array(time.perf_counter() - started),
    }


def _agreement(bench: Bench, encoder: Encoder, reference: Encoder, parts: Sequence[Part], *, keep: bool) -> Arrays:
    """`cosines` and `lengths` (relative differences) float64 [n], of all texts in order."""
    started = time.perf_counter()
    count = sum(len(part.texts) for part in parts)
    bench.progress.say(f"certifying {Embed(encoder.model)} against {Embed(reference.model)} on {count:,} texts")
    found = [_vectors(bench, encoder, part, keep=keep) for part in parts]
    encoder.unload()  # two copies of the weights need not fit
    wanted = [_vectors(bench, reference, part, keep=True) for part in parts]
    pairs = [alike(*pair) for pair in zip(found, wanted, strict=True)]
    return {
        "cosines": np.concatenate([cosines for cosines, _ in pairs]),
        "lengths": np.concatenate([apart for _, apart in pairs]),
        "seconds": np.array(time.perf_counter() - started),
    }


def _vectors(bench: Bench, encoder: Encoder, part: Part, *, keep: bool) -> Vectors:
    texts, prompt = list(part.texts), _prompt(encoder, part)
    if not keep:
        return encoder.encode(texts, part.role, prompt)
    rows = stored_vectors(bench.store, encoder, texts, part.role, prompt, bench.progress)
    return rows.block(0, len(rows))


def _prompt(encoder: Encoder, part: Part) -> str:
    return encoder.prompt(part.role, part.task.prompts if part.task else None)


def _worst(parts: Sequence[Part], cosines: npt.NDArray[np.float64]) -> tuple[Shown, ...]:
    places = [(part, at, text) for part in parts for at, text in zip(part.at, part.texts, strict=True)]
    worst = [(float(cosines[row]), *places[row]) for row in np.argsort(cosines, kind="stable")[:WORST_SHOWN]]
    return tuple(
        Shown(cosine, part.task.name if part.task else None, part.name, int(at), text)
        for cosine, part, at, text in worst
    )


def _digest(texts: Sequence[str]) -> str:
    return text_keys(texts).tobytes().hex()
