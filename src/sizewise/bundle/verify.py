"""Does a bundle still hold what was written, and answer as it did then? A check of integrity, not of authorship."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from sizewise.bundle import certificate, elsewhere
from sizewise.bundle.answers import FIRST, Answers, alone, shuffled
from sizewise.bundle.certificate import Certificate, Damaged
from sizewise.bundle.layout import CANARIES, CANARY_TEXTS, Layout, is_bundle, read_json
from sizewise.bundle.load import load_bundle
from sizewise.bundle.tolerance import Tolerance
from sizewise.core.candidate import Role
from sizewise.core.errors import InputError, MissingExtra, RunError, SizewiseError
from sizewise.core.extras import require
from sizewise.core.progress import Progress, Silent
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.stats.alike import alike
from sizewise.transform.transform import Vectors

SHUFFLES = 2


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    passed: bool | None
    """None: there was nothing to compare."""
    detail: str
    """In words, a clause that can stand alone."""
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Everything that `verify` found. Checks that a failed one makes meaningless were not made."""

    bundle: str
    candidate: str | None
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed is not False for finding in self.findings)

    @property
    def problem(self) -> str:
        """One sentence for all that failed."""
        failed = "; ".join(finding.detail for finding in self.findings if finding.passed is False)
        return f"{self.bundle} is not the bundle that was written: {failed}"

    def to_json(self) -> dict[str, Any]:
        return {"schema": 1, "passed": self.passed, **asdict(self)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(found["bundle"], found["candidate"], tuple(Finding(**one) for one in found["findings"]))


def verify(path: Path | str, tasks: Sequence[Path | str] = (), progress: Progress | None = None) -> Report:
    """Check the bundle in the folder `path`, in this process; on `tasks` (folders) its measured scores too.

    Raises InputError when `path` is no bundle at all or a task cannot be read, MissingExtra when what the bundle runs
    on or what tasks are scored with is not installed.
    """
    folder = Path(path)
    if tasks:
        require("scipy", "scoring a task")
    report = verify_files(path)
    if not report.passed:
        return report
    behaviour = _behaviour(folder, certificate.read(folder), tasks, progress or Silent())
    return Report(str(path), report.candidate, (*report.findings, *behaviour))


def verify_files(path: Path | str) -> Report:
    """What of `verify` needs nothing to be loaded: the certificate, and every file by its hash.

    Raises InputError when `path` holds no bundle.
    """
    folder = Path(path)
    if not is_bundle(folder):
        raise InputError(f"{folder} is no bundle: it holds neither sizewise.json nor certificate.json")
    try:
        certified = certificate.read(folder)
    except Damaged as error:
        return Report(str(path), None, (Finding("certificate", False, str(error)),))
    return Report(str(path), certified["candidate"], (_whole(certified), _files(folder, certified)))


def verify_answers(path: Path | str, pipeline: Pipeline) -> Report:
    """Of a bundle whose files are as certified: whether `pipeline`, which was loaded from it, answers the canary texts
    as it did. Hybrids have them indexed afterwards."""
    folder = Path(path)
    certified = certificate.read(folder)
    then, texts = Answers.load(folder / CANARIES), _texts(folder)
    allowed = Tolerance.from_json(certified["canaries"]["tolerance"])
    findings = _answers(pipeline, Answers.of(pipeline, texts), then, allowed)
    return Report(str(path), certified["candidate"], tuple(findings))


def _whole(certified: Certificate) -> Finding:
    return Finding("certificate", True, f"the certificate is whole (written {certified['created']})")


def _files(folder: Path, certified: Certificate) -> Finding:
    if damage := list(certificate.damage(folder, certified)):
        return Finding("files", False, "; ".join(damage), {"damaged": len(damage)})
    count, size = len(certified["files"]), sum(about["bytes"] for about in certified["files"].values())
    return Finding("files", True, f"all {count} files are as certified ({size / 1e6:,.1f} MB)", {"files": count})


def _behaviour(
    folder: Path, certified: Certificate, tasks: Sequence[Path | str], progress: Progress
) -> Iterator[Finding]:
    """What needs the model to be loaded."""
    allowed = Tolerance.from_json(certified["canaries"]["tolerance"])
    try:
        layout, then, texts = Layout.read(folder), Answers.load(folder / CANARIES), _texts(folder)
        pipeline = load_bundle(folder)
        now = Answers.of(pipeline, texts)
    except MissingExtra:
        raise  # it says nothing of the bundle
    except SizewiseError as error:
        yield Finding("load", False, f"it does not load ({error})")
        return
    *vectors, rankings = _answers(pipeline, now, then, allowed)
    yield from vectors
    if isinstance(pipeline, EmbedPipeline):
        yield _neighbours(pipeline, texts, now.vectors, allowed, dot=layout.similarity == "dot")
    yield rankings
    if isinstance(pipeline, EmbedPipeline):
        pipeline.encoder.unload()  # two copies of the weights need not fit
        yield _elsewhere(folder, layout, texts, then.vectors, allowed)
    if tasks:
        from sizewise.bundle.score import compare_score  # loads what tasks are scored with
    for task in tasks:
        passed, detail, numbers = compare_score(pipeline, certified["measured"], task, allowed.points, progress)
        yield Finding("score", passed, detail, numbers)


def _answers(pipeline: Pipeline, now: Answers, then: Answers, allowed: Tolerance) -> Iterator[Finding]:
    """Whether canaries are answered as they were: their vectors, where one encoder is all there is, and rankings."""
    if isinstance(pipeline, EmbedPipeline):
        claim, dot = "canary vectors are those of the certificate", not pipeline.chain.cosine
        yield _vectors("vectors", claim, now.vectors, then.vectors, allowed, dot=dot)
    yield _rankings(now, then, allowed)


def _texts(folder: Path) -> list[str]:
    texts = read_json(folder / CANARY_TEXTS).get("texts")
    if not isinstance(texts, list):
        raise InputError(f"{folder / CANARY_TEXTS} holds no texts")
    return texts


def _vectors(
    check: str,
    claim: str,
    found: Mapping[Role, Vectors],
    wanted: Mapping[Role, Vectors],
    allowed: Tolerance,
    *,
    dot: bool,
) -> Finding:
    """Whether vectors agree, in the worst text of the worst role; with `dot`, in their lengths too."""
    apart = [distance(found[role], wanted[role]) for role in wanted]
    cosine, length = min(one[0] for one in apart), max(one[1] for one in apart)
    passed = cosine >= allowed.cosine and (length <= allowed.length or not dot)
    detail = (
        f"{claim if passed else f'it is not so that {claim}'}: worst cosine {cosine:.7f} (least: {allowed.cosine:g})"
    )
    if dot:
        detail += f", lengths at most {100 * length:.3g}% apart (most: {100 * allowed.length:g}%)"
    return Finding(check, passed, detail, {"worst_cosine": cosine, "least_cosine": allowed.cosine, "apart": length})


def distance(found: Vectors, wanted: Vectors) -> tuple[float, float]:
    """The least cosine of two rows and the largest relative difference of their lengths; rows of zeros are alike."""
    cosines, apart = alike(found, wanted)
    return float(cosines.min(initial=1.0)), float(apart.max(initial=0.0))


def _neighbours(
    pipeline: EmbedPipeline, texts: Sequence[str], together: Mapping[Role, Vectors], allowed: Tolerance, *, dot: bool
) -> Finding:
    """Whether it matters what a text is encoded with."""
    claim = "a text's vector is the same alone and in any batch"
    ways = [alone(pipeline, texts), *(shuffled(pipeline, texts, seed) for seed in range(SHUFFLES))]
    found = [_vectors("neighbours", claim, way, together, allowed, dot=dot) for way in ways]
    return min(found, key=lambda one: (one.passed is True, one.numbers["worst_cosine"]))


def _rankings(now: Answers, then: Answers, allowed: Tolerance) -> Finding:
    """Whether each canary finds the same others first."""
    if now.scores.shape != then.scores.shape:
        return Finding("rankings", False, "there are not as many canaries as there were")
    found, wanted = now.first(), then.first()
    shared = [len(a & b) / max(1, len(a | b)) for a, b in zip(found, wanted, strict=True)]
    changed = sum(one < 1 for one in shared)
    ties = all(
        near_tie(row, gained, kept, allowed.near_tie)
        for row, a, kept in zip(then.scores, found, wanted, strict=True)
        if (gained := a ^ kept)
    )
    overlap = sum(len(a & b) for a, b in zip(found, wanted, strict=True)) / max(1, sum(map(len, wanted)))
    numbers = {"overlap": overlap, "changed": changed, "near_ties": ties, "equal_codes": _equal_codes(now, then)}
    what = f"the first {FIRST} that each of {len(wanted)} canaries finds"
    if not changed:
        return Finding("rankings", True, f"{what} are the same", numbers)
    why = "by near ties only" if ties else "and not by near ties only"
    return Finding("rankings", ties, f"{what} agree to {100 * overlap:.1f}%; {changed} differ, {why}", numbers)


def near_tie(scores: Vectors, moved: set[int], kept: set[int], share: float) -> bool:
    """Whether the documents that came or went had scores close to that of the last one kept, measured by the spread of
    `scores` [n] (-inf: not ranked)."""
    ranked = scores[np.isfinite(scores)]
    if not kept or not len(ranked):
        return False
    last = min(scores[at] for at in kept)
    return all(abs(scores[at] - last) <= share * (ranked.max() - ranked.min()) for at in moved)


def _equal_codes(now: Answers, then: Answers) -> float | None:
    """The share of code numbers that are equal to the last bit."""
    pairs = [(now.queries, then.queries), (now.documents, then.documents)]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not known or any(a.shape != b.shape for a, b in known):
        return None
    return float(np.mean([np.mean(a == b) for a, b in known]))


def _elsewhere(
    folder: Path, layout: Layout, texts: Sequence[str], wanted: Mapping[Role, Vectors], allowed: Tolerance
) -> Finding:
    if not layout.loads_elsewhere:
        return Finding("sentence-transformers", None, "this bundle is not made for sentence-transformers alone")
    try:
        found = elsewhere.vectors(folder, texts)
    except MissingExtra as error:
        return Finding("sentence-transformers", None, f"what it makes of the bundle was not looked at ({error})")
    except RunError as error:
        return Finding("sentence-transformers", False, str(error))
    claim = "sentence-transformers alone gives the same vectors"
    return _vectors("sentence-transformers", claim, found, wanted, allowed, dot=layout.similarity == "dot")
