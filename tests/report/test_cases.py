"""What breaks, unit by unit and group by group, read back from a run folder whose records are made up."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sizewise.core.grammar import parse
from sizewise.cost.figures import Figures
from sizewise.data.load import load_task
from sizewise.decide.evidence import Evidence, compare
from sizewise.decide.terms import Terms
from sizewise.report import again
from sizewise.report.cases import MOST_CHARACTERS, breaks
from sizewise.report.groups import WITHIN, groups
from sizewise.study.records import RecordFile
from sizewise.study.run import Run, RunFolder
from sizewise.study.source import source
from sizewise.study.study import facts

CHEAP, DEAR = "cheap", "dear"
SECRETS = ("zebra", "yacht", "xenon", "walrus")
"""Texts, ids, labels and names of the made tasks all hold one of them."""


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def search(tmp_path):
    """40 queries in groups of 1, 2, 3 ... units, one document for each; the text of query 3 is a megabyte."""
    folder = tmp_path / "search"
    texts = ["zebra " * 170_000 if at == 3 else f"zebra {at}" for at in range(40)]
    group = np.repeat(np.arange(40), np.arange(1, 41))[:40]
    queries = [
        {"_id": f"yacht-{at}", "text": texts[at], "group": f"walrus {group[at]}", "slice": f"xenon {at % 2}"}
        for at in range(40)
    ]
    lines(folder / "queries.jsonl", queries)
    lines(folder / "corpus.jsonl", [{"_id": f"walrus-{at}", "text": f"xenon {at}"} for at in range(40)])
    rows = [{"query-id": f"yacht-{at}", "corpus-id": f"walrus-{at}", "score": 1} for at in range(40)]
    lines(folder / "qrels" / "test.jsonl", rows)
    return load_task(folder, name="search")


def at_rank(task, ranks):
    """The record of a candidate that puts each query's own document at a rank (0: nowhere)."""
    ids = np.empty((len(ranks), 12), np.int32)
    for row, rank in enumerate(ranks):
        others = [at for at in range(len(task.documents)) if at != row]
        if rank:
            others.insert(rank - 1, row)
        ids[row] = others[:12]
    return task.records({"ids": ids, "scores": np.tile(np.linspace(1, 0, 12, dtype=np.float32), (len(ranks), 1))})


@pytest.fixture
def finished(tmp_path):
    """`finished([(task, {candidate: raw})], **about)` -> a run in which `cheap` costs least, whatever it scores."""

    def made(parts, reference=None, terms=None, kept=None, **about):
        names = list(dict.fromkeys(name for _, raws in parts for name in raws))
        figures = {name: Figures(p95_ms=float(1 + at)) for at, name in enumerate(names)}
        compared = [compare(task, [raws.get(n) for n in names], reference, kept, 100) for task, raws in parts]
        everything = [np.arange(len(task.units)) if kept is None else kept for task, _ in parts]
        found = tuple(facts(task, units) for (task, _), units in zip(parts, everything, strict=True))
        evidence = Evidence(found, tuple(names), tuple(compared), figures, 0.0, 0.0, plain=tuple(names))
        path = tmp_path / "run"
        path.mkdir()
        return Run.write(
            RunFolder(path), evidence, terms or Terms("p95_ms", margin=90.0),
            {"tasks": [asdict(source(task)) for task, _ in parts], **about},
            [task for task, _ in parts], [parse(name) for name in names],
            {task.name: {parse(name): raw for name, raw in raws.items()} for task, raws in parts},
            {task.name: reference for task, _ in parts},
        )  # fmt: skip

    return made


@pytest.fixture
def run(search, finished):
    """`cheap` finds everything at rank 1 but queries 3, 7 and 11 (2, nowhere, 3), and is better on query 5."""
    cheap, dear = np.ones(40, int), np.ones(40, int)
    cheap[[3, 7, 11]] = 2, 0, 3
    dear[5] = 4
    return finished([(search, {CHEAP: at_rank(search, cheap), DEAR: at_rank(search, dear)})])


def shown(run, **options):
    found = breaks(run, run.recommend(), **options)
    assert [one.task for one in found] == [task.name for task in run.evidence.tasks]
    json.dumps([one.to_json() for one in found])
    return found[0]


def test_the_largest_losses_come_first_with_both_answers(run):
    found = shown(run)
    assert (found.candidate, found.other, found.measure, found.note) == (CHEAP, DEAR, "ndcg@10", "")
    assert (found.units, found.lost, found.gained) == (40, 3, 1)
    assert [one.unit for one in found.shown] == ["yacht-7", "yacht-11", "yacht-3"]
    assert [one.value for one in found.shown] == pytest.approx([0, 50, 100 / np.log2(3)])
    assert {one.other_value for one in found.shown} == {100}
    assert found.shown[1].loss == pytest.approx(50)
    worst = found.shown[1]
    assert (worst.number, worst.group, worst.slice) == (11, "walrus 4", "xenon 1")
    assert worst.case.texts == worst.other_case.texts == ("zebra 11",)
    assert worst.case.answered[2].id == "walrus-11"
    assert worst.other_case.answered[0].id == "walrus-11"
    assert (worst.case.expected[0].rank, worst.other_case.expected[0].rank) == (3, 1)


def test_only_so_many_are_shown(run):
    found = shown(run, most=2)
    assert [one.number for one in found.shown] == [7, 11]
    assert found.lost == 3


def test_long_texts_are_cut_and_say_so(run):
    found = shown(run)
    text = found.shown[2].case.texts[0]
    assert text.startswith("zebra zebra")
    assert text.endswith("... (1,020,000 characters in all)")
    assert len(text) < MOST_CHARACTERS + 50
    assert len(json.dumps(found.to_json())) < 20_000


def test_texts_that_act_on_a_page_are_written_out(search, finished, tmp_path):
    hostile = "\x1b[2J\u202e</script>"
    folder = tmp_path / "hostile"
    rows = [{"text": f"{hostile} {at}", "label": f"{hostile}{at % 2}"} for at in range(8)]
    lines(folder / "train.jsonl", rows)
    lines(folder / "test.jsonl", rows)
    task = load_task(folder, name="hostile")
    right = {"predictions": task.test_codes[:, None].astype(np.int32)}
    wrong = {"predictions": 1 - right["predictions"]}
    run = finished([(task, {CHEAP: wrong, DEAR: right})], terms=Terms("p95_ms", margin=101.0))
    found = shown(run)
    assert len(found.shown) == 8
    said = json.dumps(found.to_json(), ensure_ascii=False)
    assert "\x1b" not in said
    assert "\\u001b" not in said
    assert "\u202e" not in said
    assert "\\\\x1b[2J\\\\u202e</script>" in said  # backslashes are doubled in JSON


def test_without_text_nothing_of_the_user_is_told(run):
    found = shown(run, text=False)
    assert [one.unit for one in found.shown] == ["7", "11", "3"]
    assert [one.value for one in found.shown] == pytest.approx([0, 50, 100 / np.log2(3)])
    assert "left out" in found.note
    by_group = groups(run, run.recommend(), text=False)
    said = json.dumps([found.to_json(), by_group[0].to_json()])
    assert not [secret for secret in SECRETS if secret in said]
    assert by_group[0].shown


def test_without_its_folder_a_task_has_ids_and_values_only(run, search):
    shutil.rmtree(search.path)
    found = shown(run)
    worst = found.shown[0]
    assert (worst.unit, worst.slice, worst.group) == ("yacht-7", "xenon 1", "3")
    assert [one.value for one in found.shown] == pytest.approx([0, 50, 100 / np.log2(3)])
    assert {one.case for one in found.shown} == {None}
    assert str(search.path) in found.note
    assert "cannot be read again" in found.note


def test_a_changed_task_is_not_shown_beside_old_records(run, search):
    with Path(search.path, "corpus.jsonl").open("a") as file:
        file.write('{"_id": "new", "text": "new"}\n')
    found = shown(run)
    assert {one.case for one in found.shown} == {None}
    assert "has changed" in found.note


def pairs(folder, name):
    folder.mkdir()
    rows = [f"a {at},b {at},{at}" for at in range(30)]
    (folder / "test.csv").write_text("\n".join(["sentence1,sentence2,score", *rows]) + "\n")
    return load_task(folder, name=name)


def test_one_task_that_is_gone_does_not_hide_the_others(search, finished, tmp_path):
    task = pairs(tmp_path / "pairs", "pairs")
    good, bad = np.arange(30.0), np.arange(30.0)
    bad[[4, 20]] = bad[[20, 4]]
    one = at_rank(search, [1] * 40), at_rank(search, [1] * 39 + [2])
    run = finished([
        (search, {CHEAP: one[1], DEAR: one[0]}), (task, {CHEAP: {"scores": bad}, DEAR: {"scores": good}})
    ])  # fmt: skip
    found = breaks(run, run.recommend())
    assert [len(part.shown) for part in found] == [1, 2]
    assert found[1].shown[0].case.texts == ("a 4", "b 4")
    assert found[1].shown[0].value == pytest.approx(100 * (1 - 16 / 29))
    assert "rank" in found[1].measure
    shutil.rmtree(task.path)
    found = breaks(run, run.recommend())
    assert found[0].shown[0].case is not None
    assert (found[1].shown, found[1].units) == ((), 0)
    assert "cannot be read again" in found[1].note


def test_fidelity_shows_the_reference(tmp_path, finished):
    folder = tmp_path / "corpus"
    lines(folder / "corpus.jsonl", [{"_id": f"d{at}", "text": f"text {at}"} for at in range(40)])
    lines(folder / "queries.jsonl", [{"_id": f"q{at}", "text": f"query {at}"} for at in range(40)])
    task = load_task(folder, name="corpus")
    reference = at_rank(task, [1] * 40)
    other = at_rank(task, [1] * 39 + [0])
    raws = {CHEAP: other, DEAR: reference}
    run = finished([(task, raws)], reference=reference)
    run.evidence.__dict__["plain"] = (DEAR, CHEAP)
    found = shown(run)
    assert [one.number for one in found.shown] == [39]
    assert [one.id for one in found.shown[0].case.expected] == ["d39", "d0", "d1"]
    assert found.shown[0].case.expected[0].rank is None
    assert [one.relevant for one in found.shown[0].case.answered] == [True] * 5
    run.evidence.__dict__["plain"] = ("elsewhere",)  # a named reference need not be a candidate
    unknown = shown(run).shown[0]
    assert unknown.value == pytest.approx(90)
    assert unknown.case.expected == ()
    assert {one.relevant for one in unknown.case.answered} == {None}


def test_against_the_best_on_average_where_the_recommended_is_best_on_a_task(search, finished, tmp_path):
    task = pairs(tmp_path / "pairs", "pairs")
    ranks = np.ones(40, int)
    ranks[2] = 0
    good, bad = {"scores": np.arange(30.0)}, {"scores": -np.arange(30.0)}
    mine, theirs = at_rank(search, np.ones(40, int)), at_rank(search, ranks)
    run = finished(
        [(search, {CHEAP: mine, DEAR: theirs}), (task, {CHEAP: bad, DEAR: good})], terms=Terms("p95_ms", margin=250.0)
    )
    found = breaks(run, run.recommend())
    assert [one.other for one in found] == [DEAR, DEAR]
    assert (found[0].lost, found[0].gained, found[0].shown) == (0, 1, ())
    assert found[1].lost > 10


def test_the_best_of_all_has_nothing_to_be_compared_with(search, finished):
    run = finished([(search, {CHEAP: at_rank(search, [1] * 40), DEAR: at_rank(search, [2] * 40)})])
    found = shown(run)
    assert (found.other, found.shown, found.units) == (None, (), 0)
    assert found.note == again.NOTHING_BETTER
    assert groups(run, run.recommend())[0].note == again.NOTHING_BETTER


def test_nothing_recommended_breaks_nothing(run):
    found = run.recommend(p95_ms=0.1)
    assert breaks(run, found) == []
    assert groups(run, found) == []


def test_held_out_units_are_not_looked_at(search, finished):
    cheap = np.ones(40, int)
    cheap[[3, 7]] = 0
    held = [7, 8]
    kept = np.setdiff1d(np.arange(40), held)
    raws = {CHEAP: at_rank(search, cheap), DEAR: at_rank(search, np.ones(40, int))}
    run = finished([(search, raws)], kept=kept, held_out={"search": ["yacht-7", "yacht-8"]})
    found = shown(run)
    assert (found.units, found.lost) == (38, 1)
    assert [one.number for one in found.shown] == [3]
    assert sum(one.units for one in groups(run, run.recommend())[0].shown) == 3
    run.about.pop("held_out")
    unknown = shown(run)
    assert (unknown.units, unknown.shown) == (0, ())
    assert "2 units of search are held out" in unknown.note
    assert "2 units of search are held out" in groups(run, run.recommend())[0].note


def test_records_are_read_for_one_candidate_and_task(run, search, monkeypatch):
    file = RecordFile(run.folder)
    assert len(file.of("search", CHEAP)) == 40
    assert file.of("search", "other") is None
    assert file.of("search", DEAR, raw=False).columns == {}
    again_raw = search.raw_of(file.of("search", DEAR).columns)
    assert search.unit_values(again_raw).tolist() == file.of("search", DEAR).values.tolist()
    read, whole = [], pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_groups", lambda self, at, names: read.append(at) or whole(self, at, names)
    )
    file.of("search", DEAR)
    assert read == [[1]]


def test_lost_records_are_a_sentence(run):
    (run.folder / "records.parquet").write_bytes(b"PAR1")
    assert "records.parquet cannot be read" in shown(run).note
    (run.folder / "records.parquet").unlink()
    assert "run the study again" in shown(run).note
    assert "run the study again" in groups(run, run.recommend())[0].note


def test_groups_that_take_most_from_the_mean_come_first(search, finished):
    """Group g has g + 1 units; the last one has 4 of 40. One lost unit of a small group weighs less than three."""
    names = [search.units.group_names[code] for code in search.units.groups]
    cheap, dear = np.ones(40, int), np.ones(40, int)
    cheap[0] = 0  # all of "walrus 0"
    cheap[[21, 22, 23]] = 0  # 3 of 7 of "walrus 6"
    dear[1] = 0
    run = finished([(search, {CHEAP: at_rank(search, cheap), DEAR: at_rank(search, dear)})])
    found = groups(run, run.recommend())[0]
    assert (found.groups, found.lost, found.gained, found.note) == (len(set(names)), 2, 1, "")
    assert [(one.name, one.units) for one in found.shown] == [("walrus 6", 7), ("walrus 0", 1)]
    assert [one.difference for one in found.shown] == pytest.approx([-300 / 7, -100])
    assert [one.part for one in found.shown] == pytest.approx([-7.5, -2.5])
    assert {one.low for one in found.shown} == {None}
    mine, theirs = run.evidence.compared[0].points
    assert mine - theirs == pytest.approx(sum(one.part for one in found.shown) + 2.5)


def test_groups_of_ten_units_have_an_interval(tmp_path, finished):
    folder = tmp_path / "labels"
    rows = [{"text": f"text {at}", "label": "ab"[at % 2], "group": f"g{at // 12}"} for at in range(60)]
    lines(folder / "train.jsonl", [{k: row[k] for k in ("text", "label")} for row in rows])
    lines(folder / "test.jsonl", rows)
    task = load_task(folder, name="labels")
    right = task.test_codes[:, None].astype(np.int32)
    wrong = right.copy()
    wrong[:5] = 1 - wrong[:5]
    run = finished([(task, {CHEAP: {"predictions": wrong}, DEAR: {"predictions": right}})])
    found = groups(run, run.recommend())[0]
    assert [one.name for one in found.shown] == ["g0"]
    one = found.shown[0]
    assert one.difference == pytest.approx(-100 * 5 / 12)
    assert -80 < one.low < one.difference < one.high < -5
    assert WITHIN in one.approximate


def test_tasks_without_groups_or_values_are_left_out(finished, tmp_path):
    task = pairs(tmp_path / "pairs", "pairs")
    run = finished([(task, {CHEAP: {"scores": -np.arange(30.0)}, DEAR: {"scores": np.arange(30.0)}})],
                   terms=Terms("p95_ms", margin=250.0))  # fmt: skip
    assert groups(run, run.recommend()) == []
