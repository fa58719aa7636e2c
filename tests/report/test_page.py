"""report.html in a real browser: the same answers as the command line, nothing asked of a network, nothing executed."""

import json
import random
import re
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from sizewise.cost.figures import Figures
from sizewise.decide.evidence import Compared, Evidence, Origin, TaskFacts, rounded_up
from sizewise.decide.presets import PRESETS
from sizewise.decide.recommendation import decide
from sizewise.decide.terms import Terms
from sizewise.decide.words import sentences
from sizewise.report.files import write_report
from sizewise.report.html import report_html
from sizewise.report.payload import packed
from sizewise.store.files import write_json
from sizewise.study.run import RECORDS, SCHEMA, Run

FIGURES = ("p95_ms", "memory_mb", "texts_per_s", "bytes_per_vector", "disk_mb", "parameters", "monthly_cost")


def made_up(seed, candidates=14, tasks=3):
    """Evidence of every shade: tasks that prove and that cannot, twins, figures and scores that are missing."""
    chance = np.random.default_rng(seed)
    names = [f"model-{at}+int8" if at % 3 else f"model-{at}" for at in range(candidates)]
    facts, compared = [], []
    level = chance.uniform(40, 99, candidates)
    for at in range(tasks):
        points = np.clip(level + chance.normal(0, [0.2, 3, 0.01][at % 3], candidates), 0, 100)
        points[1] = points[2]
        if at == 1 and seed % 2:
            points[3] = np.nan
        draws = points[:, None] + chance.standard_normal((1, 100)) + chance.normal(0, 0.3, (candidates, 100))
        width = chance.uniform(0.05, [0.4, 3.0, 1.5][at % 3], (candidates, candidates))
        bounds = rounded_up(points[None, :] - points[:, None] + width)
        np.fill_diagonal(bounds, 0.0)
        why = tuple("few units" if chance.random() < 0.2 else "" for _ in names)
        low, high = points - chance.uniform(0, 3, candidates), points + 2
        compared.append(Compared(points, low, high, why, draws.astype(np.float32), bounds))
        groups = 20 if at == 2 and seed % 3 == 0 else 500
        margin = 1.25 if at == 1 else None
        facts.append(TaskFacts(f"set/{at}", "retrieval", "ndcg@10", 500, groups, seed != 5, margin, ("a note",)))
    costs = np.sort(chance.lognormal(3, 1, candidates))
    figures = {}
    for at, name in enumerate(names):
        values = dict.fromkeys(FIGURES, float(costs[at]))
        values |= {
            "memory_mb": 500 + 40 * at,
            "texts_per_s": 9000 / costs[at],
            "bytes_per_vector": [1536.0, 384, 48][at % 3],
        }
        values["parameters"] = int(1e6 * (at // 2 + 1))
        if chance.random() < 0.15:
            values["p95_ms"] = None
        values["monthly_cost"] = None if seed % 4 == 0 else values["monthly_cost"]
        parts = dict.fromkeys(("serving_cost", "bulk_cost", "storage_cost"), 1.0)
        figures[name] = Figures(**values, **(parts if values["monthly_cost"] else {}), peak_memory_mb=500.0)
    figures["shape:bert-large"] = Figures(**dict.fromkeys(FIGURES, 900.0) | {"parameters": 335_000_000})
    ends = {names[4]: Figures(p50_ms=3.0, p95_ms=float(costs[4]) * 1.3, memory_mb=900.0)}
    plain = tuple(name for name in names if "+" not in name)
    origins = {
        names[1]: Origin(names[0], must_gain=False, named=names[0]),
        names[2]: Origin(names[0], must_gain=True, named=names[0]),
        names[3]: Origin(None, must_gain=False, named="./gone"),
    }
    some = dict(list(origins.items())[: seed % 4])
    return Evidence(tuple(facts), tuple(names), tuple(compared), figures, 0.12, 0.05, ends, plain, some)


def run_of(evidence, folder, terms=None, **more):
    """A finished run with this evidence and no record of a unit."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.ParquetWriter(folder / "records.parquet", RECORDS).close()
    with (folder / "matrices.npz").open("wb") as file:
        evidence.save_matrices(file)
    about = {
        "name": "made up", "environment": {"processor": "abacus", "processors": 2, "threads": 2, "memory_gb": 8.0,
        "system": "Linux", "python": "3.11", "accelerator": None, "versions": {"sizewise": "0"}},
        "cost_texts": "texts of set/0", "prices": {"price_per_hour": 0.2}, "documents": 100, "seconds": {"encode": 1.0},
        "slices": [], "truncation": [], "confirmation": None, "searches": {},
        "tasks": [{"name": one.name, "path": "/gone", "protocol": None, "fingerprint": "x", "margin": one.margin}
                  for one in evidence.tasks],
    }  # fmt: skip
    terms = asdict(terms or Terms("bytes_per_vector"))
    write_json(folder / "run.json", {"schema": SCHEMA, **about, **more, "terms": terms, "evidence": evidence.to_json()})
    return Run.load(folder)


def random_terms(run, chance):
    """Terms as somebody turning knobs makes them: a preset or not, some limits near what was measured, margins."""
    preset = chance.choice([None, None, *PRESETS])
    base = run.recommend(preset=preset).terms if preset else run.terms
    limits = dict(base.limits)
    for name in chance.sample(FIGURES, chance.choice([0, 0, 1, 2, 3])):
        values = [one.value(name) for one in run.evidence.figures.values() if one.value(name) is not None]
        limits[name] = round(chance.choice(values or [1.0]) * chance.choice([0.5, 1.0, 1.5]), 3)
    if limits and chance.random() < 0.2:
        limits.pop(chance.choice(list(limits)))
    margin = chance.choice([base.margin, 0.5, 1.0, 2.0, 2.5, 5.0, 12.0])
    margins = {task.name: chance.choice([0.5, 3.0]) for task in run.evidence.tasks if chance.random() < 0.2}
    minimise = chance.choice([base.minimise, *FIGURES])
    return Terms(minimise, limits, margin, margins, preset)


def asked(page, terms):
    """What the page decides: candidate, verdict and every sentence."""
    return page.evaluate(
        "async (terms) => { const it = await window.sizewise, found = it.decide(terms);"
        " return [found.choice.candidate, found.choice.verdict, it.sentences(found)]; }",
        asdict(terms),
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_browser_decides_as_the_command_does(opened, tmp_path, seed):
    run = run_of(made_up(seed), tmp_path / "run")
    page = opened(write_report(tmp_path, run, run.recommend()))
    chance = random.Random(seed)
    verdicts = set()
    for _ in range(100):
        terms = random_terms(run, chance)
        found = decide(run.evidence, terms)
        verdicts.add(found.verdict)
        assert asked(page, terms) == [found.candidate, found.verdict, sentences(found)], terms
    assert len(verdicts) > 1, "the terms must be such that the answer changes"
    assert page.complaints == []


def test_numbers_are_written_as_in_the_terminal(opened, tmp_path):
    run = run_of(made_up(1), tmp_path / "run")
    page = opened(write_report(tmp_path, run, run.recommend()))
    chance = random.Random(0)
    values = [0.0, 0.25, 0.125, 2.5, 66.25, 1000.0, 1536.5, 999.96, 0.00005, 1e-7, 12345.678, -0.04, 3.0, 1e6, 123456.5]
    values += [chance.uniform(-1, 1) * 10 ** chance.randint(-6, 6) for _ in range(300)]
    written = page.evaluate(
        "async (values) => { const { numbers } = await window.sizewise;"
        " return values.map((v) => [numbers.written(v), numbers.fixed(v, 1), numbers.fixed(v, 2),"
        " numbers.grouped(v, 1), numbers.general(v, 6)]); }",
        values,
    )
    for value, found in zip(values, written, strict=True):
        four = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        assert found == [four, f"{value:.1f}", f"{value:.2f}", f"{value:,.1f}", f"{value:g}"], value


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_fits_and_keeps_to_itself(opened, tmp_path, width, scheme):
    run = run_of(made_up(2, candidates=40), tmp_path / "run")
    page = opened(write_report(tmp_path, run, run.recommend()), width, color_scheme=scheme)
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    headings = page.eval_on_selector_all("h1, h2, h3", "all => all.map((one) => Number(one.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    unnamed = page.eval_on_selector_all(
        "input, select, button",
        "all => all.filter((one) => !(one.ariaLabel || one.labels?.length || one.textContent.trim())).length",
    )
    assert unnamed == 0


def test_knobs_decide_again(opened, tmp_path):
    run = run_of(made_up(3), tmp_path / "run")
    page = opened(write_report(tmp_path, run, run.recommend()))
    page.get_by_label("bytes_per_vector at most", exact=True).first.check()
    page.get_by_label("bytes_per_vector at most", exact=True).nth(1).fill("48")
    page.wait_for_timeout(300)
    terms = Terms(run.terms.minimise, {"bytes_per_vector": 48}, run.terms.margin)
    expected = decide(run.evidence, terms)
    assert page.inner_text("#answer-body .first") == sentences(expected)[0]
    assert "--limit bytes_per_vector=48" in page.inner_text("#command")
    page.get_by_label("Preset").select_option("edge")
    page.wait_for_timeout(300)
    assert page.inner_text("#answer-body .first") == sentences(run.recommend(preset="edge"))[0]
    page.get_by_role("button", name="Back to the study's own").click()
    page.wait_for_timeout(300)
    assert page.inner_text("#answer-body .first") == sentences(run.recommend())[0]


@pytest.mark.parametrize("seed", [1, 3])
def test_where_size_matters(opened, tmp_path, seed):
    run = run_of(made_up(seed), tmp_path / "run")
    evidence, terms = run.evidence, run.terms
    page = opened(write_report(tmp_path, run, run.recommend()))
    models = sorted(evidence.plain, key=lambda name: -evidence.figures[name].parameters)
    rows = page.locator("#size tbody tr")
    assert [rows.nth(at).locator("th").inner_text() for at in range(rows.count())] == models
    told = set()
    for at, name in enumerate(models[1:], 1):
        a, b = evidence.candidates.index(name), evidence.candidates.index(models[0])
        for t, (task, one) in enumerate(zip(evidence.tasks, evidence.compared, strict=True)):
            cell = rows.nth(at).locator("td").nth(2 + t).inner_text()
            margin = terms.margin if task.margin is None else task.margin
            if np.isnan(one.points[[a, b]]).any():
                state = "–"
            elif not task.can_prove:
                state = "open"
            elif one.bounds[a, b] < margin:
                state = "holds"
            else:
                state = "loses" if one.bounds[b, a] < -margin else "open"
            assert state in cell, (name, task.name, cell)
            told.add(state)
    assert len(told) > 2, "states of several kinds"
    assert "Where size matters" in page.inner_text("#contents")


def test_one_model_has_no_size_to_compare(opened, tmp_path):
    evidence = made_up(1)
    run = run_of(replace(evidence, plain=evidence.plain[:1]), tmp_path / "run")
    page = opened(write_report(tmp_path, run, run.recommend()))
    assert page.locator("#size").is_hidden()
    assert "Where size matters" not in page.inner_text("#contents")


@pytest.mark.parametrize("minimise", ["monthly_cost", "device_memory_mb"])
def test_a_cost_that_nobody_measured_is_no_reason_not_to_draw(opened, tmp_path, minimise):
    run = run_of(made_up(4), tmp_path / "run", Terms(minimise))
    page = opened(write_report(tmp_path, run, run.recommend()))
    assert page.inner_text("#answer-body .first") == sentences(run.recommend())[0]
    assert page.locator("#scores tbody tr").count() > 5


def test_the_axis_follows_what_is_minimised_and_no_view_is_left_behind(opened, tmp_path):
    run = run_of(made_up(3), tmp_path / "run")
    page = opened(write_report(tmp_path, run, run.recommend()))
    for name in ("memory_mb", "p95_ms", "disk_mb"):
        page.get_by_label("Minimise").select_option(name)
        page.wait_for_timeout(250)
        assert page.get_by_label("Cost axis").input_value() == name
        assert f"--minimise {name}" in page.inner_text("#command")
    assert page.locator("#chart svg").count() == 1


def test_bounds_wider_than_any_loss(opened, tmp_path):
    evidence = made_up(1)
    wide = [replace(one, bounds=rounded_up(one.bounds * 300)) for one in evidence.compared]
    run = run_of(replace(evidence, compared=tuple(wide)), tmp_path / "run")
    page = opened(write_report(tmp_path, run, run.recommend()))
    found = run.recommend(margin=12.0)
    assert asked(page, found.terms) == [found.candidate, found.verdict, sentences(found)]


def test_a_preset_of_a_later_version(opened, tmp_path):
    run = run_of(made_up(1), tmp_path / "run", Terms("p95_ms", {}, 2.0, {}, "orbital"))
    page = opened(write_report(tmp_path, run, run.recommend()))
    assert "Preset orbital, which this version of Sizewise does not know." in page.inner_text("#answer-body")


HOSTILE = (
    "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">\x1b[2J\u202e"
)


def test_hostile_text_is_inert(opened, tmp_path):
    evidence = made_up(1, candidates=5)
    names = tuple(f"{name} {HOSTILE}" for name in evidence.candidates)
    figures = {new: evidence.figures[old] for new, old in zip(names, evidence.candidates, strict=True)}
    tasks = tuple(
        TaskFacts(f"{one.name} {HOSTILE}", one.kind, one.metric, 500, 500, True, notes=(HOSTILE * 1000,))
        for one in evidence.tasks
    )
    hostile = Evidence(tasks, names, evidence.compared, figures, 0.1, 0.1)
    some = {"task": tasks[0].name, "name": HOSTILE, "units": 9, "scores": [50.0] * 5, "low": [40.0] * 5,
            "high": [60.0] * 5, "approximate": [HOSTILE] * 5}  # fmt: skip
    run = run_of(hostile, tmp_path / "run", name=HOSTILE, slices=[some])
    path = write_report(tmp_path, run, run.recommend())
    page = opened(path)
    assert page.complaints == []
    assert "broken" not in page.title().replace("document.title='broken'", "")
    assert page.eval_on_selector_all("img", "all => all.length") == 0
    assert page.eval_on_selector_all("script", "all => all.length") == 3
    assert "\x1b" not in path.read_text(encoding="utf-8")
    assert "\u202e" not in path.read_text(encoding="utf-8")


def test_the_policy_lets_nothing_else_in(tmp_path):
    run = run_of(made_up(1), tmp_path / "run")
    page = report_html(run, run.recommend())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.split("<script>")[0])


def test_bounds_pack_without_loss():
    chance = np.random.default_rng(0)
    bounds = rounded_up(chance.uniform(-120, 120, (7, 7)))
    bounds[3] = np.nan
    import zlib
    from base64 import b64decode

    low, high = np.frombuffer(zlib.decompress(b64decode(packed(bounds))), np.uint8).reshape(2, -1)
    whole = (low.astype(np.int32) | (high.astype(np.int8).astype(np.int32) << 8)).reshape(7, 7)
    assert np.array_equal(np.where(whole == -32768, np.nan, whole / 100), bounds, equal_nan=True)


def test_a_run_too_large_to_decide_in_a_browser_says_so(opened, tmp_path, monkeypatch):
    from sizewise.report import payload

    monkeypatch.setattr(payload, "MOST_MATRIX_BYTES", 10)
    run = run_of(made_up(1), tmp_path / "run")
    path = write_report(tmp_path, run, run.recommend())
    data = json.loads(re.search(r'id="run">(.*?)</script>', path.read_text(encoding="utf-8"))[1])
    assert data["bounds"] is None
    page = opened(path)
    assert "too large to decide again here" in page.inner_text("#terms")
    assert page.inner_text("#answer-body").strip()
