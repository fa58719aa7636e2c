"""The measuring behind `@auto`: which engines are as good as the reference, how fast each is and how it runs best."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from sizewise.auto.choice import Choice, fastest
from sizewise.auto.engines import engines, obstacle, short, together
from sizewise.certify.measure import certify, has_certificate
from sizewise.certify.texts import parts
from sizewise.core.candidate import Embed, Model
from sizewise.core.errors import SizewiseError
from sizewise.cost.measure import Plan, Worker, measure, spread
from sizewise.encode.exported import ExportedEncoder
from sizewise.encode.tuned import Tuning, keep
from sizewise.pipeline.bench import Bench

ROUNDS = 2
"""Of every engine: what is chosen by them differs by more than a third one would show."""
TUNING_ROUNDS = 3
TUNING_SECONDS = 0.7
"""Of bulk encoding with each setting in each round, about."""
TOKENS = (256, 512, 1024, 2048)
"""Blocks of so many tokens are tried."""
PILOT = 16
"""Texts timed first, to find how many TUNING_SECONDS hold."""


def chosen(bench: Bench, model: Model, plan: Plan) -> Choice:
    """The fastest engines for `model` on this machine, measured now and tuned; `plan` is on which texts."""
    name, say = Embed(model), bench.progress.say
    tried, left_out = _tried(bench, model)
    say(f"{name}@auto: measuring {', '.join(short(one) for one in tried)} on {plan.sample.about}")
    if left_out:
        say(f"{name}@auto: left out: {'; '.join(together(left_out))}")
    found = measure([Embed(one) for one in tried], replace(plan, rounds=ROUNDS), bench.progress)
    choice = Choice.of(
        {model: found.figures[Embed(model)] for model in tried},
        datetime.now(UTC).date().isoformat(),
        throughput_drift=found.throughput_drift,
        latency_drift=found.latency_drift,
    )
    for engine in choice.engines:
        tuned(bench, next(one for one in tried if short(one) == engine), plan, bulk=engine == choice.bulk)
    return choice


def _tried(bench: Bench, model: Model) -> tuple[list[Model], list[tuple[Model, str]]]:
    """The engines that run here and whose vectors are the reference's as far as is asked of their precision; and the
    others with the reason."""
    tried, left_out = [], []
    for engine in engines(model):
        reason = obstacle(engine, bench.trust) or _uncertified(bench, engine)
        if reason:
            left_out.append((engine, reason))
        else:
            tried.append(engine)
    bench.forget(model)  # its weights: what is measured has processes of its own
    return tried, left_out


def _uncertified(bench: Bench, engine: Model) -> str:
    """Why an engine is not offered, on the texts that every certificate has; empty where it is."""
    if not has_certificate(engine):
        return ""
    try:
        return certify(bench, engine, parts()).reason
    except SizewiseError as error:
        return str(error)
    except Exception as error:  # libraries that make graphs raise anything, and other engines may still run
        return f"it does not run here: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    finally:
        bench.forget(engine)


def tuned(bench: Bench, engine: Model, plan: Plan, *, bulk: bool) -> Tuning | None:
    """Tokens of a block and threads that are best for `engine` in bulk, or for single texts, found and kept for all who
    run it here; None for an engine that has no such settings."""
    encoder = bench.encoder(engine)
    if not isinstance(encoder, ExportedEncoder):
        return None
    default = Tuning(encoder.untuned.tokens, plan.threads)
    settings = [default, *(Tuning(tokens, plan.threads) for tokens in TOKENS if bulk and tokens != default.tokens)]
    if plan.threads > 1:
        settings.append(replace(default, threads=plan.threads // 2))  # one thread a core may be faster than two
    speeds, drift = _speeds(Embed(engine), settings, plan, bulk=bulk)
    best = fastest(speeds, drift, lambda setting: setting != default)
    keep(bench.store.root, encoder.tuned_for(plan.threads), {"tokens": best.tokens, "threads": best.threads})
    bench.progress.say(
        f"{Embed(engine)}: blocks of {best.tokens:,} tokens, {best.threads} threads"
        + (f" ({100 * (speeds[best] / speeds[default] - 1):+.0f}%)" if best != default else "")
    )
    return best


def _speeds(subject: Embed, settings: Sequence[Tuning], plan: Plan, *, bulk: bool) -> tuple[dict[Tuning, float], float]:
    """Of each setting its speed, and how far the first one's rounds are apart; in one process, in turns."""
    texts = plan.sample.bulk if bulk else plan.sample.single
    seconds: dict[Tuning, list[float]] = {setting: [] for setting in settings}
    with Worker(subject, plan) as worker:

        def took(some: Sequence[str]) -> float:
            if bulk:
                return float(worker.ask({"do": "bulk", "texts": some})["seconds"])
            return float(np.median(worker.ask({"do": "single", "texts": some, "seconds": TUNING_SECONDS})["ms"]))

        took(texts[:PILOT])
        if bulk:
            texts = texts[: max(PILOT, int(PILOT * TUNING_SECONDS / max(took(texts[:PILOT]), 1e-6)))]
        for _ in range(TUNING_ROUNDS):
            for setting in settings:
                worker.ask({"do": "tune", "tokens": setting.tokens, "threads": setting.threads})
                took(texts[:PILOT])
                seconds[setting].append(took(texts))
    return {setting: 1 / float(np.median(of)) for setting, of in seconds.items()}, spread(seconds[settings[0]])
