"""What candidates were made from by training, so that a study can hold them against it."""

from collections.abc import Sequence

from sizewise.core.candidate import Candidate, Embed, Model
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.decide.evidence import Origin
from sizewise.encode.encoder import Trust
from sizewise.encode.folder import local_folder, locate
from sizewise.train.card import Provenance


def made_from(model: Model) -> Provenance | None:
    """Of a model in a local folder that was made by training; None for others."""
    folder = local_folder(model)
    return Provenance.read(folder) if folder else None


def missing_starts(candidates: Sequence[Candidate], trust: Trust) -> list[str]:
    """Models that candidates were made from, which are within reach and not among `candidates`."""
    there = {str(one) for one in candidates}
    found: dict[str, None] = {}
    for model in dict.fromkeys(one.model for one in candidates if isinstance(one, Embed)):
        if (about := made_from(model)) and about.start not in there and _within_reach(about.start, trust):
            found[about.start] = None
    return list(found)


def origins(candidates: Sequence[Candidate]) -> dict[str, Origin]:
    """By candidate: what its model was made from, as the model names it, where that is among `candidates`: the plain
    one, in float32, whatever else is made of it."""
    there = {str(one) for one in candidates}
    found = {}
    for one in candidates:
        if isinstance(one, Embed) and (about := made_from(one.model)):
            start = about.start if about.start in there else None
            found[str(one)] = Origin(start, about.kind == "fine-tuned", about.start)
    return found


def _within_reach(name: str, trust: Trust) -> bool:
    candidate = parse(name)
    try:
        locate(candidate.model.name if isinstance(candidate, Embed) else name, trust)
    except InputError:
        return False
    return True
