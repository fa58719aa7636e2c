"""Before texts leave: how many, to whom and for how much; refused unless the user has allowed it.

Encoders refuse by themselves what was not allowed. This says it earlier and in one piece: all that a command would
send, counted before it sends anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sizewise.core.candidate import Candidate, Model, Part, encoders
from sizewise.core.errors import InputError
from sizewise.core.progress import Progress
from sizewise.data.task import Task
from sizewise.encode.encoder import Encoder, Trust
from sizewise.encode.remote.encoder import RemoteEncoder
from sizewise.encode.remote.endpoints import config_path
from sizewise.encode.remote.sending import Sending, in_money
from sizewise.encode.stored import missing_texts
from sizewise.pipeline.bench import Bench, fit_sample, fits

Sendings = Mapping[str, Sending]
"""By endpoint."""


def to_encode(bench: Bench, work: Iterable[tuple[Task, Sequence[Candidate]]]) -> Sendings:
    """What scoring candidates on tasks would send: texts that the store has no vectors of, each once."""
    missing: dict[tuple[str, str], dict[str, None]] = {}
    for task, candidates in work:
        for model in remote_models(candidates):
            fitted = any(fits(one, model) for one in candidates)
            encoder = bench.encoder(model)
            for part in [*task.text_sets(), *(fit_sample(task) if fitted else ())]:
                prompt = encoder.prompt(part.role, task.prompts)
                found = missing_texts(bench.store, encoder, part.texts, part.role, prompt)
                missing.setdefault((model.name, prompt), {}).update(dict.fromkeys(found))
    return together(
        sending(bench.encoder(Model(name)), list(texts), prompt) for (name, prompt), texts in missing.items() if texts
    )


def sending(encoder: Encoder, texts: Sequence[str], prompt: str) -> Sendings:
    """What encoding `texts` would send: nothing, for an encoder that runs here."""
    if not isinstance(encoder, RemoteEncoder) or not texts:
        return {}
    return {encoder.endpoint.name: Sending.of(encoder.endpoint, texts, prompt)}


def together(parts: Iterable[Sendings]) -> Sendings:
    """All of them, by endpoint."""
    found: dict[str, Sending] = {}
    for part in parts:
        for name, one in part.items():
            found[name] = found[name].plus(one) if name in found else one
    return found


def permit(sendings: Sendings, trust: Trust, progress: Progress) -> None:
    """Say what will be sent. Raises InputError when it is not allowed, dearer than `max_spend`, or a key is missing."""
    if not sendings:
        return
    if trust.remote is None:
        listed = "; and ".join(str(one) for one in sendings.values())
        raise InputError(f"this would send {listed}; nothing was sent: allow it with --allow-remote")
    for one in sendings.values():
        one.endpoint.key()
        if one.too_dear:
            raise InputError(
                f"this would send {one}, which is more than its max_spend = {one.endpoint.max_spend:g}; nothing was "
                f"sent: raise that in {config_path()}, or take fewer texts"
            )
    for one in sendings.values():
        progress.say(f"sending {one}")


def say_spent(trust: Trust, progress: Progress) -> None:
    """What was sent in the end, and what it cost."""
    for name, spent in (trust.remote.spent if trust.remote else {}).items():
        counted = "" if spent.counted else " (estimated: the endpoint does not count them)"
        lost = f"; {_lost(spent.lost)}" if spent.lost else ""
        progress.say(
            f"remote:{name}: {spent.texts:,} texts in {spent.requests:,} requests, {spent.tokens:,} tokens{counted}, "
            f"{in_money(spent.cost)} spent{lost}"
        )


def _lost(count: int) -> str:
    if count == 1:
        return "1 request was not answered as it should be and counts as paid"
    return f"{count:,} requests were not answered as they should be and count as paid"


def remote_models(candidates: Iterable[Part]) -> list[Model]:
    """The models among them that are endpoints, each once."""
    found = (plain.model for one in candidates for plain in encoders(one))
    return list(dict.fromkeys(model for model in found if model.is_remote))


def remote_facts(bench: Bench, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """For the record of a run: what each endpoint was, since when its vectors are bought, and what the command that
    finished it has sent."""
    facts = []
    for model in remote_models(candidates):
        encoder = bench.encoder(model)
        assert isinstance(encoder, RemoteEncoder)
        spent = bench.trust.remote.of(encoder.endpoint) if bench.trust.remote else None
        price = {"price_per_million_tokens": encoder.price_per_million_tokens}
        facts.append({"name": model.name, **encoder.identity, **price, "sent": asdict(spent) if spent else None})
    return facts
