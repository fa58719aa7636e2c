"""Timing an endpoint: over the network and with few texts, since each of them is paid for."""

from collections.abc import Iterable, Sequence

import numpy as np

from sizewise.core.candidate import Candidate, Model, Part, Role
from sizewise.cost.sample import Sample
from sizewise.encode.encoder import Trust
from sizewise.encode.remote.encoder import RemoteEncoder
from sizewise.encode.remote.sending import Sending
from sizewise.encode.resolve import resolve
from sizewise.pipeline.departure import Sendings, remote_models, sending, together

SINGLES = 10
"""Single texts in each round."""
BULK = 64
"""Texts encoded in bulk in each round."""


def to_time(subjects: Sequence[Part], sample: Sample, rounds: int, trust: Trust) -> Sendings:
    """What timing the encoders of `subjects` would send."""

    def parts(model: Model) -> Iterable[Sendings]:
        encoder = resolve(model, trust)
        yield sending(encoder, _singles(sample, rounds), encoder.prompt(sample.single_role))
        yield sending(encoder, sample.bulk[:BULK] * rounds, encoder.prompt(sample.bulk_role))

    return together(part for model in remote_models(subjects) for part in parts(model))


def to_time_whole(pipelines: Sequence[Candidate], sample: Sample, rounds: int, trust: Trust) -> Sendings:
    """What timing `pipelines` from query to ranking would send: their documents are in the store."""
    encoders = [resolve(model, trust) for one in pipelines for model in remote_models([one])]
    return together(
        sending(encoder, _singles(sample, rounds), encoder.prompt(sample.single_role)) for encoder in encoders
    )


def tokens_per_text(model: Model, texts: Sequence[str], role: Role, trust: Trust) -> float | None:
    """Tokens that are paid for a text, on average: estimated from its bytes, corrected by what the endpoint counted."""
    encoder = resolve(model, trust)
    assert isinstance(encoder, RemoteEncoder)
    if not texts or trust.remote is None:
        return None
    estimate = Sending.of(encoder.endpoint, texts, encoder.prompt(role)).tokens / len(texts)
    return estimate * trust.remote.of(encoder.endpoint).ratio


def counted(model: Model, trust: Trust) -> bool:
    """Whether the endpoint says how many tokens it counted."""
    encoder = resolve(model, trust)
    assert isinstance(encoder, RemoteEncoder)
    return trust.remote is not None and trust.remote.of(encoder.endpoint).counted


def _singles(sample: Sample, rounds: int) -> list[str]:
    """The texts that rounds of SINGLES take, the first one once more for the start-up."""
    taken = np.resize(np.arange(len(sample.single)), rounds * min(SINGLES, len(sample.single)))
    return [sample.single[0], *(sample.single[at] for at in taken)]
