"""Do the intervals cover, and is a "proven" recommendation right? A simulation of what `sizewise.stats` promises.

    python benchmarks/coverage.py --out coverage.json --table coverage.md [--runs 2000] [--workers N]
        [--only coverage|decision]

Coverage: 95% intervals of every metric, small and large, saturated and not, with and without groups, against the true
value. Decision: candidates of known losses, the rule of DESIGN.md (cheapest with max_j U[i, j] < margin), and how often
it calls proven what is worse than the true best by the margin or more. The bad candidates are either a little worse
everywhere ("spread") or copies of the best that fail utterly on 2-4% of the units ("concentrated"), which a bootstrap
alone cannot see. Interrupted, it goes on where it was: every finished batch of 250 runs is in the JSON file.
"""

import argparse
import itertools
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

# One core a worker: the workers share the cores already. Read when numpy is first imported.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

from multiprocessing import get_context

import numpy as np
from scipy.special import ndtr, ndtri

from sizewise.stats.compare import upper_bounds
from sizewise.stats.intervals import interval
from sizewise.stats.resample import draw_counts, resampled_counts
from sizewise.stats.statistics import AveragePrecision, Mean, Spearman, Statistic, VMeasure, bootstrap, of_draws

MARGIN, RESAMPLES, BATCH = 0.02, 2000, 250
GROUP_SIZE, GROUP_CORRELATION, TWIN_CORRELATION = 5, 0.5, 0.9
SIZES = (50, 100, 300, 1000)
# (grouped, n) of decisions: all, and where every cell is expensive. 100 grouped units are too few groups for any proof.
DECISIVE = ((False, 50), (False, 100), (False, 300), (False, 1000), (True, 300), (True, 1000))
LARGER = ((False, 50), (False, 100), (False, 300), (False, 1000), (True, 1000))
BOUNDS = {"spearman": (-1.0, 1.0)}
DECISION_LEVEL = {"ndcg": 0.8, "accuracy": 0.8, "accuracy10": 0.8, "spearman": 0.85, "ap": 0.85}
NDCG_SPREAD, GRID = 0.35, np.linspace(-1, 2.5, 4001)


@dataclass(frozen=True)
class Cell:
    """One setting; `k` is 0 for coverage."""

    metric: str
    n: int
    grouped: bool
    saturated: bool = False
    k: int = 0
    how: str = ""

    @property
    def key(self) -> str:
        return " ".join(str(value) for value in asdict(self).values())

    @property
    def groups(self) -> np.ndarray | None:
        return np.arange(self.n) // GROUP_SIZE if self.grouped else None

    @property
    def n_groups(self) -> int:
        return self.n // GROUP_SIZE if self.grouped else self.n

    @property
    def runs_share(self) -> float:
        """Half the runs where they take longest; the tables give every cell's Monte Carlo error."""
        slow = (self.k == 60 and self.n < 1000) or (self.k > 2 and self.metric in ("spearman", "ap"))
        return 0.5 if slow else 1.0

    def effort(self) -> float:
        """A guess at the seconds of one run: only to start the longest first."""
        sorting = self.metric in ("spearman", "ap", "v")
        return self.n * (self.k + 2 if sorting else 0.1 * self.k) * 3e-5 + self.k**2 * 3e-5


def cells(only: str | None) -> Iterator[Cell]:
    both = (False, True)
    if only != "decision":
        for metric in ("ndcg", "accuracy", "accuracy10", "spearman", "ap", "v"):
            for grouped, saturated, n in itertools.product(both, both, SIZES):
                yield Cell(metric, n, grouped, saturated)
    if only != "coverage":
        for metric, how in itertools.product(("ndcg", "accuracy"), ("spread", "concentrated")):
            for k, (grouped, n) in itertools.product((2, 20), DECISIVE):
                yield Cell(metric, n, grouped, k=k, how=how)
            for grouped, n in LARGER:
                yield Cell(metric, n, grouped, k=60, how=how)
        for metric, how in itertools.product(("accuracy10", "spearman", "ap"), ("spread", "concentrated")):
            for k, sizes in ((2, LARGER), (20, LARGER[2:4])):
                for grouped, n in sizes:
                    yield Cell(metric, n, grouped, k=k, how=how)


def normals(rng: np.random.Generator, n: int, grouped: bool, *shape: int) -> np.ndarray:
    """Standard normals [*shape, n]; within a group of units they share a part."""
    own = rng.normal(size=(*shape, n))
    if not grouped:
        return own
    shared = np.repeat(rng.normal(size=(*shape, n // GROUP_SIZE)), GROUP_SIZE, axis=-1)
    return np.sqrt(GROUP_CORRELATION) * shared + np.sqrt(1 - GROUP_CORRELATION) * own


def trained(errors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[candidates, 10, n]: standard normal errors [candidates, n] as each of 10 training draws sees them."""
    candidates, n = errors.shape
    noise = np.sqrt(0.39) * rng.normal(size=(candidates, 10, n)) + 0.1 * rng.normal(size=(candidates, 10, 1))
    return np.sqrt(0.6) * errors[:, None] + noise


# --- coverage ---------------------------------------------------------------------------------------------------------


def samples(cell: Cell, rng: np.random.Generator, runs: int) -> list[Statistic]:
    """Independent samples of one pipeline: `runs` candidates in all (those of one statistic share its resamples)."""
    draw, hard = partial(normals, rng, cell.n, cell.grouped), not cell.saturated
    if cell.metric == "ndcg":
        return [Mean(np.clip(0.6 + 0.45 * draw(runs, 1) if hard else 1.75 + 0.5 * draw(runs, 1), 0, 1))]
    if cell.metric == "accuracy":
        return [Mean((draw(runs, 1) < ndtri(0.75 if hard else 0.97)) * 1.0)]
    if cell.metric == "accuracy10":
        return [Mean((trained(draw(runs), rng) < ndtri(0.75 if hard else 0.97)) * 1.0)]
    return [_one_sample(cell.metric, draw, rng, hard) for _ in range(runs)]


def _one_sample(metric: str, draw: partial, rng: np.random.Generator, hard: bool) -> Statistic:
    meaning = draw()
    if metric == "spearman":
        gold = np.round(4 * (meaning + (0.4 if hard else 0.12) * draw())) / 4
        return Spearman(meaning[None] + (0.7 if hard else 0.12) * draw(1), gold)
    if metric == "ap":
        same = rng.random(len(meaning)) < 0.5
        return AveragePrecision(meaning[None] + same * (0.8 if hard else 3.2), same)
    labels = np.minimum((ndtr(meaning) * 10).astype(int), 9)
    right = ndtr(draw(1, 3)) < (0.7 if hard else 0.985)
    return VMeasure(np.where(right, labels, rng.integers(10, size=right.shape)), labels)


@cache
def true_value(metric: str, n: int, grouped: bool, saturated: bool) -> float:
    """By a large sample; a V-measure depends on the number of units, so there by many samples of that size."""
    rng = np.random.default_rng(99)
    size, runs = (n, 4000) if metric == "v" else (2000, 1500) if metric in ("ndcg", "accuracy10") else (200_000, 10)
    drawn = (samples(Cell(metric, size, grouped, saturated), rng, runs // 10) for _ in range(10))
    return float(np.mean([np.mean(statistic.point()) for batch in drawn for statistic in batch]))


def coverage_batch(cell: Cell, runs: int, seed: int) -> dict[str, int]:
    truth, tally = true_value(cell.metric, cell.n, cell.grouped, cell.saturated), defaultdict(int, runs=runs)
    for statistic in samples(cell, np.random.default_rng([seed, cell.n]), runs):
        points, draws = bootstrap(statistic, cell.groups, RESAMPLES, seed)
        for point, row in zip(points, draws, strict=True):
            found = interval(
                float(point),
                row,
                cell.n,
                cell.n_groups if cell.grouped else None,
                binary=cell.metric == "accuracy",
                conditional=cell.metric == "v",
                bounds=BOUNDS.get(cell.metric, (0.0, 1.0)),
            )
            covers = found.low <= truth <= found.high
            tally["covered"] += covers
            tally["approximate"] += found.approximate
            tally["covered_if_trusted"] += covers and not found.approximate
    return dict(tally)


# --- decision ---------------------------------------------------------------------------------------------------------


def losses_of(k: int, rng: np.random.Generator) -> np.ndarray:
    """True losses: the best, a quarter good ones within half the margin, the rest bad, from the margin to 1.5 of it."""
    n_bad = max(1, round(0.75 * (k - 1)))
    good = rng.uniform(0, 0.5, k - 1 - n_bad)
    return MARGIN * np.concatenate([[0.0], good, np.linspace(1.001, 1.5, n_bad)])


@cache
def ap_by(what: str) -> tuple[np.ndarray, np.ndarray]:
    """A grid of the separation of the two labels, or of the share of units lost at level 0.85, and its true AP."""
    rng = np.random.default_rng(5)
    same, noise, other, fate = rng.random(400_000) < 0.5, *rng.normal(size=(2, 400_000)), rng.random(400_000)
    if what == "separation":
        grid = np.linspace(0.8, 2.0, 61)
        return grid, AveragePrecision(noise + grid[:, None] * same, same).point()
    separation = np.interp(DECISION_LEVEL["ap"], *ap_by("separation")[::-1])
    grid = np.linspace(0, 0.1, 21)
    scores = np.where(fate < grid[:, None], separation / 2 + other, noise + separation * same)
    return grid, AveragePrecision(scores, same).point()


def ndcg_mean(centre: np.ndarray) -> np.ndarray:
    """The mean of a normal of standard deviation NDCG_SPREAD clipped to [0, 1]."""
    low, high = -centre / NDCG_SPREAD, (1 - centre) / NDCG_SPREAD
    density = (np.exp(-low * low / 2) - np.exp(-high * high / 2)) / np.sqrt(2 * np.pi)
    return 1 - ndtr(high) + centre * (ndtr(high) - ndtr(low)) + NDCG_SPREAD * density


def candidates(cell: Cell, losses: np.ndarray, rng: np.random.Generator) -> Statistic:
    """One sample of candidates whose true losses are `losses`."""
    draw, level = partial(normals, rng, cell.n, cell.grouped), DECISION_LEVEL[cell.metric]
    errors = np.sqrt(TWIN_CORRELATION) * draw() + np.sqrt(1 - TWIN_CORRELATION) * draw(cell.k)
    concentrated = (losses > MARGIN) & (cell.how == "concentrated")
    targets = np.where(concentrated, level, level - losses)[:, None]
    if cell.metric == "ndcg":
        values, failed = np.clip(np.interp(targets, ndcg_mean(GRID), GRID) + NDCG_SPREAD * errors, 0, 1), 0.0
    elif cell.metric == "accuracy":
        values, failed = (errors < ndtri(targets)) * 1.0, 0.0
    elif cell.metric == "accuracy10":
        values, failed = (trained(errors, rng) < ndtri(targets)[:, None]) * 1.0, 0.0
    elif cell.metric == "spearman":
        gold, r = draw(), 2 * np.sin(np.pi * targets / 6)
        values, failed = r * gold + np.sqrt(1 - r * r) * errors, draw(cell.k)
    else:
        same, separation = rng.random(cell.n) < 0.5, np.interp(targets, *ap_by("separation")[::-1])
        values, failed = errors + separation * same, separation / 2 + draw(cell.k)
    if cell.metric == "ap":
        grid, precision = ap_by("lost")
        lost_share = np.interp(-(level - losses), -precision, grid)
    else:  # a failed unit is worth 0, and a correlation with noise is 0
        lost_share = losses / level
    lost = np.repeat(rng.random((cell.k, cell.n_groups)) < lost_share[:, None], cell.n // cell.n_groups, axis=1)
    if cell.metric == "accuracy10":
        return Mean(np.where(concentrated[:, None, None], np.where(lost[:, None], failed, values[0]), values))
    values = np.where(concentrated[:, None], np.where(lost, failed, values[0]), values)
    if cell.metric in ("ndcg", "accuracy"):
        return Mean(values[:, None])
    return Spearman(values, gold) if cell.metric == "spearman" else AveragePrecision(values, same)


def decision_batch(cell: Cell, runs: int, seed: int) -> dict[str, int]:
    rng, tally = np.random.default_rng([seed, cell.n, cell.k]), defaultdict(int, runs=runs)
    resamples = np.concatenate(list(resampled_counts(cell.n, cell.groups, RESAMPLES, seed)))
    for _ in range(runs):
        losses = losses_of(cell.k, rng)
        statistic = candidates(cell, losses, rng)
        # As `bootstrap`, but the runs of a batch share their resamples, whose drawing would take most of the time.
        point, draws = statistic.point(), statistic.resampled(resamples, np.ones((RESAMPLES, statistic.draws), "f4"))
        if statistic.draws > 1:
            draws += of_draws(statistic, draw_counts(statistic.draws, RESAMPLES, seed)) - point[:, None]
        accepted = upper_bounds(point, draws, cell.n_groups, statistic.reach, seed).max(axis=1) < MARGIN
        bad, by_cost = losses > MARGIN, rng.permutation(cell.k)
        cheapest = by_cost[accepted[by_cost]][:1]
        tally["proven"] += accepted.any()
        tally["wrong_adversarial"] += (accepted & bad).any()  # the bad ones are the cheapest
        tally["wrong_random"] += bad[cheapest].any()
        tally["good_accepted"] += accepted[~bad].sum()
        tally["good"] += (~bad).sum()
    return {name: int(count) for name, count in tally.items()}


# --- running and reporting --------------------------------------------------------------------------------------------


def run_batch(task: tuple[Cell, int, int]) -> tuple[str, str, dict[str, float]]:
    cell, batch, runs = task
    start = time.process_time()
    result = (decision_batch if cell.k else coverage_batch)(cell, runs, seed=1000 + batch)
    return cell.key, str(batch), {**{k: int(v) for k, v in result.items()}, "seconds": time.process_time() - start}


def simulate(out: Path, todo: list[Cell], runs: int, workers: int) -> dict[str, dict[str, dict[str, float]]]:
    """All batches of all cells, {cell: {batch: tallies}}; `out` is written after each."""
    done = json.loads(out.read_text()) if out.exists() else {}
    wanted = [
        (cell, batch, min(BATCH, total - batch * BATCH))
        for cell in sorted(todo, key=Cell.effort, reverse=True)
        for total in [round(runs * cell.runs_share)]
        for batch in range(-(-total // BATCH))
    ]
    # A batch of another size, from a run with another --runs, is done again.
    tasks = [task for task in wanted if done.get(task[0].key, {}).get(str(task[1]), {}).get("runs") != task[2]]
    with get_context("spawn").Pool(workers) as pool:
        for finished, (key, batch, tally) in enumerate(pool.imap_unordered(run_batch, tasks), 1):
            done.setdefault(key, {})[batch] = tally
            part = out.with_suffix(".part")
            part.write_text(json.dumps(done, indent=0))
            part.replace(out)
            print(f"{finished}/{len(tasks)} {key}: {tally}", flush=True)
    return done


def percent(count: float, runs: float) -> str:
    """With the standard error, after Agresti and Coull (two more of each outcome), so that 0 of 2,000 has one too."""
    smoothed = (count + 2) / (runs + 4)
    return f"{100 * count / runs:.1f} ± {100 * np.sqrt(smoothed * (1 - smoothed) / (runs + 4)):.1f}"


def table(todo: list[Cell], done: dict[str, dict[str, dict[str, float]]]) -> str:
    """Two Markdown tables; figures in per cent, with their Monte Carlo standard error."""
    coverage = [
        "| metric | units | grouped | saturated | covered | labelled approximate | covered, of those not labelled |",
        "|---|---|---|---|---|---|---|",
    ]
    decision = [
        "| candidates | units | metric | grouped | bad ones are | something proven | wrongly proven, bad ones cheapest "
        "| wrongly proven, random costs | good ones accepted |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in todo:
        t = {name: sum(batch.get(name, 0) for batch in done[cell.key].values()) for name in _names(done[cell.key])}
        grouped, runs = "yes" if cell.grouped else "no", t["runs"]
        if cell.k:
            figures = [percent(t[name], runs) for name in ("proven", "wrong_adversarial", "wrong_random")]
            figures.append(f"{100 * t['good_accepted'] / t['good']:.1f}")
            decision.append(f"| {cell.k} | {cell.n} | {cell.metric} | {grouped} | {cell.how} | {' | '.join(figures)} |")
        else:
            trusted = runs - t["approximate"]
            figures = [percent(t["covered"], runs), f"{100 * t['approximate'] / runs:.1f}"]
            figures.append(percent(t["covered_if_trusted"], trusted) if trusted else "-")
            saturated = "yes" if cell.saturated else "no"
            coverage.append(f"| {cell.metric} | {cell.n} | {grouped} | {saturated} | {' | '.join(figures)} |")
    minutes = sum(batch["seconds"] for cell in todo for batch in done[cell.key].values()) / 60
    return "\n".join([*coverage, "", *decision, "", f"{minutes:.0f} core-minutes.", ""])


def _names(batches: dict[str, dict[str, float]]) -> set[str]:
    return {name for batch in batches.values() for name in batch}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON file of tallies; read again to resume")
    parser.add_argument("--table", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=["coverage", "decision"])
    options = parser.parse_args()
    todo = list(cells(options.only))
    done = simulate(options.out, todo, options.runs, options.workers)
    options.table.write_text(table(todo, done))


if __name__ == "__main__":
    main()
