"""report.html: one file that holds the run, the library that draws its chart, and the scripts that decide again."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from itertools import count
from string import Template
from typing import Any

import orjson

from sizewise.core.text import printable
from sizewise.decide.presets import PRESETS
from sizewise.decide.recommendation import Recommendation
from sizewise.decide.words import sentences
from sizewise.report.again import reread
from sizewise.report.cases import breaks
from sizewise.report.engines import engines
from sizewise.report.groups import groups
from sizewise.report.hybrids import hybrids
from sizewise.report.payload import payload
from sizewise.study.run import Run

SCRIPTS = (
    *("numbers", "decide", "words"),
    *("dom", "terms", "answer", "frontier", "size", "hybrids", "scores", "costs", "engines", "breaks", "made", "page"),
)
"""In the order in which they build on each other."""


def report_html(run: Run, found: Recommendation, *, text: bool = True) -> str:
    """The page. `text=False` leaves the user's texts out of it: no queries, documents, labels, ids, notes, names of
    groups or slices.

    Everything that the data say goes in as JSON, which the scripts show as text nodes, or escaped; control characters
    and marks that turn the direction of writing are written out. The page's policy lets no other script, style or
    request in.
    """
    tasks = reread(run)
    about = payload(run, found) | {
        "presets": {name: asdict(preset) for name, preset in PRESETS.items()},
        "breaks": [one.to_json() for one in breaks(run, found, text=text, tasks=tasks)],
        "breaks_of": found.candidate,
        "groups": [one.to_json() for one in groups(run, found, text=text, tasks=tasks)],
        "engines": engines(run, text=text, tasks=tasks),
        "hybrids": hybrids(run, found.terms),
    }
    if not text:
        about |= without_text(about)
    style, library, script = _part("style.css"), _library(), _script()
    return Template(_part("page.html")).substitute(
        policy=_policy(scripts=(library, script), style=style),
        title=escape(printable(f"{run.about['name']}: the smallest that is good enough")),
        style=style,
        answer="".join(f"<p>{escape(printable(sentence))}</p>" for sentence in sentences(found)),
        data=_json(shown(about)),
        library=library,
        script=script,
    )


def without_text(about: Mapping[str, Any]) -> dict[str, Any]:
    """What of the page's data would tell something of the user's texts or folders, told without it.

    Names of runs, tasks and candidates stay: the page is about them.
    """
    numbers = count(1)
    return {
        "folder": "RUN",
        "slices": [one | {"name": f"slice {number}"} for one, number in zip(about["slices"], numbers, strict=False)],
        "tasks": [one | {"notes": ()} for one in about["tasks"]],  # some quote labels
        "breaks": [one | {"shown": [case | {"slice": None} for case in one["shown"]]} for one in about["breaks"]],
    }


def shown(value: Any) -> Any:
    """`value` with every text in it, keys too, made safe to show."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shown(one) for one in value]
    return value


def _json(value: Any) -> str:
    """JSON inside a script element: without `<`, no text in it can end the element or open a comment."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")


def _policy(scripts: Sequence[str], style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(_hashes(scripts))}",
            f"style-src {' '.join(_hashes([style]))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hashes(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        yield f"'sha256-{b64encode(sha256(part.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    return (files("sizewise.report") / "page" / name).read_text(encoding="utf-8")


def _script() -> str:
    """All scripts as one, whose names are its own."""
    parts = "\n".join(_part(f"{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();'


@cache
def _library() -> str:
    """Vega-Lite and what it needs, as the drawing library carries them."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
