"""`sizewise build` and `sizewise verify`, as they are typed."""

import json
import shutil

import pytest


@pytest.fixture
def bundle(sizewise, retrieval_folder, tmp_path):
    found = sizewise("build", "bm25", "--out", tmp_path / "bundle", "--task", retrieval_folder, "--quiet")
    assert found.code == 0, found.err
    return tmp_path / "bundle"


def test_build_and_verify(sizewise, bundle, retrieval_folder, tmp_path):
    found = sizewise("verify", bundle, "--task", retrieval_folder, "--json", tmp_path / "report.json")
    assert (found.code, found.err) == (0, "")
    lines = found.out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "certificate"], ["ok", "files"], ["ok", "rankings"], ["ok", "score"]
    ]  # fmt: skip
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert (report["schema"], report["passed"], report["candidate"]) == (1, True, "bm25")
    assert set(report["findings"][0]) == {"check", "passed", "detail", "numbers"}
    alone = sizewise("verify", bundle, "--json", "-")
    assert json.loads(alone.out)["bundle"] == str(bundle)


def test_what_build_says(sizewise, retrieval_folder, tmp_path):
    folder = shutil.copytree(retrieval_folder, tmp_path / "search")
    found = sizewise("build", "bm25", "--out", tmp_path / "b", "--task", folder, "--json", tmp_path / "built.json")
    assert found.code == 0, found.err
    assert f"bm25 is in {tmp_path / 'b'}." in found.out
    assert "ndcg@10" in found.out
    assert "measured when built." in found.out
    assert "checking it in a fresh process" in found.err
    built = json.loads((tmp_path / "built.json").read_bytes())
    assert set(built) == {"schema", "bundle", "candidate", "fitted_on", "measured", "report"}
    assert built["report"]["passed"]
    row = built["measured"][0]
    assert {"task", "kind", "metric", "value", "ci95", "units", "fitted_here", "fingerprint"} <= set(row)


def test_a_damaged_bundle(sizewise, bundle):
    path = bundle / "canary.json"
    path.write_bytes(path.read_bytes().replace(b"river", b"rival", 1))
    found = sizewise("verify", bundle)
    assert found.code == 1
    assert found.err == (
        f"sizewise: {bundle} is not the bundle that was written: canary.json was changed: it is not the file that was "
        "certified\n"
    )
    assert "FAILED  files" in found.out
    again = sizewise("verify", bundle, "--json", "-")
    assert again.code == 1
    assert not json.loads(again.out)["passed"]


def test_what_is_no_bundle(sizewise, tmp_path):
    found = sizewise("verify", tmp_path)
    assert (found.code, found.out) == (2, "")
    assert "is no bundle: it holds neither sizewise.json nor certificate.json" in found.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fake:words"], "cannot be put into a bundle: Fake has no way to be written to a folder"),
        (["shape:minilm-l6"], "has random weights, so there is nothing to put into a bundle"),
        (["bm25", "--margin", "3"], "bm25 is no run, so there is nothing to decide: leave out --margin"),
        (["bm25", "--limit", "p95_ms=3"], "is no run, so there is nothing to decide: leave out --limit"),
        (["bm25", "--preset", "edge"], "is no run, so there is nothing to decide: leave out --preset"),
        (["bm25", "--candidate", "bm25"], "is no run, so there is nothing to choose from"),
        (["bm25", "--task", "nowhere"], "nowhere is no folder; check the path"),
        (["./nowhere"], "there is no model folder ./nowhere"),
        (["hush:64"], "unknown kind of encoder 'hush'"),
    ],
)
def test_what_cannot_be_built(sizewise, tmp_path, words, said):
    found = sizewise("build", *words, "--out", tmp_path / "bundle")
    assert found.code == 2
    assert said in found.err
    assert len(found.err.splitlines()) == 1
    assert list(tmp_path.glob("bundle*")) == []


def test_a_bundle_is_replaced_only_if_asked(sizewise, bundle):
    found = sizewise("build", "bm25", "--out", bundle)
    assert found.code == 2
    assert "is a bundle already; name a new folder, or replace it with --force" in found.err
    assert sizewise("build", "bm25", "--out", bundle, "--force", "--quiet").code == 0


def test_from_a_run(sizewise, retrieval_folder, labels, tmp_path):
    run, out = tmp_path / "run", tmp_path / "bundle"
    words = ["fake:words", "--task", retrieval_folder, "--task", labels, "--threads", "1"]
    done = sizewise("study", *words, "--out", run, "--quiet")
    assert done.code == 0, done.err
    built = sizewise("build", run, "--candidate", "bm25", "--limit", "p95_ms=10000", "--out", out)
    assert built.code == 0, built.err
    assert "measured in the run." in built.out
    assert "bm25 does not apply to" in built.err
    certificate = json.loads((out / "certificate.json").read_bytes())
    assert certificate["decision"]["terms"]["limits"] == {"p95_ms": 10000.0}
    assert certificate["cost"]["figures"]["p95_ms"] > 0
    assert sizewise("verify", out, "--task", retrieval_folder).code == 0
    for more, said in (
        ([], "fake:words cannot be put into a bundle"),
        (["--candidate", "fake:word"], "fake:word is no candidate of"),
        (["--limit", "p95_ms=0.00001"], "No candidate is within the limits"),
        (["--task", retrieval_folder], "a run has tasks of its own"),
        (["--preset", "ege"], "ege"),
    ):
        refused = sizewise("build", run, *more, "--out", tmp_path / "other")
        assert (refused.code, said in refused.err) == (2, True), refused.err
