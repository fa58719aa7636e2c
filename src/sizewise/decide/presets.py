"""Presets: terms for common uses, each figure with its reason. docs/presets/ has a page on each.

A preset stands where nothing better is known. What a study, a task or a command line says comes before it, figure by
figure, and the recommendation tells what was changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from sizewise.core.errors import InputError
from sizewise.cost.figures import MORE_IS_BETTER, written
from sizewise.decide.terms import Terms


@dataclass(frozen=True)
class Preset:
    """Limits by figure, a margin in points (x100) and the figure to minimise, for one kind of use.

    Only figures that every run measures: money needs prices, and device memory a device.
    """

    name: str
    for_whom: str
    limits: Mapping[str, float]
    margin: float
    minimise: str
    why: str
    """What each figure comes from, in a few sentences."""


_ALL = (
    Preset(
        "chatbot",
        "passages that a language model reads before it answers",
        {"p95_ms": 100},
        3.0,
        "p95_ms",
        "Finding passages should not be felt before the answer begins: up to 0.1 seconds people take a response for "
        "immediate (Miller 1968; Nielsen 1993). The model reads several passages, so one that falls from the first "
        "place to the second is still read: hence a margin of 3. What is left to save is waiting time.",
    ),
    Preset(
        "edge",
        "devices with little memory and storage",
        {"memory_mb": 1024, "disk_mb": 128},
        5.0,
        "bytes_per_vector",
        "1,024 MB is half the memory of a board with 2 GB; the other half is the system's and the application's. "
        "128 MB of weights are 32 million parameters in float32: a small encoder fits, one of 110 million takes 440 "
        "MB. On a device the alternative is often no semantic search at all: hence a margin of 5. Every text that "
        "is stored takes its vector's bytes. Latency has no limit, as another machine's says little: measure on the "
        "device.",
    ),
    Preset(
        "search-engine",
        "a search box over many documents",
        {"p95_ms": 50, "texts_per_s": 12},
        2.0,
        "bytes_per_vector",
        "Up to 0.1 seconds people take a response for immediate (Miller 1968; Nielsen 1993), and half of that "
        "belongs to the network and the page. A million documents embedded anew within a day are 12 texts a second. "
        "The order of results is what people see: a margin of 2, the usual one. The index grows with the documents, "
        "so its bytes are saved.",
    ),
    Preset(
        "recommender",
        "similar items out of a large catalogue",
        {"bytes_per_vector": 400},
        3.0,
        "texts_per_s",
        "Ten million items at 400 bytes are 4 GB, half of an accelerator or a machine with 8. Items are encoded "
        "ahead of time, so latency has no limit; the catalogue and its changes are embedded in bulk, and bulk speed "
        "is what is saved. A list shows several items, and one that moves by a place is still shown: hence a margin "
        "of 3.",
    ),
    Preset(
        "legal",
        "clauses and precedents, where what is missed costs more than computers do",
        {"p95_ms": 1000},
        1.0,
        "p95_ms",
        "One passage missed in a hundred searches is already a lot: hence a margin of 1, which takes at least 300 "
        "independent units to prove. Up to one second a train of thought holds (Miller 1968; Nielsen 1993), which "
        "is hardly a limit here. Among candidates that are as good, the quickest.",
    ),
    Preset(
        "medical",
        "clinical questions and literature, on machines of one's own",
        {"p95_ms": 1000, "memory_mb": 4000},
        1.0,
        "p95_ms",
        "One answer missed in a hundred questions is already a lot: hence a margin of 1, which takes at least 300 "
        "independent units to prove. What patients say mostly stays on machines that are there: 4,000 MB are a "
        "quarter of one with 16 GB. Up to one second a train of thought holds (Miller 1968; Nielsen 1993).",
    ),
    Preset(
        "multilingual",
        "queries and texts in several languages, each a task of its own",
        {"p95_ms": 200},
        3.0,
        "memory_mb",
        "Every language must pass by itself, and a margin of 3 takes 100 independent units in each to prove, where "
        "one of 2 takes 150. Languages cost vocabulary: a table of 250,000 entries of 384 numbers is 384 MB in "
        "float32, more than all layers of a small model, so memory is what is saved. A fifth of the second in which "
        "a train of thought holds (Miller 1968; Nielsen 1993) leaves the rest to what comes after.",
    ),
    Preset(
        "batch",
        "embedding millions of texts with nobody waiting",
        {"texts_per_s": 12},
        2.0,
        "texts_per_s",
        "A million texts a day on one machine are 12 a second. Nobody waits for a single text, so latency has no "
        "limit, and the bill is the time that all of them take. The margin is the usual one.",
    ),
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _ALL}
"""By name, in the order in which they are shown."""


def preset_of(name: str) -> Preset:
    """The preset called `name`. Raises InputError with the name that comes near."""
    if name not in PRESETS:
        close = get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(PRESETS)}"
        raise InputError(f"there is no preset called {name!r}; {hint}")
    return PRESETS[name]


def preset_terms(
    name: str, limits: Mapping[str, float] | None = None, margin: float | None = None, minimise: str | None = None
) -> Terms:
    """The terms of a preset, with what is given here before its own, figure by figure.

    Raises InputError as `preset_of` and `Terms`.
    """
    preset = preset_of(name)
    return Terms(
        minimise=minimise or preset.minimise,
        limits={**preset.limits, **(limits or {})},
        margin=preset.margin if margin is None else margin,
        preset=name,
    )


def explained(terms: Terms) -> str | None:
    """One sentence: the preset in force, whom it is for, what it asks, and what was changed. None without a preset."""
    if terms.preset is None:
        return None
    preset = PRESETS.get(terms.preset)
    if preset is None:
        return f"Preset {terms.preset}, which this version of Sizewise does not know."
    own = ", ".join((*limits_in_words(preset.limits), _margin(preset.margin), aim(preset.minimise)))
    changed = _changed_limits(preset, terms)
    if terms.margin != preset.margin:
        changed.append(_margin(terms.margin))
    changed += [f"margin {margin:g} on {task}" for task, margin in terms.margins.items()]
    if terms.minimise != preset.minimise:
        changed.append(aim(terms.minimise))
    here = f"; changed here: {', '.join(changed)}" if changed else ""
    return f"Preset {preset.name}, for {preset.for_whom}: {own}{here}."


def limits_in_words(limits: Mapping[str, float]) -> list[str]:
    """`p95_ms at most 100`, `texts_per_s at least 12`."""
    bound = {name: "least" if name in MORE_IS_BETTER else "most" for name in limits}
    return [f"{name} at {bound[name]} {written(limit)}" for name, limit in limits.items()]


def aim(minimise: str) -> str:
    """`least p95_ms`, `most texts_per_s`."""
    return f"{'most' if minimise in MORE_IS_BETTER else 'least'} {minimise}"


def _margin(margin: float) -> str:
    return f"margin {margin:g} where a task has none of its own"


def _changed_limits(preset: Preset, terms: Terms) -> list[str]:
    other = {name: limit for name, limit in terms.limits.items() if preset.limits.get(name) != limit}
    return limits_in_words(other) + [f"no limit on {name}" for name in preset.limits if name not in terms.limits]
