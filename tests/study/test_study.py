"""The main job from folders to a recommendation, on a task of every kind; what it leaves on disk; and again."""

import json
import math

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, v_measure_score

from sizewise.core.errors import InputError
from sizewise.data.load import load_task
from sizewise.decide.holdout import Holdout
from sizewise.study.run import Run
from sizewise.study.space import Space
from sizewise.study.study import Study

KINDS = ("classification", "clustering", "fidelity", "retrieval", "similarity", "wordsense")
CANDIDATES = ("fake:words", "fake:letters", "shape:gpt3-175b")
SPACE = Space(dimensions=(16,), vectors=("float32", "int8", "binary+rescore=20"))


def study(tasks, store, **more):
    options = {"space": SPACE, "threads": 1, "store": store} | more
    return Study([str(tasks[kind]) for kind in KINDS], CANDIDATES, **options)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder / "store", folder / "run", folder / "log"


@pytest.fixture(scope="module")
def run(quick, tasks, places):
    store, out, log = places
    quick.setenv("FAKE_LOG", str(log))
    return study(tasks, store).run(out)


@pytest.fixture(scope="module")
def rows(run):
    table = pq.read_table(run.folder / "records.parquet").to_pylist()
    return {
        (task, candidate): [row for row in table if row["task"] == task and row["candidate"] == candidate]
        for task, candidate in {(row["task"], row["candidate"]) for row in table}
    }


def of(rows, kind, candidate="fake:words"):
    return next(found for (task, name), found in rows.items() if task.endswith(kind) and name == candidate)


def point(run, kind, candidate="fake:words"):
    at = next(at for at, task in enumerate(run.evidence.tasks) if task.name.endswith(kind))
    return run.evidence.compared[at].points[run.evidence.candidates.index(candidate)]


# --- files and their schemas


def test_the_files_of_a_run(run):
    names = {path.name for path in run.folder.iterdir()} - {".lock"}
    assert names >= {"records.parquet", "run.json", "recommendation.json", "matrices.npz", "cost.json"}
    assert not [name for name in names if name.endswith(".tmp")]


def test_run_json(run):
    found = json.loads((run.folder / "run.json").read_bytes())
    assert found["schema"] == 2
    assert {"name", "environment", "prices", "documents", "seconds", "truncation", "terms", "evidence"} <= set(found)
    assert found["confirmation"] is None
    assert found["documents"] == 70
    assert found["environment"]["threads"] == 1
    assert found["terms"] == {"minimise": "p95_ms", "limits": {}, "margin": 2.0, "margins": {}, "preset": None}
    words = [one for one in found["truncation"] if one["model"] == "fake:words"]
    assert len(words) == len(KINDS)
    assert all(one["truncated_texts"] == 0 and one["texts"] > 0 for one in words)
    kinds = {task["kind"]: task for task in found["evidence"]["tasks"]}
    assert set(kinds) == set(KINDS)
    assert (kinds["retrieval"]["units"], kinds["retrieval"]["groups"]) == (60, 30)
    assert kinds["wordsense"]["groups"] == 9
    assert [kind for kind in KINDS if not kinds[kind]["is_quality"]] == ["fidelity"]


def test_recommendation_json(run):
    found = json.loads((run.folder / "recommendation.json").read_bytes())
    assert found == json.loads(orjson.dumps(run.recommend().to_json(), option=orjson.OPT_SERIALIZE_NUMPY))
    assert found["schema"] == 1
    assert found["choice"]["verdict"] == "best guess", "nine words prove nothing"
    assert found["choice"]["candidate"] in run.evidence.candidates
    assert found["infeasible"]["bm25"].startswith("it does not apply to ")
    assert json.loads((run.folder / "recommendation.json").read_bytes())["fidelity_only"] is False


def test_every_candidate_on_every_task_that_it_can_do(run, rows):
    embeds = [name for name in run.evidence.candidates if name != "bm25"]
    assert len(embeds) == 2 * 2 * 3
    assert "shape:gpt3-175b" not in run.evidence.candidates
    assert run.evidence.figures["shape:gpt3-175b"].source == "predicted"
    for task in run.evidence.tasks:
        able = [name for (of_task, name) in rows if of_task == task.name]
        ranked = task.kind in ("retrieval", "fidelity")
        assert sorted(able) == sorted(embeds + ["bm25"] * ranked)
        assert {len(rows[task.name, name]) for name in able} == {task.units}


COLUMNS = {
    "retrieval": {"value", "ids", "scores", "group", "slice"},
    "fidelity": {"value", "ids", "scores"},
    "similarity": {"score"},
    "wordsense": {"score", "group"},
    "classification": {"value", "labels"},
    "clustering": {"clusters"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_a_kind_has_no_use_for_are_null(rows, kind):
    optional = {"value", "score", "ids", "scores", "labels", "clusters", "group", "slice"}
    for row in of(rows, kind):
        assert {name for name in optional if row[name] is not None} == COLUMNS[kind]


# --- values, computed again from what was recorded


def ndcg(ids, grades):
    """nDCG@10 with linear gain, from document ids."""
    gained = sum(grades.get(one, 0) / math.log2(2 + at) for at, one in enumerate(ids[:10]))
    ideal = sum(g / math.log2(2 + at) for at, g in enumerate(sorted(grades.values(), reverse=True)[:10]))
    return gained / ideal


@pytest.mark.parametrize("candidate", ["fake:words", "fake:letters+truncate=16+binary+rescore=20", "bm25"])
def test_retrieval_from_document_ids(run, rows, tasks, candidate):
    qrels = {}
    for line in (tasks["retrieval"] / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    documents = {json.loads(line)["_id"] for line in (tasks["retrieval"] / "corpus.jsonl").read_text().splitlines()}
    found = of(rows, "retrieval", candidate)
    for row in found:
        assert set(row["ids"]) <= documents
        assert len(row["ids"]) == len(set(row["ids"])) == len(row["scores"])
        assert row["scores"] == sorted(row["scores"], reverse=True)
        assert row["value"] == pytest.approx(ndcg(row["ids"], qrels[row["unit"]]), abs=1e-6)
    assert point(run, "retrieval", candidate) == pytest.approx(100 * np.mean([row["value"] for row in found]), abs=1e-4)
    groups = {row["unit"]: row["group"] for row in found}
    assert groups["q-0"] == groups["q-1"] != groups["q-2"]
    assert {row["slice"] for row in found} == {"short", "long"}


def test_bm25_beats_letters(run):
    assert point(run, "retrieval", "bm25") > point(run, "retrieval", "fake:letters") + 2


def test_fidelity_is_agreement_with_the_first_encoder(run, rows):
    reference = {row["unit"]: row["ids"][:10] for row in of(rows, "fidelity")}
    assert {row["value"] for row in of(rows, "fidelity")} == {1.0}
    for row in of(rows, "fidelity", "fake:letters"):
        assert row["value"] == pytest.approx(len(set(row["ids"][:10]) & set(reference[row["unit"]])) / 10)


def test_similarity_and_word_sense_from_scores(run, rows, tasks):
    pairs, senses = load_task(tasks["similarity"]), load_task(tasks["wordsense"])
    for candidate in ("fake:words", "fake:letters+int8"):
        scores = [row["score"] for row in of(rows, "similarity", candidate)]
        assert point(run, "similarity", candidate) == pytest.approx(100 * spearmanr(scores, pairs.gold).statistic)
        scores = [row["score"] for row in of(rows, "wordsense", candidate)]
        wanted = average_precision_score(senses.pairs.same, scores)
        assert point(run, "wordsense", candidate) == pytest.approx(100 * wanted)


def test_classification_and_clustering_from_labels(run, rows, tasks):
    labels = [json.loads(line)["label"] for line in (tasks["classification"] / "test.jsonl").read_text().splitlines()]
    found = of(rows, "classification")
    assert [row["value"] for row in found] == [
        float(row["labels"] == [at]) for row, at in zip(found, labels, strict=True)
    ]
    assert point(run, "classification") == pytest.approx(100 * np.mean([row["value"] for row in found]), abs=1e-4)
    labels = [json.loads(line)["label"] for line in (tasks["clustering"] / "clusters.jsonl").read_text().splitlines()]
    clusters = np.array([row["clusters"] for row in of(rows, "clustering")])
    wanted = np.mean([v_measure_score(labels, clusters[:, seed]) for seed in range(3)])
    assert point(run, "clustering") == pytest.approx(100 * wanted, abs=1e-4)


# --- costs within a study


def test_costs_are_composed_and_labelled(run):
    figures = run.evidence.figures
    assert figures["fake:words"].bytes_per_vector == 128
    assert figures["fake:words+int8"].bytes_per_vector == 32
    assert figures["fake:words+truncate=16+int8"].bytes_per_vector == 16
    assert figures["fake:words+binary+rescore=20"].bytes_per_vector == 128 + 4
    assert figures["fake:words+int8"].source == "composed"
    assert figures["fake:words+int8"].texts_per_s == figures["fake:words"].texts_per_s
    assert figures["fake:words"].monthly_cost is None, "no prices were given"
    assert run.recommend().candidate in run.evidence.end_to_end


# --- again


def numbers(run):
    return [
        np.nan_to_num(getattr(one, name)) for one in run.evidence.compared for name in ("points", "draws", "bounds")
    ]


def test_a_second_run_encodes_and_measures_nothing_and_gives_the_same(run, quick, tasks, places):
    store, out, log = places
    before = log.read_text().splitlines()
    assert {line.split()[0] for line in before} == {"study", "worker"}
    again = study(tasks, store).run(out)
    new = log.read_text().splitlines()[len(before) :]
    assert not [line for line in new if line.startswith("study")]
    assert all(one.endswith(" 1") for one in new) or not new, "another finalist may be timed, on single texts"
    for first, second in zip(numbers(run), numbers(again), strict=True):
        np.testing.assert_array_equal(first, second)
    loaded = Run.load(out)
    for first, second in zip(numbers(again), numbers(loaded), strict=True):
        np.testing.assert_array_equal(first, second)


def test_another_study_uses_what_the_first_encoded(run, quick, tasks, places, tmp_path):
    store, _, log = places
    before = log.read_text().count("study")
    plan = Study([tasks["retrieval"]], ["fake:words+pca=8"], store=store).plan()
    assert [(encoder, missing) for encoder, _, missing, _ in plan.encodes] == [("fake:words", 0)]
    assert plan.encodes[0][3] == 130
    assert log.read_text().count("study") == before


def test_recommend_under_other_terms(run):
    assert run.recommend(p95_ms=0.000001).verdict == "none"
    assert run.recommend(minimise="bytes_per_vector").terms.minimise == "bytes_per_vector"
    assert run.recommend(margin=99.0).terms.margin == 99.0
    assert run.recommend(p95_ms=9, memory_mb=None).terms.limits == {"p95_ms": 9}
    with pytest.raises(InputError, match="there is no cost called 'p95'; did you mean p95_ms"):
        run.recommend(p95=3)
    dear = run.repriced(price_per_hour=10.0, queries_per_month=1e6)
    assert dear.evidence.figures["fake:words"].monthly_cost > 0
    assert dear.recommend(minimise="monthly_cost").candidate
    assert run.evidence.figures["fake:words"].monthly_cost is None


# --- runs that cannot be read


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "run.json").unlink(), "holds no finished run: there is no run.json; run the study first"),
        (lambda run: (run / "run.json").write_text("{"), r"run.json cannot be read"),
        (lambda run: (run / "run.json").write_text('{"schema": 9}'), "has schema 9, and this version reads 2"),
        (lambda run: (run / "matrices.npz").unlink(), "matrices.npz does not belong to run.json"),
        (lambda run: (run / "matrices.npz").write_bytes(b""), "matrices.npz does not belong to run.json"),
        (lambda run: (run / "matrices.npz").write_bytes(b"PK\x03\x04half"), "matrices.npz does not belong to run.json"),
    ],
)
def test_a_run_that_cannot_be_read(run, tmp_path, spoil, message):
    import shutil

    copy = shutil.copytree(run.folder, tmp_path / "run")
    spoil(copy)
    with pytest.raises(InputError, match=message):
        Run.load(copy)


def test_a_run_stopped_while_it_writes_is_not_finished(run, tmp_path, monkeypatch):
    """Matrices of one run beside the run.json of another would be decided on without a word."""
    import shutil

    from sizewise.study.run import RunFolder

    folder = RunFolder(shutil.copytree(run.folder, tmp_path / "run"))
    monkeypatch.setattr("sizewise.study.run.decide", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Run.write(folder, run.evidence, run.terms, run.about, [], [], {}, {})
    with pytest.raises(InputError, match="holds no finished run"):
        Run.load(folder.path)


# --- held-out units


def test_confirmation_is_opened_once(quick, tasks, tmp_path):
    def once(**more):
        return Study([tasks["retrieval"]], ["fake:words", "fake:letters"], store=tmp_path / "store", threads=1,
                     confirm=Holdout(0.4), **more).run(tmp_path / "run")  # fmt: skip

    first = once()
    found = first.about["confirmation"]
    (one,) = found["tasks"]
    (facts,) = first.evidence.tasks
    assert one["units"] + facts.units == 60
    assert facts.groups == facts.units // 2, "whole groups"
    assert found["candidate"] == first.recommend().candidate
    log = (tmp_path / "run" / "confirmation.json").read_bytes()
    second = once(margin=90.0)
    assert second.about["confirmation"]["opened"] == found["opened"]
    assert (tmp_path / "run" / "confirmation.json").read_bytes() == log


# --- what is wrong before work begins


def refused(match, **more):
    options = {"tasks": [], "candidates": ["fake:words"], "threads": 1} | more
    with pytest.raises(InputError, match=match):
        Study(**options).plan()


def test_what_can_be_known_to_be_wrong(quick, tasks, tmp_path):
    common = {"store": tmp_path / "store"}
    one = [tasks["retrieval"]]
    refused("a study needs at least one task", **common)
    refused("a study needs at least one candidate", tasks=one, candidates=[], **common)
    refused(r"two tasks are called 'kinds\d*/retrieval'; give one a name", tasks=one * 2, **common)
    refused("fake:words.truncate=99: ", tasks=one, candidates=["fake:words+truncate=99"], **common)
    refused("unknown transform 'int9'", tasks=one, candidates=["fake:words+int9"], **common)
    refused("unknown kind of encoder 'nope'", tasks=one, candidates=["nope:x"], **common)
    refused("did you mean p95_ms", tasks=one, limits={"p95": 3}, **common)
    refused("names no unit of any task", tasks=one, confirm=Holdout(file=tasks["retrieval"] / "corpus.jsonl"), **common)
    refused("there is no cost called 'speed'", tasks=one, minimise="speed", **common)
    assert not (tmp_path / "store" / "records").exists()


def test_a_task_with_one_group_is_refused_before_the_work(quick, tmp_path, tasks):
    import shutil

    folder = shutil.copytree(tasks["retrieval"], tmp_path / "one")
    (folder / "task.toml").write_text('group = "all"\n')
    lines = [json.loads(line) | {"all": "same"} for line in (folder / "queries.jsonl").read_text().splitlines()]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    refused("has one group of units, and one says nothing about others", tasks=[folder], store=tmp_path / "store")


def test_random_weights_are_no_reference(quick, tmp_path, tasks):
    import shutil

    folder = shutil.copytree(tasks["fidelity"], tmp_path / "agreement")
    (folder / "task.toml").write_text('reference = "shape:minilm-l6"\n')
    with pytest.raises(InputError, match="shape:minilm-l6 has random weights"):
        Study([folder], ["fake:words"], store=tmp_path / "store", threads=1).run(tmp_path / "run")


def test_only_fidelity(quick, tmp_path, tasks):
    found = Study([tasks["fidelity"]], ["fake:words", "fake:letters"], store=tmp_path / "store", threads=1).run(
        tmp_path / "run"
    )
    assert found.recommend().fidelity_only


def test_a_plan_encodes_nothing(quick, tasks, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    plan = Study([tasks["retrieval"], tasks["similarity"]], CANDIDATES, space=SPACE, store=tmp_path / "store").plan()
    assert not (tmp_path / "log").exists()
    assert [row[2] for row in plan.encodes if row[0] == "fake:words"] == [130, 100]
    assert len(plan.candidates) == 2 * 6 + 2


# --- the real thing


@pytest.mark.slow
def test_a_study_of_sentence_transformers(tiny_model, tasks, tmp_path):
    """Every kind of task, two precisions, transforms, BM25 and a shape, measured in real processes."""
    made = Study(
        list(tasks.values()),
        [str(tiny_model), f"{tiny_model}@bf16", f"{tiny_model}+binary+rescore=20", "shape:gpt3-175b"],
        store=tmp_path / "store",
        threads=1,
    )
    first = made.run(tmp_path / "run")
    assert first.recommend().candidate
    assert first.evidence.figures[str(tiny_model)].p95_ms > 0
    second = made.run(tmp_path / "run")
    for one, other in zip(numbers(first), numbers(second), strict=True):
        np.testing.assert_array_equal(one, other)
