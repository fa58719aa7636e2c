"""From a run or a candidate to a bundle: what is built, what is certified, what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sizewise.bundle.load import load_bundle
from sizewise.bundle.verify import verify
from sizewise.core.errors import InputError, RunError
from sizewise.core.grammar import parse
from sizewise.data.load import load_task
from sizewise.encode.encoder import Trust
from sizewise.evaluate import record
from sizewise.pipeline.bench import Bench
from sizewise.ship import build as module
from sizewise.ship.build import build
from sizewise.store.store import Store
from sizewise.study.run import Run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "bundle"


@pytest.fixture
def built(here, out, ship_store):
    """`built(source, ...)`: built into `out`, with its certificate read."""

    def build_it(source, **more):
        found = build(source, out, store=ship_store, **more)
        return found, json.loads((out / "certificate.json").read_bytes())

    return build_it


class Listener:
    def __init__(self):
        self.said = []

    def bar(self, label, total):
        from sizewise.core.progress import Silent

        return Silent().bar(label, total)

    def say(self, message):
        self.said.append(message)


# --- from a candidate


def test_a_candidate_that_needs_no_text(built, tiny_model, out):
    found, certificate = built(f'{tiny_model}[query="river: "]+truncate=8')
    assert (found.candidate, found.fitted_on, found.measured) == (f'{tiny_model}[query="river: "]+truncate=8', None, [])
    assert found.report.passed
    assert found.report.bundle == str(out)
    assert (certificate["measured"], certificate["run"], certificate["cost"]) == ([], None, None)
    assert "Not measured." in (out / "README.md").read_text()
    live = load_bundle(out)
    assert live.prompts == {"query": "river: ", "document": "", "text": ""}
    live.index(["the moon", "a river"])
    assert live.search(["river"], 1)[0].shape == (1, 1)
    assert [path.name for path in out.parent.iterdir()] == ["bundle"], "nothing is left beside it"
    assert {oct(path.stat().st_mode & 0o777) for path in out.rglob("*") if path.is_file()} == {
        oct(out.stat().st_mode & 0o666)
    }


def test_text_to_fit_on_must_be_given(built, tiny_model, out):
    with pytest.raises(InputError, match=r"\+int8 must be fitted on text of yours: give the folder of a task"):
        built(f"{tiny_model}+int8")
    assert not out.exists()


def test_a_candidate_is_measured_on_its_tasks(built, tiny_model, retrieval_folder, similarity_folder, out, ship_store):
    text = f"{tiny_model}+pca=8+int8"
    found, certificate = built(text, tasks=[similarity_folder, retrieval_folder])
    search, pairs = load_task(retrieval_folder), load_task(similarity_folder)
    assert found.fitted_on == search.name, "the largest corpus"
    assert certificate["fitted_on"] == search.name
    rows = {row["task"]: row for row in certificate["measured"]}
    assert list(rows) == [pairs.name, search.name]
    assert rows[search.name]["fitted_here"]
    assert not rows[pairs.name]["fitted_here"]
    with Store(ship_store) as store:
        own = search.statistic([record(Bench(store), search, parse(text))]).point()[0]
    assert rows[search.name]["value"] == pytest.approx(100 * own)
    assert rows[search.name]["units"] == 20
    assert rows[search.name]["fingerprint"] == search.fingerprint
    checked = verify(out, [retrieval_folder, similarity_folder])
    assert [one.passed for one in checked.findings if one.check == "score"] == [True, True]
    card = (out / "README.md").read_text()
    assert f"Its transforms were fitted on text of the task `{search.name}`." in card
    assert "transforms fitted on text of" in card


def test_which_task_is_fitted_on_can_be_said(built, tiny_model, retrieval_folder, similarity_folder):
    name = load_task(similarity_folder).name
    found, certificate = built(f"{tiny_model}+int8", tasks=[retrieval_folder, similarity_folder], fit=name)
    assert found.fitted_on == name
    assert [row["fitted_here"] for row in certificate["measured"]] == [False, True]


def test_a_task_that_is_not_there_cannot_be_fitted_on(built, tiny_model, retrieval_folder):
    with pytest.raises(InputError, match="--fit other: there is no such task; there are: "):
        built(f"{tiny_model}+int8", tasks=[retrieval_folder], fit="other")


def test_prompts_of_the_task_are_served(built, tiny_model, retrieval_folder, tmp_path, out):
    folder = shutil.copytree(retrieval_folder, tmp_path / "prompted")
    (folder / "task.toml").write_text('prompts = { query = "music " }\n')
    built(f"{tiny_model}+int8", tasks=[folder])
    assert load_bundle(out).prompts["query"] == "music "
    assert json.loads((out / "config_sentence_transformers.json").read_bytes())["prompts"]["query"] == "music "
    assert verify(out, [folder]).findings[-1].passed
    (folder / "task.toml").write_text("")
    shutil.rmtree(out)
    built(f"{tiny_model}+int8", tasks=[folder])
    assert load_bundle(out).prompts["query"] == ""


def test_bm25(built, retrieval_folder, similarity_folder, out):
    found, certificate = built("bm25", tasks=[retrieval_folder, similarity_folder])
    assert [row["task"] for row in found.measured] == [load_task(retrieval_folder).name]
    assert verify(out, [retrieval_folder]).findings[-1].passed
    live = load_bundle(out)
    live.index(["the moon", "a river"])
    assert live.search(["river"], 1)[0].tolist() == [[1]]
    assert set(certificate["files"]) == {"README.md", "canary.json", "canary.safetensors", "sizewise.json"}


# --- from a run


def test_the_recommendation_of_a_run(built, run, out, retrieval_folder, similarity_folder):
    wanted = run.recommend()
    found, certificate = built(run.folder)
    assert found.candidate == certificate["candidate"] == wanted.candidate
    assert certificate["run"] == "two tasks"
    assert certificate["decision"]["verdict"] == wanted.verdict
    stands = {row["candidate"]: row["state"] for row in certificate["study"]["rows"]}
    assert set(stands) == set(run.evidence.candidates) - {"bm25"}, "which has no score on pairs"
    assert stands[wanted.candidate] == "recommended"
    assert certificate["cost"]["figures"]["p95_ms"] == wanted.figures["p95_ms"]
    card = (out / "README.md").read_text()
    assert "95th percentile of latency" in card
    assert "| " in card
    assert verify(out, [retrieval_folder, similarity_folder]).passed


@pytest.mark.parametrize("steps", ["", "+int8", "+truncate=16", "+pca=16+int8"])
def test_a_candidate_of_a_run(built, run, steps, tiny_model, retrieval_folder, similarity_folder, out):
    name = f"{tiny_model}{steps}"
    found, _ = built(run, candidate=name)
    at = run.evidence.candidates.index(name)
    search, pairs = found.measured
    fitted = "int8" in steps
    assert (search["measured"], search["value"]) == ("in the run", run.evidence.compared[0].points[at])
    assert search["ci95"] == [run.evidence.compared[0].low[at], run.evidence.compared[0].high[at]]
    assert found.fitted_on == (search["task"] if fitted else None)
    assert (pairs["measured"], pairs["fitted_here"]) == (("when built", False) if fitted else ("in the run", True))
    if not fitted:
        assert pairs["value"] == run.evidence.compared[1].points[at]
    else:
        assert pairs["value"] != run.evidence.compared[1].points[at], "fitted on other text"
    scores = [one for one in verify(out, [retrieval_folder, similarity_folder]).findings if one.check == "score"]
    assert all(one.passed and abs(one.numbers["difference"]) < 1e-6 for one in scores)


def test_other_terms_build_something_else(built, run):
    # What a run recommends hangs on measured times, so the other decision is made by hand.
    own = run.recommend()
    name = next(one for one in run.evidence.candidates if "+" in one and one != own.candidate)
    other = replace(own, terms=replace(own.terms, margin=100), choice=replace(own.choice, candidate=name))
    found, certificate = built(run, decision=other)
    assert found.candidate == name
    assert certificate["decision"]["terms"]["margin"] == 100


def test_a_candidate_that_the_run_does_not_have(built, run, tiny_model):
    with pytest.raises(InputError, match=r"\+int9 is no candidate of .* that was scored; near it are: .*\+int8"):
        built(run, candidate=f"{tiny_model}+int9")
    with pytest.raises(InputError, match=r"that was scored; there are: .*, bm25"):
        built(run, candidate="x")


def test_bm25_of_a_run_is_left_out_of_what_it_cannot_do(built, run):
    found, certificate = built(run, candidate="bm25")
    assert [row["kind"] for row in found.measured] == ["retrieval"]
    assert "Chosen by name among the candidates of a run" in certificate["decided"][0]


def test_a_run_that_recommends_nothing(built, run):
    with pytest.raises(InputError, match="No candidate is within the limits"):
        built(run, decision=run.recommend(p95_ms=0.001))


def test_a_run_has_tasks_of_its_own(built, run, retrieval_folder):
    with pytest.raises(InputError, match="a run has tasks of its own"):
        built(run, tasks=[retrieval_folder])


def test_a_candidate_has_no_terms(built, run, tiny_model):
    for more in ({"candidate": "bm25"}, {"decision": run.recommend()}):
        with pytest.raises(InputError, match="is no run, so there is nothing to choose from"):
            built(str(tiny_model), **more)


def test_a_run_whose_model_changed(make_run, tiny_model, retrieval_folder, tmp_path, here, ship_store):
    """The store has no record of the new weights: it is measured again, and another score is noticed."""
    from safetensors.numpy import load_file, save_file

    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    made = make_run(tmp_path / "run", [retrieval_folder], [str(model)])
    listener = Listener()
    build(made, tmp_path / "same", candidate=str(model), store=ship_store, progress=listener)
    assert not any("measured again" in line for line in listener.said)
    build(made, tmp_path / "empty-store", candidate=str(model), store=tmp_path / "empty", progress=listener)
    assert any("measured again" in line for line in listener.said)
    weights = load_file(model / "model.safetensors")
    chance = np.random.default_rng(0)
    name = "encoder.layer.0.attention.self.query.weight"
    weights["embeddings.word_embeddings.weight"] = chance.standard_normal(
        weights["embeddings.word_embeddings.weight"].shape
    ).astype(np.float32)
    assert name in weights
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match=r"in the run: the model is not the one that was measured; run the study again"):
        build(made, tmp_path / "other", candidate=str(model), store=ship_store)
    assert not (tmp_path / "other").exists()


def test_held_out_units_stay_closed(make_run, tiny_model, retrieval_folder, tmp_path, here, ship_store):
    from sizewise.decide.holdout import Holdout

    made = make_run(tmp_path / "run", [retrieval_folder], [str(tiny_model)], confirm=Holdout(0.3))
    found = build(made, tmp_path / "out", candidate=str(tiny_model), store=tmp_path / "empty")
    assert found.measured[0]["units"] == made.evidence.tasks[0].units < 20
    assert "not comparable" in verify(tmp_path / "out", [retrieval_folder]).findings[-1].detail


def test_a_folder_that_is_neither(built, tmp_path):
    with pytest.raises(InputError, match=r"holds neither a finished run .* nor a model"):
        built(tmp_path)


# --- what cannot be built


def test_what_has_no_way_into_a_folder(built, fakes, retrieval_folder, out):
    with pytest.raises(InputError, match="fake:words cannot be put into a bundle: Fake has no way to be written"):
        built("fake:words+int8", tasks=[retrieval_folder])
    assert not out.exists()


def test_shapes(built):
    with pytest.raises(InputError, match="has random weights, so there is nothing to put into a bundle"):
        built("shape:minilm-l6")


def test_code_of_the_model(built, tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "code")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling.Own"}}))
    with pytest.raises(InputError, match=r"auto_map in config.json is code from the model folder, and a"):
        built(str(folder), trust=Trust(remote_code=frozenset([str(folder)])))


def test_pickled_weights_become_safe_ones(built, tiny_model, tmp_path, out, sentences):
    import torch
    from safetensors.torch import load_file

    folder = shutil.copytree(tiny_model, tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    found, certificate = built(f"{folder}+truncate=8", trust=Trust(pickled=frozenset([str(folder)])))
    assert found.report.passed
    assert {Path(name).suffix for name in certificate["files"]} <= {".json", ".safetensors", ".txt", ".md"}
    with pytest.raises(InputError, match="is a pickle"):
        build(f"{folder}", tmp_path / "other", store=tmp_path / "store")
    original = load_bundle(out).encoder.encode(sentences[:9], "text", "")
    from sizewise.encode.resolve import resolve

    np.testing.assert_array_equal(original, resolve(parse(str(tiny_model)).model).encode(sentences[:9], "text", ""))


def test_steps_that_do_not_fit(built, tiny_model):
    with pytest.raises(InputError, match="truncate=64 keeps 64 dimensions, and the vectors have 32"):
        built(f"{tiny_model}+truncate=64")


# --- where it is written


def test_a_place_that_is_taken(built, tiny_model, out, tmp_path):
    out.mkdir()
    built(str(tiny_model))
    with pytest.raises(InputError, match="is a bundle already; name a new folder, or replace it with --force"):
        built("bm25")
    (out / "damaged").write_text("x")
    built("bm25", force=True)
    assert not (out / "damaged").exists()
    assert load_bundle(out).bytes_per_vector is None


@pytest.mark.parametrize("force", [True, False])
def test_what_is_no_bundle_is_never_replaced(built, out, force, tmp_path):
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and no bundle, so it is left alone"):
        built("bm25", force=force)
    assert (out / "thesis.txt").read_text() == "years of work"
    shutil.rmtree(out)
    out.write_text("a file")
    with pytest.raises(InputError, match="is a file; name a new folder"):
        built("bm25", force=force)
    out.unlink()
    out.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is a link; name a new folder"):
        built("bm25", force=force)


def test_a_place_that_cannot_be_made(tmp_path, here):
    with pytest.raises(InputError, match=r"cannot be made: .*nothing is no folder; make it first"):
        build("bm25", tmp_path / "nothing" / "bundle", store=tmp_path / "store")
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"cannot be made \(Permission denied\)"):
        build("bm25", tmp_path / "locked" / "bundle", store=tmp_path / "store")


def test_a_place_where_one_may_not_write(tmp_path, here, monkeypatch):
    from sizewise.bundle import place

    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(place.tempfile, "mkdtemp", refused)
    with pytest.raises(InputError, match=r"cannot be made \(Permission denied\); name a folder where you may write"):
        build("bm25", tmp_path / "bundle", store=tmp_path / "store")


def test_a_bundle_that_fails_its_check_is_not_kept(tiny_model, out, ship_store, monkeypatch):
    def failing(folder, threads=None):
        found = verify(folder)
        return replace(found, findings=(*found.findings, replace(found.findings[-1], passed=False, detail="it is odd")))

    monkeypatch.setattr(module.fresh, "verify", failing)
    with pytest.raises(RunError, match=r"the bundle fails its own check and was not kept: .*: it is odd"):
        build(str(tiny_model), out, store=ship_store)
    assert list(out.parent.iterdir()) == []


def test_ctrl_c_leaves_nothing(tiny_model, out, ship_store, monkeypatch):
    def interrupted(folder, threads=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.fresh, "verify", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(str(tiny_model), out, store=ship_store)
    assert list(out.parent.iterdir()) == []


SLEEPY = """
import sys, time
from sizewise.bundle import fresh
from sizewise.ship.build import build

def slow(folder, threads=None):
    print("written", flush=True)
    time.sleep(60)

fresh.verify = slow
build(sys.argv[1], sys.argv[2], store=sys.argv[3])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_leaves_no_bundle(tmp_path, how):
    """bm25, so that the process starts quickly; the place is the same for all."""
    out = tmp_path / "out" / "bundle"
    out.parent.mkdir()
    command = [sys.executable, "-c", SLEEPY, "bm25", str(out), str(tmp_path / "store")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == "written\n"
    started = time.perf_counter()
    process.send_signal(how)
    process.communicate(timeout=20)
    assert time.perf_counter() - started < 20
    assert not out.exists()
    if how == signal.SIGINT:
        assert list(out.parent.iterdir()) == []
    else:
        assert all(path.name.startswith(".bundle.") for path in out.parent.iterdir())


@pytest.mark.slow
def test_killed_at_random_moments(tiny_model, tmp_path):
    """The whole of it in a process: a bundle is there and whole, or not there."""
    import random

    code = "import sys; from sizewise import build; build(sys.argv[1], sys.argv[2], store=sys.argv[3])"
    chance = random.Random()
    for _ in range(4):
        out = tmp_path / "bundle"
        process = subprocess.Popen(
            [sys.executable, "-c", code, f"{tiny_model}+truncate=8", str(out), str(tmp_path / "s")]
        )
        time.sleep(chance.uniform(3, 12))
        process.kill()
        process.communicate()
        assert not out.exists() or verify(out).passed


def test_the_public_names(run, tmp_path):
    import sizewise

    assert sizewise.build is build
    assert sizewise.load_bundle is load_bundle
    assert callable(sizewise.verify)
    assert isinstance(run, Run)


# --- engines


def test_the_engine_is_certified(built, tiny_model, out):
    _, certificate = built(f"{tiny_model}@bf16")
    found = certificate["engine"]
    assert (found["engine"], found["reference"]) == (f"{tiny_model}@bf16", str(tiny_model))
    assert found["texts"] == 608
    assert found["tasks"] == []
    assert all(one["task"] is None and one["text"] for one in found["shown"])
    card = (out / "README.md").read_text()
    assert "## Engine" in card
    assert f"{found['mean']:.5f}" in card or "is not offered" in card


def test_the_reference_has_no_certificate_of_its_engine(built, tiny_model, out):
    _, certificate = built(str(tiny_model))
    assert "engine" not in certificate
    assert "## Engine" not in (out / "README.md").read_text()


def test_an_engine_that_depends_on_neighbours_is_not_built(built, tiny_model, out, monkeypatch):
    from sizewise.certify import measure

    monkeypatch.setattr(measure, "BOUNDS", {"bfloat16": replace(measure.BOUNDS["bfloat16"], neighbours=1.1)})
    with pytest.raises(InputError, match="@bf16 is not offered: a text's vector depends on the texts"):
        built(f"{tiny_model}@bf16")
    assert not out.exists()


def test_a_run_hands_its_certificate_on(make_run, built, retrieval_folder, tiny_model, tmp_path):
    run = make_run(tmp_path / "run", [retrieval_folder], [str(tiny_model), f"{tiny_model}@bf16"])
    _, certificate = built(run, candidate=f"{tiny_model}@bf16")
    assert certificate["engine"] == run.about["engines"][0]
    assert [one["change"]["task"] for one in certificate["engine"]["tasks"]] == [load_task(retrieval_folder).name]
