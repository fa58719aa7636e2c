"""Static models in every command, without torch where nothing else needs it."""

import json

import pytest


@pytest.fixture
def candidate(static_model):
    return f"static:{static_model}"


def test_eval(sizewise, candidate, retrieval_folder, similarity_folder):
    found = sizewise("eval", candidate, f"{candidate}+truncate=8+int8", "--task", retrieval_folder,
                     "--task", similarity_folder, "--json", "-")  # fmt: skip
    assert found.code == 0, found.err
    results = json.loads(found.out)["results"]
    assert [one["candidate"] for one in results] == [candidate, f"{candidate}+truncate=8+int8"] * 2
    assert results[0]["value"] > 40, "queries are words of their documents"
    assert results[0]["truncated_texts"] > 0


def test_cost_is_measured_and_parameters_are_counted(sizewise, candidate, static_model):
    found = sizewise("cost", candidate, "--rounds", 1, "--json", "-")
    assert found.code == 0, found.err
    results = json.loads(found.out)["results"]
    size = (static_model / "model.safetensors").stat().st_size
    for one in results:
        assert one["parameters"] > 1000
        assert one["disk_mb"] == pytest.approx(size / 1e6, rel=0.01)
        assert one["bytes_per_vector"] == 64
        assert one["load_s"] < 5
    assert all(one["p50_ms"] < 20 for one in results if one["p50_ms"] is not None)


def test_study_compares_them_with_others(sizewise, candidate, retrieval_folder, tmp_path):
    found = sizewise("study", "--task", retrieval_folder, candidate, f"{candidate}+int8", "bm25", "fake:words",
                     "--out", tmp_path / "run")  # fmt: skip
    assert found.code == 0, found.err
    assert candidate in found.out
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.slow
def test_a_bundle_is_built_and_verified(sizewise, candidate, retrieval_folder, tmp_path):
    found = sizewise("build", f"{candidate}+pca=8+int8", "--task", retrieval_folder, "--out", tmp_path / "bundle")
    assert found.code == 0, found.err
    found = sizewise("verify", tmp_path / "bundle")
    assert found.code == 0, found.out
    assert "sentence-transformers alone gives the same vectors" in found.out


def test_what_is_wrong_is_said(sizewise, candidate, retrieval_folder, tmp_path):
    found = sizewise("eval", f"{candidate}@bf16", "--task", retrieval_folder)
    assert found.code == 2
    assert "leave out @bfloat16" in found.err
    found = sizewise("eval", f"static:{tmp_path}", "--task", retrieval_folder)
    assert found.code == 2
    assert "is no model folder" in found.err
