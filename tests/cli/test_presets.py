"""`sizewise presets`, and --preset on the commands that decide."""

import json

import pytest

from sizewise.decide.presets import PRESETS
from sizewise.decide.terms import Terms
from sizewise.study.study import Study


def test_the_table_has_every_preset(sizewise):
    found = sizewise("presets")
    assert (found.code, found.err) == (0, "")
    for name, preset in PRESETS.items():
        assert f" {name} " in found.out
        for figure in preset.limits:
            assert figure in found.out


@pytest.mark.parametrize("name", PRESETS)
def test_one_preset_with_its_reasons(sizewise, name):
    found = sizewise("presets", name)
    assert (found.code, found.err) == (0, "")
    assert f"{name}: for {PRESETS[name].for_whom}" in found.out
    assert PRESETS[name].why in found.out


@pytest.mark.parametrize("name", PRESETS)
def test_the_options_that_it_stands_for(sizewise, run, name):
    """What `presets NAME` prints gives the same answer as the preset, to the letter."""
    same = sizewise("presets", name).out.splitlines()[-1].removeprefix("The same without the preset: ").split()
    answers = [
        json.loads(sizewise("recommend", run, *words, "--json", "-").out)
        for words in (["--no-limits", *same], ["--preset", name])
    ]
    assert answers[1]["terms"].pop("preset") == name
    assert answers[0]["terms"].pop("preset") is None
    assert answers[0] == answers[1]


def test_as_json(sizewise, tmp_path):
    document = json.loads(sizewise("presets", "--json", "-").out)
    assert [one["name"] for one in document["presets"]] == list(PRESETS)
    assert set(document["presets"][0]) == {"name", "for_whom", "limits", "margin", "minimise", "why"}
    assert sizewise("presets", "edge", "--json", tmp_path / "edge.json").code == 0
    (edge,) = json.loads((tmp_path / "edge.json").read_bytes())["presets"]
    assert edge["limits"] == {"memory_mb": 1024, "disk_mb": 128}


@pytest.mark.parametrize("words", [["presets", "egde"], ["recommend", "RUN", "--preset", "egde"]])
def test_an_unknown_preset(sizewise, run, words):
    found = sizewise(*(run if word == "RUN" else word for word in words))
    assert (found.code, found.out) == (2, "")
    assert found.err == "sizewise: there is no preset called 'egde'; did you mean edge?\n"


def test_recommend_by_a_preset(sizewise, run):
    found = sizewise("recommend", run, "--preset", "edge", "--limit", "p95_ms=500")
    assert found.code == 0
    assert found.err == "preset edge replaces the terms of the study (memory_mb at most 900, margin 2, least p95_ms)\n"
    words = " ".join(found.out.replace("│", " ").split())
    assert "Preset edge, for devices with little memory and storage: " in words
    assert "changed here: p95_ms at most 500." in words
    terms = json.loads(sizewise("recommend", run, "--preset", "edge", "--margin", 1, "--json", "-").out)["terms"]
    assert terms == {
        "minimise": "bytes_per_vector", "limits": {"memory_mb": 1024, "disk_mb": 128}, "margin": 1, "margins": {},
        "preset": "edge",
    }  # fmt: skip


@pytest.fixture
def terms(sizewise, retrieval_folder, monkeypatch):
    """`terms(file_text, ...)`: what a study decides by, and what is said on standard error."""
    seen = []
    monkeypatch.setattr(Study, "plan", lambda study: seen.append(study.terms) or (_ for _ in ()).throw(SystemExit(0)))

    def found(path, text, *words):
        path.write_text(f'tasks = ["{retrieval_folder}"]\ncandidates = ["m"]\n{text}')
        err = sizewise("study", path, "--dry-run", *words).err
        return seen[-1], err

    return found


def test_options_come_before_the_preset_and_the_preset_before_the_file(terms, tmp_path):
    path, text = tmp_path / "STUDY.toml", "[limits]\np95_ms = 30\ndisk_mb = 7\n[decide]\nmargin = 9\n"
    found, err = terms(path, text, "--preset", "edge", "--limit", "memory_mb=5", "--minimise", "p95_ms")
    assert found == Terms("p95_ms", {"memory_mb": 5, "disk_mb": 128}, 5.0, preset="edge")
    assert err.startswith(
        "preset edge replaces the terms of the study (p95_ms at most 30, disk_mb at most 7, margin 9, "
    )
    found, err = terms(path, f'{text}preset = "edge"\n', "--margin", 1)
    assert found == Terms("bytes_per_vector", {"memory_mb": 1024, "disk_mb": 7, "p95_ms": 30}, 1.0, preset="edge")
    assert "replaces" not in err


def test_a_study_without_a_file(sizewise, retrieval_folder, monkeypatch):
    seen = []
    monkeypatch.setattr(Study, "plan", lambda study: seen.append(study.terms) or (_ for _ in ()).throw(SystemExit(0)))
    found = sizewise("study", "m", "--task", retrieval_folder, "--dry-run", "--preset", "batch", "--limit", "p95_ms=5")
    assert seen == [Terms("texts_per_s", {"texts_per_s": 12, "p95_ms": 5}, 2.0, preset="batch")]
    assert "replaces" not in found.err
