"""The study that bundles come from, as their certificates carry it, and which of its candidates are served."""

from collections.abc import Iterable, Mapping
from typing import Any

from sizewise.serve.served import Served

Study = Mapping[str, Any]


def study_of(served: Iterable[Served]) -> Study | None:
    """The study of the first bundle that has one; in each row `served_as`, the names of the bundles of this study that
    serve the candidate. None where no bundle was built from a run."""
    known: list[tuple[Served, Study]] = [(one, found) for one in served if (found := one.certified.get("study"))]
    if not known:
        return None
    _, study = known[0]
    names: dict[str, list[str]] = {}
    for one, found in known:
        if _scores(found) == _scores(study):
            names.setdefault(_measured_as(one), []).append(one.name)
    return {**study, "rows": [row | {"served_as": names.get(row["candidate"], [])} for row in study["rows"]]}


def _scores(study: Study) -> Mapping[str, float]:
    """What tells studies apart: under other terms the same run has other costs and states, not other scores."""
    return {row["candidate"]: row["quality"] for row in study["rows"]}


def _measured_as(served: Served) -> str:
    """The candidate's name in its run: what was left open there is settled in the bundle."""
    return str(served.certified.get("chosen") or served.certified["candidate"])
