"""Fewer dimensions that a bundle's vectors may have: which, and that their scores are those of what is served."""

import json

import pytest

from sizewise.core.errors import InputError
from sizewise.ship.build import build


@pytest.fixture
def built(here, ship_store, tmp_path):
    def build_it(source, **more):
        build(source, tmp_path / "bundle", store=ship_store, force=True, **more)
        return json.loads((tmp_path / "bundle" / "certificate.json").read_bytes())

    return build_it


def test_of_a_run_those_that_it_compared(run, built, tiny_model):
    scores = {}
    for candidate, wanted in [(f"{tiny_model}", [16]), (f"{tiny_model}+int8", [16]), (f"{tiny_model}+truncate=16", [])]:
        certified = built(run, candidate=candidate)
        assert [row["dimensions"] for row in certified["dimensions"]] == wanted
        scores[candidate] = certified
    (cut,) = scores[f"{tiny_model}"]["dimensions"]
    narrow = {row["task"]: row["value"] for row in scores[f"{tiny_model}+truncate=16"]["measured"]}
    assert {row["task"]: row["value"] for row in cut["measured"]} == pytest.approx(narrow)
    assert len(narrow) == 2


def test_of_a_candidate_those_that_are_asked_for(built, tiny_model, similarity_folder):
    certified = built(f"{tiny_model}+pca=24+int8", tasks=[similarity_folder], dimensions=[8, 16])
    assert [row["dimensions"] for row in certified["dimensions"]] == [16, 8]
    assert all(len(row["measured"]) == 1 for row in certified["dimensions"])
    assert built(f"{tiny_model}", tasks=[similarity_folder])["dimensions"] == []


@pytest.mark.parametrize("width", [0, 32, 100])
def test_dimensions_that_are_not_fewer(built, tiny_model, similarity_folder, width):
    with pytest.raises(InputError, match=f"--dimensions {width}: .* has vectors of 32; name fewer"):
        built(f"{tiny_model}", tasks=[similarity_folder], dimensions=[width])


def test_of_several_encoders(built, tiny_model, static_model, retrieval_folder):
    with pytest.raises(InputError, match="has no one vector that --dimensions could cut"):
        built(f"rerank(static:{static_model}, {tiny_model}, 3)", tasks=[retrieval_folder], dimensions=[8])


def test_without_a_task_nothing_is_measured(built, tiny_model):
    assert built(f"{tiny_model}", dimensions=[16])["dimensions"] == []
