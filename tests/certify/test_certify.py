"""Figures are those of the known cosines, verdicts those of the bounds, and what is not offered leaves no trace."""

import json
import shutil
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import scoreatpercentile

from sizewise.certify.bounds import BOUNDS
from sizewise.certify.certificate import Certificate, Neighbours, OnTask, Shown
from sizewise.certify.measure import certify, check_neighbours, has_certificate, neighbours, on_task
from sizewise.certify.texts import TASK_TEXTS, parts, strangest
from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.decide.frontier import Change
from sizewise.stats.alike import alike
from sizewise.store.files import write_json
from sizewise.study.run import Run


def model(text: str) -> Model:
    return parse(text).model


def texts_of(found):
    return [text for part in found for text in part.texts]


# --- arithmetic


def test_rows_are_compared_one_by_one():
    first = np.array([[3, 0], [1, 1], [0, 0], [0, 0], [np.nan, 1], [-2, 0]], dtype=np.float32)
    second = np.array([[1, 0], [1, 0], [0, 0], [1, 0], [1, 1], [1, 0]], dtype=np.float32)
    cosines, apart = alike(first, second)
    np.testing.assert_allclose(cosines, [1, np.sqrt(0.5), 1, 0, -1, -1])
    np.testing.assert_allclose(apart, [2 / 3, 1 - np.sqrt(0.5), 0, 1, np.inf, 0.5])
    assert alike(first, second[:, :1])[0].tolist() == [-1.0] * 6


def test_the_figures_are_those_of_the_known_cosines(bench, known_cosine):
    found = certify(bench, model("toy@int8/noisy"), parts())
    known = [known_cosine(text) for text in texts_of(parts())]
    assert found.texts == len(known) == 608
    assert found.mean == pytest.approx(np.mean(known), abs=1e-6)
    assert found.worst == pytest.approx(min(known), abs=1e-6)
    assert found.p1 == pytest.approx(scoreatpercentile(known, 1), abs=1e-6)
    assert found.p5 == pytest.approx(scoreatpercentile(known, 5), abs=1e-6)
    worst = sorted(known)[:10]
    assert [one.cosine for one in found.shown] == pytest.approx(worst, abs=1e-6)
    assert [known_cosine(one.text) for one in found.shown] == pytest.approx(worst, abs=1e-6)
    assert all(a.cosine <= b.cosine for a, b in pairwise(found.shown))
    assert found.neighbours.worst == pytest.approx(1.0)
    assert found.offered
    assert found.sentence.startswith("toy@int8/noisy gives the vectors of toy in float32 on torch to a cosine of 0.99")


WHOLE = Certificate(
    "m@int8", "m", "int8", "openvino", "cosine", 608, 1.0, 1.0, 1.0, 1.0, 0.0,
    Neighbours(98, 1.0, 1.0, False, 0.998, 1.0), (Shown(0.9, "support", "documents", 7, "secret"),), 2.0,
    (OnTask(Change("support", -0.1, -0.3, 0.1, ""), "ndcg@10", 0.98),),
)  # fmt: skip


@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("figure", ["worst", "p1", "p5", "mean"])
def test_at_the_bound_an_engine_is_offered_and_below_it_is_not(precision, figure):
    least = getattr(BOUNDS[precision], figure)
    if least is None:
        assert replace(WHOLE, precision=precision, **{figure: 0.0}).offered, "nothing is asked of it"
        return
    assert replace(WHOLE, precision=precision, **{figure: least}).offered
    below = replace(WHOLE, precision=precision, **{figure: least - 1e-5})
    assert not below.offered
    assert below.reason.endswith(f"cosine with m is {least - 1e-5:.5f} (least: {least:g})")
    assert below.sentence == f"m@int8 is not offered: {below.reason}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"worst": 0.9}, "alone and in a batch it has a cosine of 0.90000 at worst (least: 0.998)"),
        ({"copies": 0.9}, "two copies of one text have a cosine of 0.90000 at worst (least: 0.998)"),
        ({"declared": True}, "its runtime says that a text's vector depends on the texts encoded beside it"),
    ],
)
def test_dependence_on_neighbours_is_a_reason(change, reason):
    found = replace(WHOLE, neighbours=replace(WHOLE.neighbours, **change))
    assert found.reason.endswith(reason)
    assert not found.offered


def test_lengths_count_where_vectors_are_compared_by_dot_product():
    assert replace(WHOLE, lengths=0.2).offered
    assert "up to 20% longer or shorter" in replace(WHOLE, lengths=0.2, similarity="dot").reason


def test_a_certificate_is_read_as_it_was_written():
    written = json.loads(json.dumps(WHOLE.to_json()))
    assert Certificate.from_json(written) == WHOLE
    assert written["offered"] is True
    assert "secret" not in json.dumps(WHOLE.without_text().to_json())
    assert WHOLE.without_text().shown[0].at == 7


# --- neighbours


@pytest.mark.parametrize("runtime", ["shaky", "placed", "declared"])
def test_vectors_that_depend_on_neighbours_are_found_out_and_not_stored(bench, runtime):
    with pytest.raises(InputError, match=f"toy@int8/{runtime} is not offered: .*take another precision or runtime"):
        check_neighbours(bench, model(f"toy@int8/{runtime}"), parts())
    found = certify(bench, model(f"toy@int8/{runtime}"), parts())
    assert not found.offered
    assert {one["toy"] for one in bench.store.identities()} == {"torch"}


def test_how_much_they_depend(bench):
    found = neighbours(bench, model("toy@int8/shaky"), parts())
    assert found.worst == pytest.approx(0.99, abs=1e-6)
    assert found.copies == pytest.approx(1.0)
    assert found.texts == len(strangest(parts()))
    placed = neighbours(bench, model("toy@int8/placed"), parts())
    assert placed.copies == pytest.approx(0.99, abs=1e-6), "one copy in the first half and one in the second"


def test_nothing_is_measured_twice(bench, calls):
    first = certify(bench, model("toy@int8/noisy"), parts())
    done = len(calls)
    assert done > 0
    assert certify(bench, model("toy@int8/noisy"), parts()) == first
    assert len(calls) == done
    certify(bench, model("toy@bf16/noisy"), parts())
    assert len(calls) > done


# --- texts


def test_what_has_a_certificate():
    names = ["m@bf16", "m@fp16", "m@int8", "m@fp32/onnx", './m[query="q: "]@bf16']
    assert all(has_certificate(model(name)) for name in names)
    names = ["m", './m[query="q: "]', "static:./m", "remote:large", "shape:bert-large@int8", "shape:bert-base"]
    assert not any(has_certificate(model(name)) for name in names)


def test_texts_of_tasks_are_named_by_their_place(retrieval_folder, similarity_folder):
    tasks = [load_task(retrieval_folder), load_task(similarity_folder)]
    found = parts(tasks)
    assert [part.task for part in found[:2]] == [None, None]
    for part in found[2:]:
        sets = {one.name: one for one in part.task.text_sets()}
        assert part.role == sets[part.name].role
        assert list(part.texts) == [sets[part.name].texts[at] for at in part.at]
        assert len(set(part.texts)) == len(part.texts)
    assert sum(len(part.texts) for part in found[2:]) <= TASK_TEXTS + 1
    chosen = strangest(found)
    assert len(chosen) == len(set(chosen))
    assert set(found[0].texts) <= set(chosen)
    longest = max((text for part in found[2:] for text in part.texts), key=len)
    assert longest in chosen


# --- studies and commands


@pytest.fixture
def study(engines, tmp_path, cheap_costs):
    from sizewise.study.study import Study

    patch, said = cheap_costs(), []

    class Heard:
        def say(self, message):
            said.append(message)

        def bar(self, label, total):
            from sizewise.core.progress import Silent

            return Silent().bar(label, total)

    def run(tasks, *candidates, **more):
        one = Study(tasks, candidates, store=tmp_path / "store", threads=1, progress=Heard(), **more)
        return one.run(tmp_path / "run"), said

    yield run
    patch.undo()


def test_a_study_leaves_out_what_is_not_offered_and_says_why(study, retrieval_folder, tmp_path):
    run, said = study(
        [retrieval_folder], "toy", "toy@int8/noisy", "toy@int8/shaky", "toy@int8/shaky+int8", "toy@fp16/far"
    )
    assert run.evidence.candidates == ("toy", "toy@int8/noisy", "bm25")
    assert not any("shaky" in name or "far" in name for name in run.evidence.figures)
    found = {one["engine"]: one for one in run.about["engines"]}
    assert [name for name, one in found.items() if one["offered"]] == ["toy@int8/noisy"]
    assert "depends on the texts encoded beside it" in found["toy@int8/shaky"]["reason"]
    assert found["toy@fp16/far"]["reason"] == "the worst text's cosine with toy is 0.90000 (least: 0.9995)"
    for one in found.values():
        assert f"{one['sentence']}" in said
    (on,) = found["toy@int8/noisy"]["tasks"]
    reference, engine = run.evidence.compared[0].points[:2]
    assert on["change"]["gain"] == pytest.approx(engine - reference)
    assert on["change"]["low"] <= on["change"]["gain"] <= on["change"]["high"]
    assert 0.5 < on["top10"] <= 1
    assert found["toy@int8/shaky"]["tasks"] == []
    identities = [path.read_text() for path in (tmp_path / "store").glob("vectors/*/identity.json")]
    assert identities
    assert not any("shaky" in one for one in identities)
    task = load_task(retrieval_folder)
    assert not any(text in (run.folder / "run.json").read_text() for text in task.documents)


def test_a_study_with_nothing_left_says_so(study, similarity_folder):
    with pytest.raises(InputError, match="no model is left: toy@int8/shaky is not offered: "):
        study([similarity_folder], "toy@int8/shaky")


def test_a_study_of_the_reference_has_no_certificate(study, similarity_folder, calls):
    run, _ = study([similarity_folder], "toy", "toy+int8")
    assert run.about["engines"] == []
    assert not any(texts > 1000 for _, texts in calls)


def data_of(page):
    return json.loads(page.split('<script type="application/json" id="run">')[1].split("</script>")[0])


def test_the_terminal_and_the_page_show_certificates(study, retrieval_folder):
    from rich.console import Console

    from sizewise.report.html import report_html
    from sizewise.report.terminal import show_run

    run, _ = study([retrieval_folder], "toy", "toy@int8/noisy", "toy@int8/shaky")
    found = run.recommend()
    console = Console(record=True, width=160, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    show_run(console, run.evidence, found, run.about)
    shown = console.export_text()
    assert "Engines: cosine with float32 on torch" in shown
    assert "no, left out" in shown
    assert "toy@int8/shaky is not offered: a text's vector depends on" in shown
    data = json.loads(
        report_html(run, found).split('<script type="application/json" id="run">')[1].split("</script>")[0]
    )
    assert [one["engine"] for one in data["engines"]] == ["toy@int8/noisy", "toy@int8/shaky"]
    task = load_task(retrieval_folder)
    known = {*task.documents, *task.queries}
    own = [one for engine in data["engines"] for one in engine["shown"] if one["source"].startswith(task.name)]
    assert own
    assert all(one["text"] in known for one in own)
    bare = (
        report_html(run, found, text=False).split('<script type="application/json" id="run">')[1].split("</script>")[0]
    )
    left = [one for engine in json.loads(bare)["engines"] for one in engine["shown"]]
    assert all((one["text"] is None) == one["source"].startswith(task.name) for one in left)


def test_the_page_in_a_browser(study, retrieval_folder, tmp_path, opened):
    from sizewise.report.files import write_report

    folder = tmp_path / "search"
    shutil.copytree(retrieval_folder, folder)
    with (folder / "corpus.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "evil", "title": "", "text": "<img src=x onerror=alert(1)>"}) + "\n")
    run, _ = study([folder], "toy", "toy@int8/noisy", "toy@fp16/far")
    about = json.loads((run.folder / "run.json").read_text())
    at = len(load_task(folder).documents) - 1
    about["engines"][0]["shown"][0] |= {"task": load_task(folder).name, "part": "documents", "at": at, "text": None}
    write_json(run.folder / "run.json", about)
    run = Run.load(run.folder)
    page = opened(write_report(run.folder, run, run.recommend()))
    assert page.complaints == []
    assert page.locator("#contents a[href='#engines']").count() == 1
    shown = page.locator("#engines-body").text_content()
    assert "toy@fp16/far is not offered: the worst text's cosine with toy is 0.90000 (least: 0.9995)." in shown
    assert "<img src=x onerror=alert(1)>" in shown
    assert page.locator("#engines img").count() == 0
    assert f"{about['engines'][0]['p1']:.5f}" in shown
    del about["engines"]
    write_json(run.folder / "run.json", about)
    run = Run.load(run.folder)
    page = opened(write_report(run.folder, run, run.recommend()))
    assert page.complaints == []
    assert page.locator("#engines").count() == 0


def test_a_run_of_before_has_none(study, retrieval_folder):
    from sizewise.report.html import report_html

    run, _ = study([retrieval_folder], "toy", "toy@int8/noisy")
    about = json.loads((run.folder / "run.json").read_text())
    del about["engines"]
    write_json(run.folder / "run.json", about)
    older = Run.load(run.folder)
    assert '"engines":[]' in report_html(older, older.recommend())


@pytest.fixture
def sizewise(engines, tmp_path, monkeypatch, capsys):
    from sizewise.cli.main import run

    monkeypatch.setenv("SIZEWISE_STORE", str(tmp_path / "store"))

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["sizewise", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return command


def test_the_command(sizewise, retrieval_folder, tmp_path):
    file = tmp_path / "certificate.json"
    code, out, err = sizewise("certify", "toy@int8/noisy+int8", "--task", retrieval_folder, "--json", file, "--quiet")
    assert (code, err) == (0, "")
    (found,) = json.loads(file.read_text())["results"]
    assert found["engine"] == "toy@int8/noisy"
    assert [one["change"]["task"] for one in found["tasks"]] == [load_task(retrieval_folder).name]
    for words in (
        f"{found['mean']:.5f}",
        f"{found['worst']:.5f}",
        "The worst texts",
        "same top 10",
        f"{found['sentence']}.",
    ):
        assert words in out


def test_the_command_fails_for_what_is_not_offered(sizewise, retrieval_folder):
    code, out, err = sizewise("certify", "toy@int8/shaky", "toy@int8/noisy", "--task", retrieval_folder, "--quiet")
    assert code == 1
    assert "toy@int8/noisy gives the vectors of toy" in out
    assert err.startswith("sizewise: toy@int8/shaky is not offered: a text's vector depends on")


@pytest.mark.parametrize("candidate", ["toy", "bm25", "static:./folder", "shape:bert-base"])
def test_what_has_no_certificate_is_refused(sizewise, candidate):
    code, _, err = sizewise("certify", candidate)
    assert code == 2
    assert "has no certificate: it is the reference itself, or nothing that the reference runs too" in err


def test_scores_of_vectors_that_depend_on_neighbours_are_refused(sizewise, retrieval_folder):
    code, _, err = sizewise("eval", "toy@int8/shaky", "--task", retrieval_folder, "--quiet")
    assert code == 2
    assert "toy@int8/shaky is not offered: a text's vector depends on" in err
    code, out, _ = sizewise("eval", "toy@fp16/far", "--task", retrieval_folder, "--quiet", "--json", "-")
    assert code == 0
    assert [row["candidate"] for row in json.loads(out)["results"]] == ["toy@fp16/far"]


def test_one_task_by_hand():
    from sizewise.decide.evidence import Compared, TaskFacts

    draws = np.random.default_rng(0).normal([[60.0], [61.0]], 1.0, (2, 500)).astype(np.float32)
    compared = Compared(np.array([60.0, 61.0]), np.zeros(2), np.zeros(2), ("", ""), draws, np.zeros((2, 2)))
    wanted = {"ids": np.array([np.arange(20), np.arange(20)], dtype=np.int32)}
    got = {"ids": np.array([np.arange(20)[::-1], np.arange(20)], dtype=np.int32)}
    found = on_task(TaskFacts("t", "retrieval", "ndcg@10", 100, 100, True), compared, (1, got), (0, wanted))
    assert found.top10 == 0.5
    assert found.change.gain == pytest.approx(1.0)
    assert found.change.low < 1 < found.change.high


@pytest.mark.slow
def test_the_real_model_in_bfloat16(tmp_path):
    from sizewise.pipeline.bench import Bench
    from sizewise.store.store import Store

    with Store(tmp_path / "store") as store:
        found = certify(Bench(store), model("all-MiniLM-L6-v2@bf16"), parts())
    assert found.offered, found.reason
    assert 0.9995 < found.worst < found.mean < 0.99999
