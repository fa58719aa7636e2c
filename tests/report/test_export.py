"""A run in other tools' formats: trec_eval scores it as we do, MTEB finds its fields, names and cells are safe."""

import csv
import json
import re
import string
from dataclasses import asdict

import numpy as np
import pytest
import pytrec_eval

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.cost.figures import COSTS, Figures
from sizewise.cost.price import Prices
from sizewise.data.load import load_task
from sizewise.data.task import DEPTH
from sizewise.decide.evidence import Evidence, compare
from sizewise.decide.terms import Terms
from sizewise.report.export.names import LONGEST, file_names
from sizewise.report.export.table import COLUMNS, cell
from sizewise.report.export.trec import column, non_increasing
from sizewise.report.export.write import export
from sizewise.study.run import Run, RunFolder
from sizewise.study.source import source
from sizewise.study.study import facts

NAMES = ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2+binary+rescore=100", 'm[query="=q: "]@bf16', "bm25")
QUERIES, DOCUMENTS = 25, 140


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A search task whose ids hold spaces, percent signs and other scripts, and a similarity task."""
    root, rng = tmp_path_factory.mktemp("tasks"), np.random.default_rng(2)
    documents = [f"{['d', 'ä ', '文%20', 'z/'][at % 4]}{at}" for at in range(DOCUMENTS)]
    queries = [f"q {at}" for at in range(QUERIES)]
    search = root / "search"
    (search / "qrels").mkdir(parents=True)
    (search / "corpus.jsonl").write_text("".join(json.dumps({"_id": one, "text": "x"}) + "\n" for one in documents))
    (search / "queries.jsonl").write_text("".join(json.dumps({"_id": one, "text": "x"}) + "\n" for one in queries))
    judged = {
        query: {documents[at]: int(rng.integers(1, 4)) for at in rng.choice(DOCUMENTS, 12, replace=False)}
        for query in queries
    }
    lines = [f"{query}\t{document}\t{grade}" for query in queries for document, grade in judged[query].items()]
    (search / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
    (root / "pairs").mkdir()
    pairs = "".join(f"one {at},two {at},{at % 5}\n" for at in range(40))
    (root / "pairs" / "test.csv").write_text(f"sentence1,sentence2,score\n{pairs}")
    return search, root / "pairs", judged


def rankings(task, rng, rescored):
    """Scores with many ties; a rescored ranking keeps its first order among them, as `rescore` does."""
    scores = rng.integers(0, 20, (QUERIES, DOCUMENTS)).astype(np.float32) / np.float32(7)
    first = rng.permutation(DOCUMENTS) if rescored else task.tie_rank
    order = np.array([np.lexsort((first, -row))[:DEPTH] for row in scores])
    return task.records({"ids": order.astype(np.int32), "scores": np.take_along_axis(scores, order, 1)})


@pytest.fixture(scope="module")
def run(folders, tmp_path_factory):
    """As a study writes it."""
    rng = np.random.default_rng(1)
    tasks = [load_task(folder) for folder in folders[:2]]
    candidates = [parse(name) for name in NAMES]
    raws = {tasks[0].name: {one: rankings(tasks[0], rng, "rescore" in str(one)) for one in candidates}}
    raws[tasks[1].name] = {one: tasks[1].records({"scores": rng.random(40)}) for one in candidates[:3]}
    found = [compare(task, [raws[task.name].get(one) for one in candidates], resamples=200) for task in tasks]
    figures = {str(one): Figures(p95_ms=9.5, disk_mb=90.0, parameters=22_713_216) for one in candidates}
    figures["shape:bert-base"] = Figures(p95_ms=80.0, note="=1+1", source="predicted")
    evidence = Evidence(
        tuple(facts(task, np.arange(len(task.units))) for task in tasks),
        tuple(map(str, candidates)), tuple(found), figures, 0.1, 0.1, {NAMES[0]: Figures(p95_ms=11.0)},
    )  # fmt: skip
    about = {
        "name": "made up",
        "prices": asdict(Prices()),
        "environment": {"versions": {"sizewise": "0.1.0"}},
        "tasks": [asdict(source(task)) for task in tasks],
        "truncation": [{"model": "all-MiniLM-L6-v2", "task": tasks[0].name, "limit": 256}],
    }
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "one")
    folder.path.mkdir()
    return Run.write(
        folder, evidence, Terms("p95_ms"), about, tasks, candidates, raws, {task.name: None for task in tasks}
    )


def score(run, name, task="search"):
    at = next(at for at, one in enumerate(run.evidence.tasks) if one.name.endswith(task))
    return run.evidence.compared[at].points[run.evidence.candidates.index(name)]


# --- TREC run files


@pytest.mark.parametrize("name", NAMES)
def test_trec_eval_scores_a_run_file_as_we_do(run, folders, tmp_path, name):
    done = export(run, "trec", tmp_path, [name])
    (path,) = done.files
    with path.open() as file:
        ranked = pytrec_eval.parse_run(file)
    judged = {column(q): {column(d): grade for d, grade in of.items()} for q, of in folders[2].items()}
    found = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10"}).evaluate(ranked)
    assert len(found) == QUERIES
    mean = np.mean([one["ndcg_cut_10"] for one in found.values()])
    assert 100 * mean == pytest.approx(score(run, name), abs=1e-4)
    assert any("hold white space or %" in note for note in done.notes)


def test_the_lines_of_a_run_file(run, tmp_path):
    (path,) = export(run, "trec", tmp_path, [NAMES[1]]).files
    assert path.parent.parent == tmp_path
    rows = [line.split(" ") for line in path.read_text().splitlines()]
    assert len(rows) == QUERIES * DEPTH
    for start in range(0, len(rows), DEPTH):
        one = rows[start : start + DEPTH]
        assert {len(row) for row in one} == {6}
        assert [int(row[3]) for row in one] == list(range(1, DEPTH + 1))
        scores = [float(row[4]) for row in one]
        assert scores == sorted(scores, reverse=True)
        assert {(row[1], row[5]) for row in one} == {("Q0", "all-MiniLM-L6-v2+binary+rescore=100")}


def test_scores_stay_as_they_are_where_the_order_is_that_of_trec_eval():
    scores = np.array([3, 2, 2, 1], np.float32)
    assert non_increasing(["a", "z", "b", "q"], scores) == scores.tolist()
    lowered = non_increasing(["a", "b", "z", "q"], scores)
    assert lowered[:2] == [3, 2]
    assert 1.9999 < lowered[2] < 2
    assert non_increasing(["a", "b"], np.array([1, 2], np.float32))[1] < 1


def test_a_tie_after_a_lowered_score_is_lowered_too():
    lowered = non_increasing(["a", "b", "c", "d"], np.full(4, 0.5, np.float32))
    assert len(set(lowered)) == 4
    assert lowered == sorted(lowered, reverse=True)


def test_an_id_is_one_column_and_can_be_told_from_others():
    ids = ["plain", "a b", "a%20b", "a\tb", "a\u00a0b", "a\nb", "a\x00b", "ä/文", "a%b"]
    columns = [column(one) for one in ids]
    assert len(set(columns)) == len(ids)
    assert not any(re.search(r"\s|\x00", one) for one in columns)
    assert (columns[0], columns[7], columns[1]) == ("plain", "ä/文", "a%20b")


def test_what_ranks_nothing_has_no_run_file(run, tmp_path):
    done = export(run, "trec", tmp_path)
    assert [path.parent.name.endswith("-search") for path in done.files] == [True] * 4
    assert any(note.startswith("Left out, as nothing is ranked there: ") and "pairs" in note for note in done.notes)
    with pytest.raises(InputError, match="has no rankings of these candidates"):
        export(run, "trec", tmp_path, ["shape:bert-base"])


# --- MTEB

TASK_RESULT = {"dataset_revision": str, "task_name": str, "mteb_version": None, "scores": dict, "evaluation_time": None}
"""What mteb 2 demands of a task's result: a revision is a text, what was not measured by it may be null."""
MODEL_META = (
    "loader", "name", "revision", "release_date", "languages", "n_parameters", "memory_usage_mb", "max_tokens",
    "embed_dim", "license", "open_weights", "public_training_code", "public_training_data", "framework",
    "similarity_fn_name", "use_instructions", "training_datasets",
)  # fmt: skip
"""What it demands of a model; it refuses fields that it does not know, and names without an organisation."""
MAY_BE_THERE = {"reference", "adapted_from", "superseded_by", "modalities", "model_type"}


def test_results_as_mteb_reads_them(run, tmp_path):
    done = export(run, "mteb", tmp_path)
    assert all(path.relative_to(tmp_path).parts[0] == "results" and len(path.relative_to(tmp_path).parts) == 4
               for path in done.files)  # fmt: skip
    results = [path for path in done.files if path.name != "model_meta.json"]
    assert len(results) == 4 + 3
    for path in results:
        found = json.loads(path.read_bytes())
        for field, kind in TASK_RESULT.items():
            assert found[field] is None if kind is None else isinstance(found[field], kind)
        assert path.stem == found["task_name"]
        (one,) = found["scores"]["test"]
        assert (one["hf_subset"], one["languages"]) == ("default", [])
        assert -1 <= one["ci95_low"] <= one["main_score"] <= one["ci95_high"] <= 1
        own = found["sizewise"]
        assert 100 * one["main_score"] == pytest.approx(score(run, own["candidate"], own["task"]))
        metric = {"ndcg@10": "ndcg_at_10", "spearman": "cosine_spearman"}[own["metric"]]
        assert one[metric] == one["main_score"]
        assert found["dataset_revision"] in {task["fingerprint"] for task in run.about["tasks"]}


def test_models_as_mteb_reads_them(run, tmp_path):
    done = export(run, "mteb", tmp_path)
    found = [(path, json.loads(path.read_bytes())) for path in done.files if path.name == "model_meta.json"]
    assert len(found) == 4
    for path, meta in found:
        assert set(MODEL_META) <= set(meta) <= {*MODEL_META, *MAY_BE_THERE}
        assert meta["name"].replace("/", "__") == path.parent.parent.name
        assert meta["revision"] == path.parent.name == "no_revision_available"
        assert meta["n_parameters"] == 22_713_216
    by_name = {meta["name"]: meta for _, meta in found}
    derived = by_name["sizewise/all-MiniLM-L6-v2+binary+rescore=100"]
    assert (derived["max_tokens"], derived["adapted_from"], derived["model_type"]) == (
        256,
        "all-MiniLM-L6-v2",
        ["dense"],
    )
    lexical = by_name["sizewise/bm25"]
    assert (lexical["max_tokens"], lexical["adapted_from"], lexical["model_type"]) == (None, None, ["sparse"])


def test_agreement_with_a_reference_is_no_result_for_mteb(run, tmp_path):
    from dataclasses import replace

    tasks = [replace(task, is_quality=task.kind == "similarity") for task in run.evidence.tasks]
    other = replace(run, evidence=replace(run.evidence, tasks=tuple(tasks)))
    done = export(other, "mteb", tmp_path)
    assert {json.loads(one.read_bytes())["sizewise"]["kind"] for one in done.files if "meta" not in one.name} == {
        "similarity"
    }
    assert done.notes[0].startswith("Left out, as agreement with a reference is not quality: ")


# --- CSV


def test_a_table(run, tmp_path):
    (path,) = export(run, "csv", tmp_path).files
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert set(COSTS) <= set(COLUMNS)
    assert [row["candidate"] for row in rows] == [name for name in NAMES for _ in range(1 if name == "bm25" else 2)] + [
        "shape:bert-base"
    ]
    first, shape = rows[0], rows[-1]
    assert float(first["score"]) == pytest.approx(score(run, NAMES[0]), abs=1e-5)
    assert float(first["low"]) <= float(first["score"]) <= float(first["high"])
    assert (first["p95_ms"], first["end_to_end_p95_ms"], first["units"]) == ("9.5", "11.0", str(QUERIES))
    assert (first["load_s"], first["quality"]) == ("", "True")
    assert (shape["task"], shape["score"], shape["p95_ms"], shape["source"]) == ("", "", "80.0", "predicted")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_text_becomes_a_formula(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-3.25, 0.0, 7, True, "all-MiniLM-L6-v2+int8", "'=1"])
def test_other_cells_stay_as_they_are(value):
    assert cell(value) is value


def test_formulas_in_names_reach_no_cell(run, tmp_path):
    from dataclasses import replace

    tasks = [replace(task, name=f"=cmd|' /C calc'!A0 {at}") for at, task in enumerate(run.evidence.tasks)]
    other = replace(run, evidence=replace(run.evidence, tasks=tuple(tasks)))
    (path,) = export(other, "csv", tmp_path, [NAMES[0]]).files
    with path.open(newline="") as file:
        cells = [value for row in csv.reader(file) for value in row]
    assert "'=cmd|' /C calc'!A0 0" in cells
    assert not [value for value in cells if value.startswith(("=", "+", "@"))]


# --- names, folders, candidates


AWKWARD = [
    "a/b", "a\\b", "../../etc/passwd", "..", ".", "", "con", "CON.json", "x" * 400, "y" * 400, "-rf", ".hidden",
    'm[query="a: b"]', "a\x00b", "näme", "文件", "a b", "a:b", "*?<>|", "nul.x", "./models/m@int8/openvino",
]  # fmt: skip


def test_file_names_are_safe_on_every_system():
    for chosen in (AWKWARD, *([one] for one in AWKWARD)):
        names = file_names(chosen)
        assert list(names) == list(dict.fromkeys(chosen))
        assert len({name.lower() for name in names.values()}) == len(names)
        for name in names.values():
            assert set(name) <= set(string.ascii_letters + string.digits + "._+=@-")
            assert 0 < len(name) <= LONGEST
            assert name[0] not in ".-"
            assert name[-1] not in ".-"
            assert name.partition(".")[0].lower() not in ("con", "nul", "aux", "prn")


@pytest.mark.parametrize("texts", [["a/b", "a-b"], ["A", "a"], ["x" * 400, "x" * 401], ["a:b", "a*b", "a-b"]])
def test_names_that_would_be_the_same_are_told_apart(texts):
    names = file_names(texts)
    assert len({name.lower() for name in names.values()}) == len(texts)
    assert file_names(texts) == names


def test_plain_names_stay():
    assert file_names(["all-MiniLM-L6-v2@bf16+pca=128", "stsb/en"]) == {
        "all-MiniLM-L6-v2@bf16+pca=128": "all-MiniLM-L6-v2@bf16+pca=128",
        "stsb/en": "stsb-en",
    }


def test_an_unknown_candidate(run, tmp_path):
    with pytest.raises(InputError, match=r"has no candidate 'all-MiniLM-L6-v1'; did you mean all-MiniLM-L6-v2\?"):
        export(run, "csv", tmp_path, ["all-MiniLM-L6-v1"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["mteb", "trec", "csv"])
def test_a_folder_that_cannot_be_written(run, tmp_path, form):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export(run, form, tmp_path / "file" / "below")


@pytest.mark.parametrize("form", ["mteb", "trec", "csv"])
def test_nothing_is_written_outside_the_folder_and_nothing_half(run, tmp_path, form):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    done = export(run, form, tmp_path / "deep" / "out")
    assert all(path.is_relative_to(tmp_path / "deep" / "out") for path in done.files)
    assert sorted(path for path in (tmp_path / "deep").rglob("*") if path.is_file()) == sorted(done.files)
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
