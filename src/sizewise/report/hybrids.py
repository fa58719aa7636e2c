"""What a run's hybrids say: how deep is enough, what cascades save, and what no reranker can reach."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sizewise.core.candidate import Candidate, Rerank
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.decide.evidence import Compared, TaskFacts
from sizewise.decide.terms import Terms
from sizewise.study.run import Run

Row = dict[str, Any]
COST = "mean_ms"
"""Of a cascade: what few queries cost shows in the mean, and in no percentile that they do not reach."""


def hybrids(run: Run, terms: Terms) -> Mapping[str, list[Row]]:
    """Rows for the report: `depths`, `cascades`, `weights` and `finalists`. Points are x100."""
    told = _Told(run, terms)
    return {
        "depths": list(told.depths()),
        "cascades": list(told.cascades()),
        "weights": list(told.weights()),
        "finalists": list(finalists(run)),
    }


def finalists(run: Run) -> Iterator[Row]:
    """Of each finalist the latency that was composed of its stages' and that which was measured end to end, and the
    stage that is farther from what was composed."""
    for name, measured in run.evidence.end_to_end.items():
        composed = run.evidence.figures[name]
        if measured.p95_ms is not None and composed.p95_ms is not None and composed.source == "composed":
            told = {"candidate": name, "composed": composed.p95_ms, "measured": measured.p95_ms}
            told["apart"] = measured.p95_ms / composed.p95_ms - 1
            search, encoding = run.about["searches"].get(name, {}).get("p95_ms"), measured.encode_p95_ms
            if search is not None and encoding is not None:
                stages = {
                    "encoding": (composed.p95_ms - search, encoding),
                    "search": (search, max(0.0, measured.p95_ms - encoding)),
                }
                misled = max(stages, key=lambda stage: abs(stages[stage][1] - stages[stage][0]))
                told |= {"stages": stages, "misled": misled}
            yield told


@dataclass(frozen=True)
class _Told:
    run: Run
    terms: Terms

    @cached_property
    def trees(self) -> dict[Candidate, str]:
        """Candidates by what they are; without those that another version wrote and this one does not read."""
        found = {}
        for name in self.run.evidence.candidates:
            with suppress(InputError):
                found[parse(name)] = name
        return found

    @cached_property
    def row(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.run.evidence.candidates)}

    def tasks(self) -> Iterator[tuple[TaskFacts, Compared]]:
        """Those that rank, with their numbers."""
        for task, compared in zip(self.run.evidence.tasks, self.run.evidence.compared, strict=True):
            if task.kind in ("retrieval", "fidelity"):
                yield task, compared

    def depths(self) -> Iterator[Row]:
        """For each retriever and reranker the least depth that loses less than the margin against the deepest, and the
        pool's ceiling there and at the deepest."""
        chains: dict[tuple[Candidate, Any, bool], list[Rerank]] = {}
        for one in self.trees:
            if isinstance(one, Rerank) and one.when is None:
                chains.setdefault((one.first, one.second, one.fresh), []).append(one)
        pools = {
            (each["task"], each["first"], each["depth"]): each["ceiling"] for each in self.run.about.get("ceilings", ())
        }
        for task, compared in self.tasks():
            margin = self.terms.margin_of(task.name, task.margin)
            for (first, second, _), ones in chains.items():
                ones = sorted(ones, key=lambda one: one.depth)
                deepest = self.at(ones[-1])
                if len(ones) < 2 or compared.points[deepest] != compared.points[deepest]:
                    continue
                enough = next(one for one in ones if one is ones[-1] or compared.bounds[self.at(one), deepest] < margin)
                yield {
                    "task": task.name,
                    "first": str(first),
                    "second": str(second),
                    "first_score": self.score(compared, first),
                    "second_score": self.score(compared, second) if not hasattr(second, "scorer") else None,
                    "enough": enough.depth,
                    "score": compared.points[self.at(enough)],
                    "ceiling": pools.get((task.name, str(first), enough.depth)),
                    "deepest": ones[-1].depth,
                    "deepest_score": compared.points[deepest],
                    "deepest_ceiling": pools.get((task.name, str(first), ones[-1].depth)),
                }

    def cascades(self) -> Iterator[Row]:
        """Every candidate that ranks only some queries again by a threshold that was found, beside the same for all
        queries, and beside the best fixed depth that costs no more."""
        found = {(one["task"], one["stage"]): one for one in self.run.about.get("tuned", ())}
        for task, compared in self.tasks():
            for one, name in self.trees.items():
                if not isinstance(one, Rerank) or one.when is None or (task.name, name) not in found:
                    continue
                told, cost = found[task.name, name], self.cost(name)
                always = self.trees.get(Rerank(one.first, one.second, one.depth, None, one.fresh))
                rivals = [rival for rival in self.fixed(one) if self.cheaper(rival, cost)]
                best = max(rivals, key=lambda rival: compared.points[self.row[rival]], default=None)
                yield {
                    "task": task.name,
                    "candidate": name,
                    "risk": one.when.risk,
                    **{key: told[key] for key in ("found", "share", "queries", "needed", "on")},
                    "score": compared.points[self.row[name]],
                    "cost": cost,
                    "always": self.against(compared, name, always),
                    "always_cost": None if always is None else self.cost(always),
                    "fixed": best,
                    "against_fixed": self.against(compared, name, best),
                }

    def weights(self) -> Iterator[Row]:
        """The weights that were found, with the score of each fusion and that by ranks."""
        for one in self.run.about.get("tuned", ()):
            if one["found"].startswith("w=") and one["stage"] == one["candidate"]:
                at = next(at for at, task in enumerate(self.run.evidence.tasks) if task.name == one["task"])
                score = self.run.evidence.compared[at].points[self.row[one["candidate"]]]
                yield {"task": one["task"], "candidate": one["candidate"], "found": one["found"], "score": score}

    def fixed(self, one: Rerank) -> list[str]:
        """The candidates that always rank again what `one` ranks again sometimes, and its first stage alone."""
        alike = [each for each in self.trees if isinstance(each, Rerank) and each.when is None]
        same = [each for each in alike if (each.first, each.second, each.fresh) == (one.first, one.second, one.fresh)]
        return [self.trees[each] for each in (*same, one.first) if each in self.trees]

    def against(self, compared: Compared, name: str, other: str | None) -> list[float] | None:
        """The difference to `other` with its simultaneous bounds."""
        if other is None:
            return None
        a, b = self.row[name], self.row[other]
        return [compared.points[a] - compared.points[b], -compared.bounds[a, b], compared.bounds[b, a]]

    def cheaper(self, name: str, cost: float | None) -> bool:
        """Whether it costs no more, within what two measurements of one cost differ by."""
        own = self.cost(name)
        return own is not None and cost is not None and own <= cost * (1 + self.run.evidence.drift(COST))

    def cost(self, name: str) -> float | None:
        return self.run.evidence.figures[name].value(COST)

    def score(self, compared: Compared, one: Candidate) -> float | None:
        name = self.trees.get(one)
        return None if name is None else compared.points[self.row[name]]

    def at(self, one: Candidate) -> int:
        return self.row[self.trees[one]]
