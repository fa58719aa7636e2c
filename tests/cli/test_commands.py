"""Every command: what it prints, the documents that it writes, and what it loads."""

import json
import re
import subprocess
import sys

import pytest

EVAL = ["candidate", "task", "kind", "metric", "value", "ci95", "units", "truncated_texts", "seconds"]
COST = ["candidate", "scenario", "texts_per_s", "tokens_per_s", "p50_ms", "p95_ms", "p99_ms", "load_s",
        "peak_memory_mb", "device_memory_mb", "disk_mb", "bytes_per_vector", "parameters", "source"]  # fmt: skip
ESCAPE = re.compile("\x1b\\[")


# --- help


def test_help_loads_nothing_heavy():
    lines = [
        "import sys",
        "sys.argv = ['sizewise', '--help']",
        "from sizewise.cli.main import run",
        "try: run()",
        "except SystemExit: pass",
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'transformers', 'sentence_transformers', 'pyarrow', 'bm25s', "
        "'vl_convert', 'rich'}",
        "print('loaded', *sorted(heavy & set(sys.modules)))",
    ]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "loaded"
    assert "Measured, not guessed." in run.stdout
    for command in ("demo", "study", "eval", "cost", "recommend", "task", "store"):
        assert re.search(rf"^  {command} ", run.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["demo", "study", "eval", "cost", "recommend", "task", "store"])
def test_every_command_has_help(sizewise, command):
    found = sizewise(command, "--help")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith(f"Usage: sizewise {command}")


# --- eval


def test_eval(sizewise, retrieval_folder, labels, tmp_path):
    file = tmp_path / "out.json"
    found = sizewise("eval", "fake:words", "fake:short+int8", "bm25", "--task", retrieval_folder, "--task", labels,
                     "--json", file)  # fmt: skip
    assert found.code == 0, found.err
    document = json.loads(file.read_bytes())
    assert set(document) == {"schema", "environment", "results"}
    assert document["schema"] == 1
    results = document["results"]
    assert [(one["candidate"], one["kind"]) for one in results] == [
        ("fake:words", "retrieval"), ("fake:short+int8", "retrieval"), ("bm25", "retrieval"),
        ("fake:words", "classification"), ("fake:short+int8", "classification"),
    ]  # fmt: skip
    for one in results:
        assert set(one) == {*EVAL, "approximate", "groups", "also"}
        assert one["ci95"][0] <= one["value"] <= one["ci95"][1]
        assert "fewer than 100" in one["approximate"]
    assert [one["units"] for one in results] == [20, 20, 20, 40, 40]
    assert results[0]["truncated_texts"] == 0
    long = sum(len(json.loads(line)["text"].split()) > 6 for line in (retrieval_folder / "corpus.jsonl").open())
    assert results[1]["truncated_texts"] == long > 50, "documents of more than six words"
    assert "bm25 does not apply to" in found.err
    for one in results:
        assert f"{one['value']:.2f}" in found.out
    assert "~ approximate: " in found.out


def test_json_on_standard_output_is_all_there_is(sizewise, process, retrieval_folder):
    found = sizewise("eval", "fake:words", "--task", retrieval_folder, "--json", "-")
    assert len(json.loads(found.out)["results"]) == 1
    out, err = process("cost", "fake:noisy", "--json", "-", "--rounds", 1).communicate(timeout=60)
    assert json.loads(out)["results"], err


def test_names_with_brackets_are_no_markup(sizewise, retrieval_folder, tmp_path):
    """rich would take [query="..."] for a style, and :a: for an emoji."""
    name = 'fake:words[document="[/b] ",query="q: "]'
    found = sizewise("eval", name, "--task", retrieval_folder)
    assert found.code == 0, found.err
    assert 'fake:words[document="[/b] ",query="q: "]' in found.out.replace("\n", "")
    found = sizewise("study", name, "--task", retrieval_folder, "--dry-run")
    assert f"  {name}\n" in found.out
    found = sizewise("cost", name, "--rounds", 1)
    assert found.code == 0, found.err
    assert name in found.out


# --- cost


def test_cost(sizewise, labels, tmp_path):
    file = tmp_path / "out.json"
    found = sizewise("cost", "fake:words", "shape:gpt3-175b", "fake:words", "--task", labels, "--json", file,
                     "--threads", 1)  # fmt: skip
    assert found.code == 0, found.err
    document = json.loads(file.read_bytes())
    assert set(document) == {"schema", "environment", "results"}
    assert document["environment"]["threads"] == 1
    results = document["results"]
    assert [(one["candidate"], one["scenario"], one["source"]) for one in results] == [
        ("fake:words", "single-stream", "measured"), ("fake:words", "offline", "measured"),
        ("shape:gpt3-175b", "single-stream", "predicted"), ("shape:gpt3-175b", "offline", "predicted"),
    ]  # fmt: skip
    assert {frozenset(one) for one in results} == {frozenset([*COST, "note"])}
    single, offline, shape, _ = results
    assert single["p95_ms"] > 0
    assert (single["texts_per_s"], offline["p95_ms"]) == (None, None)
    assert offline["texts_per_s"] > 0
    assert (single["disk_mb"], single["device_memory_mb"]) == (None, None)
    assert (shape["p95_ms"], shape["load_s"]) == (None, None)
    assert shape["parameters"] > 174e9
    assert "shape:gpt3-175b (predicted): " in found.out
    assert "174," in found.out


# --- study and recommend


@pytest.fixture
def studied(sizewise, retrieval_folder, tmp_path):
    found = sizewise(
        "study", "fake:words", "fake:letters", "--task", retrieval_folder, "--out", tmp_path / "run", "--threads", 1,
        "--limit", "p95_ms=500", "--price-per-hour", 0.2, "--queries-per-month", 1000,
    )  # fmt: skip
    assert found.code == 0, found.err
    return found, tmp_path / "run"


def test_study_then_recommend(studied, sizewise, tmp_path):
    found, run = studied
    assert "Best guess: " in found.out
    assert f"sizewise recommend {run}" in found.out
    assert "a month" in found.out, "with prices, money is what is minimised"
    assert (run / "frontier.svg").exists()
    assert not ESCAPE.search(found.out)

    again = sizewise("recommend", run)
    assert again.code == 0
    assert "Best guess: " in again.out
    none = sizewise("recommend", run, "--limit", "p95_ms=0.000001")
    assert none.code == 0
    assert "No candidate is within the limits (p95_ms at most 1e-06)" in none.out

    document = json.loads(sizewise("recommend", run, "--json", "-").out)
    assert document["schema"] == 1
    assert document["terms"]["limits"] == {"p95_ms": 500}
    document = json.loads(sizewise("recommend", run, "--no-limits", "--limit", "memory_mb=9", "--json", "-").out)
    assert document["terms"]["limits"] == {"memory_mb": 9}
    file = tmp_path / "again.json"
    assert sizewise("recommend", run, "--minimise", "p95_ms", "--margin", 9, "--json", file).code == 0
    document = json.loads(file.read_bytes())
    assert (document["terms"]["minimise"], document["terms"]["margin"]) == ("p95_ms", 9)

    def monthly(*words):
        return json.loads(sizewise("recommend", run, "--json", "-", *words).out)["figures"]["monthly_cost"]

    assert monthly("--price-per-hour", 0.4) == pytest.approx(2 * monthly())
    assert monthly("--queries-per-month", 10**9) > 100 * monthly()
    wrong = sizewise("recommend", run, "--limit", "p95=3")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_a_study_file(sizewise, retrieval_folder, tmp_path):
    file = tmp_path / "STUDY.toml"
    file.write_text(
        f'name = "from a file"\ntasks = [{{ path = "{retrieval_folder}", margin = 3, name = "search" }}]\n'
        'candidates = ["fake:words"]\nthreads = 1\n[limits]\np95_ms = 900\n[trust]\npickled = ["a"]\n'
    )
    found = sizewise("study", file, "--out", tmp_path / "run", "--json", "-", "--limit", "memory_mb=99999",
                     "--allow-pickle", "b")  # fmt: skip
    document = json.loads(found.out)
    assert document["terms"]["limits"] == {"p95_ms": 900, "memory_mb": 99999}
    assert document["choice"]["tasks"][0]["margin"] == 3
    assert document["choice"]["tasks"][0]["task"] == "search"
    wrong = sizewise("study", tmp_path / "none.toml")
    assert wrong.code == 2


def test_trust_on_the_command_line_adds_to_that_of_the_file(sizewise, retrieval_folder, tmp_path, monkeypatch):
    from sizewise.study.study import Study

    seen = []
    monkeypatch.setattr(Study, "plan", lambda study: seen.append(study.trust) or (_ for _ in ()).throw(SystemExit(0)))
    file = tmp_path / "STUDY.toml"
    file.write_text(f'tasks = ["{retrieval_folder}"]\ncandidates = ["m"]\n[trust]\npickled = ["a"]\n')
    sizewise("study", file, "--dry-run", "--allow-pickle", "b", "--trust-remote-code", "c")
    assert seen[0].pickled == {"a", "b"}
    assert seen[0].remote_code == {"c"}


def test_a_dry_run_does_nothing(sizewise, retrieval_folder, tmp_path):
    found = sizewise("study", "fake:words", "--task", retrieval_folder, "--dry-run", "--out", tmp_path / "run")
    assert found.code == 0, found.err
    assert "2 candidates:\n  fake:words\n  bm25\n" in found.out
    assert re.search(r"fake:words: 80 texts to encode \(0 in the store\), about \d", found.out)
    assert re.search(r"in all about \d+ (s|min)", found.out)
    assert not (tmp_path / "run").exists()
    assert sizewise("study", "fake:words", "--task", retrieval_folder, "--dry-run").out.count("80 texts to encode") == 1


def test_no_colour_where_none_is_wanted(process, retrieval_folder):
    words = ["eval", "fake:words", "--task", retrieval_folder, "-q"]
    coloured = process(*words, env={"FORCE_COLOR": "1", "TERM": "xterm-256color"}).communicate(timeout=60)[0]
    plain = process(*words, env={"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm-256color"}).communicate(timeout=60)
    assert "\x1b[" in coloured
    assert not re.search("\x1b\\[[0-9;]*3[0-9]m", plain[0])


# --- store


def test_store(sizewise, retrieval_folder, tmp_path):
    sizewise("eval", "fake:words", "--task", retrieval_folder)
    found = sizewise("store", "show", "--json", tmp_path / "store.json")
    assert "fake:words" in found.out
    assert str(tmp_path / "store") in found.out
    (one,) = json.loads((tmp_path / "store.json").read_bytes())["results"]
    assert one["vectors"] == 80
    kept = sizewise("store", "prune", "--unused-days", 1)
    assert kept.out.startswith("freed 0.0 MB in ")
    assert sizewise("store", "prune", "--unused-days", 0).code == 0
    assert json.loads(sizewise("store", "show", "--json", "-").out)["results"] == []


def test_pruning_waits_for_nobody(sizewise, tmp_path):
    from sizewise.store.store import Store

    with Store(tmp_path / "store"):
        found = sizewise("store", "prune", "--unused-days", 0)
    assert found.code == 1
    assert "is in use by a running study" in found.err
    assert found.err.count("\n") == 1


# --- task


@pytest.fixture
def corpus(sentences):
    return [f"{text.capitalize()}." for text in sentences if len(text.split()) > 12][:30]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt", "folder"])
def test_a_task_from_a_bare_corpus(sizewise, sentences, tmp_path, kind):
    import csv

    long = [text for text in sentences if len(text.split()) > 12][:24]
    short = [text for text in sentences if 4 < len(text.split()) < 12][:24]
    rows = [{"title": title, "text": text} for title, text in zip(short, long, strict=True)]
    path = tmp_path / f"corpus.{kind}"
    source = "title"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["title", "text"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        source = "first-sentence"
        texts = [f"{row['title'].capitalize()}. {row['text'].capitalize()}." for row in rows]
        if kind == "txt":
            path.write_text("\n".join(texts))
        else:
            path.mkdir()
            for at, text in enumerate(texts):
                (path / f"{at}.txt").write_text(text)
    out = tmp_path / "task"
    found = sizewise("task", path, "--from", source, "--out", out)
    assert found.code == 0, found.err
    assert re.search(r"^2\d documents, \d+ queries in ", found.out)
    assert "Known-item search shows whether" in found.out
    assert "does not show how it answers your users' questions" in found.out
    assert sizewise("eval", "bm25", "--task", out).code == 0
    again = sizewise("task", path, "--from", source, "--out", out)
    assert again.code == 2
    assert sizewise("task", path, "--from", source, "--out", out, "--overwrite").code == 0


def test_a_corpus_of_one_document(sizewise, tmp_path, sentences):
    path = tmp_path / "corpus.jsonl"
    path.write_text(json.dumps({"title": "rivers and banks of water", "text": max(sentences, key=len)}) + "\n")
    found = sizewise("task", path, "--out", tmp_path / "task")
    assert found.code == 2
    assert found.err.count("\n") == 1
    assert "no search task can be made of 1 texts" in found.err
    assert not (tmp_path / "task").exists()


@pytest.mark.parametrize("text", ["nope", "cross:nope", "all-MiniLM-L6-v2@fp32/nowhere"])
def test_cost_says_what_is_wrong_before_it_measures(sizewise, text):
    found = sizewise("cost", text)
    assert found.code == 2
    assert "measur" not in found.err


def test_cost_names_the_encoders_of_a_hybrid(sizewise):
    found = sizewise("cost", "rerank(bm25, cross:x, 5)")
    assert found.code == 2
    assert "cost measures encoders (cross:x);" in found.err


def test_arithmetic_needs_nothing_that_runs_it(sizewise):
    """A GPU's engine, on a machine without one."""
    found = sizewise("cost", "shape:gpt3-175b@fp8", "--json", "-")
    assert found.code == 0
    assert json.loads(found.out)["results"][0]["source"] == "predicted"
