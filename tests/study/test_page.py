"""The report of a real study in a real browser: hostile texts in it do nothing, and it decides as the run does."""

import json
import random
from dataclasses import asdict

import pytest

from sizewise.core.text import printable
from sizewise.decide.presets import PRESETS
from sizewise.decide.words import sentences
from sizewise.report.files import write_report
from sizewise.study.study import Study

ATTACK = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"
NAME = "</title><b>hostile</b>"
MARKS = "\x1b[2J\x1b]0;broken\x07 \u202e desrever \u2066 \ud7ff \u2028"


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def hostile_tasks(tmp_path_factory, sentences):
    """Texts, ids, labels, groups and slices that try to act, and a megabyte in one line."""
    root = tmp_path_factory.mktemp("hostile")
    long = [text for text in sentences if len(text.split()) > 4][:60]
    texts = [f"{ATTACK} {text} {MARKS}" for text in long]
    texts[7] = texts[7] + " word" * 200_000
    search = root / f"search {MARKS[:4]}"
    lines(search / "corpus.jsonl", [{"_id": f"d{at} {ATTACK}", "title": ATTACK, "text": text}
                                    for at, text in enumerate(texts)])  # fmt: skip
    lines(search / "queries.jsonl", [{"_id": f"q{at} {ATTACK}", "text": " ".join(long[at].split()[:2]) + ATTACK,
                                      "group": f"{at // 4} {MARKS}", "slice": f"{at % 2} {ATTACK}"}
                                     for at in range(60)])  # fmt: skip
    (search / "qrels").mkdir()
    judged = "".join(f"q{at} {ATTACK}\td{at} {ATTACK}\t1\n" for at in range(60))
    (search / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    kinds = root / "kinds"
    labelled = [{"text": text, "label": f"{'wet' if 'water' in text or 'the' in text else 'dry'} {ATTACK}{MARKS}"}
                for text in texts]  # fmt: skip
    lines(kinds / "train.jsonl", labelled)
    lines(kinds / "test.jsonl", labelled[:40])
    return [search, kinds]


@pytest.fixture(scope="module")
def run(quick, hostile_tasks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return Study(hostile_tasks, ["fake:words", "fake:letters"], store=folder / "store", threads=1, name=NAME).run(
        folder / "out"
    )


def test_hostile_texts_are_shown_and_do_nothing(opened, run):
    path = write_report(run.folder, run, run.recommend())
    page = opened(path)
    cases = page.locator("#breaks details.case summary")
    assert cases.count() > 3
    for at in range(cases.count()):
        cases.nth(at).click()
    page.wait_for_timeout(200)
    assert page.complaints == []
    assert page.title().startswith(NAME), "the study's name, as text"
    assert page.eval_on_selector_all("img", "all => all.length") == 0
    shown = page.inner_text("body")
    assert "onerror=" in shown, "markup is shown as it was written"
    assert "\\x1b[2J" in shown, "control characters are written out"
    content = path.read_text(encoding="utf-8")
    assert not set(content) & set("\x1b\x07\u202e\u2066\u2028")
    assert len(content) < 3_000_000, "a text of a megabyte is cut"


def test_the_page_without_texts_has_none(opened, run, tmp_path):
    path = write_report(tmp_path / "bare.html", run, run.recommend(), text=False)
    content = path.read_text(encoding="utf-8")
    assert "title='broken'" not in content
    assert "desrever" not in content
    assert opened(path).complaints == []


def test_the_page_of_a_real_study_decides_as_the_run_does(opened, run):
    page = opened(write_report(run.folder, run, run.recommend()))
    chance = random.Random(1)
    for _ in range(60):
        asked = {"margin": chance.choice([0.5, 2.0, 8.0, 30.0]), "minimise": chance.choice(["p95_ms", "memory_mb"])}
        asked |= {"preset": chance.choice([None, *PRESETS])}
        found = run.recommend(**asked, p95_ms=chance.choice([None, 0.01, 5.0, 100.0]))
        answer = page.evaluate(
            "async (terms) => { const it = await window.sizewise; return it.sentences(it.decide(terms)); }",
            asdict(found.terms),
        )
        assert answer == [printable(sentence) for sentence in sentences(found)]
