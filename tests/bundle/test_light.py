"""Serving without the packages of studies: bundles load, answer and are checked; all else says what to install."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from sizewise.bundle.load import load_bundle
from sizewise.cli.main import _failed
from sizewise.core.extras import PACKAGES

STUDY = [module for module, (_, extra) in PACKAGES.items() if extra == "study"]
SERVED = ["static:{static}", "static:{static}+pca=8+int8", "{model}@int8+pca=8+int8", "{model}@fp32/onnx"]
"""Candidates that are served without torch; `{model}` is a folder of sentence-transformers."""
BLOCKER = f"""
import sys

class Without:
    '''Finds what another finder finds, but for packages that are not to be there.'''

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {STUDY} else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
SERVE = """
import json, sys
from sizewise import load_bundle

texts = json.load(sys.stdin)
pipeline = load_bundle(sys.argv[1])
vectors = pipeline.encode_documents(texts).tolist()
pipeline.index(texts)
ids, scores = pipeline.search(texts[:3], 5)
json.dump({"vectors": vectors, "ids": ids.tolist(), "loaded": list(sys.modules)}, sys.stdout)
"""
COMMAND = "from sizewise.cli.main import run; run()"


@pytest.fixture
def light(tmp_path):
    """`light(code, *arguments, stdin="")`: Python and whatever it starts, without the packages of studies."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    before = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *before])}
    environment.pop("SIZEWISE_DEBUG", None)

    def light(code, *arguments, stdin=""):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )

    return light


def test_the_packages_are_out_of_reach(light):
    """Else nothing here would be tested."""
    done = light("import sklearn.cluster")
    assert "ModuleNotFoundError: No module named 'sklearn'" in done.stderr


@pytest.mark.parametrize("candidate", SERVED)
def test_a_bundle_is_served(light, write_bundle, static_model, tiny_model, sentences, candidate):
    folder = write_bundle(candidate.format(static=static_model, model=tiny_model))
    texts = sentences[:20]
    done = light(SERVE, folder, stdin=json.dumps(texts))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    pipeline = load_bundle(folder)
    pipeline.index(texts)
    np.testing.assert_allclose(found["vectors"], pipeline.encode_documents(texts), atol=1e-5)
    assert found["ids"] == pipeline.search(texts[:3], 5)[0].tolist()
    assert not {name.partition(".")[0] for name in found["loaded"]} & set(STUDY)


SEARCH = """
import json, sys
from sizewise.search.make import index
from sizewise.search.open import Searcher

bundle, corpus, out = sys.argv[1:]
index(bundle, corpus, out)
ids = [[hit.id for hit in Searcher.open(out, engine=engine).search(["the moon"], 5)[0]] for engine in ("edge", "exact")]
json.dump({"ids": ids, "loaded": list(sys.modules)}, sys.stdout)
"""


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_corpus_is_indexed_and_searched(light, write_bundle, static_model, sentences, tmp_path, ending):
    corpus = tmp_path / f"corpus.{ending}"
    lines = [json.dumps({"text": text}) for text in sentences] if ending == "jsonl" else ["text", *sentences]
    corpus.write_text("\n".join(lines) + "\n")
    done = light(SEARCH, write_bundle(f"static:{static_model}+int8"), corpus, tmp_path / "index")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ids"][0] == found["ids"][1]
    assert len(found["ids"][0]) == 5
    assert not {name.partition(".")[0] for name in found["loaded"]} & set(STUDY)


@pytest.mark.parametrize("candidate", SERVED)
def test_a_bundle_is_verified(light, write_bundle, static_model, tiny_model, candidate):
    done = light(COMMAND, "verify", write_bundle(candidate.format(static=static_model, model=tiny_model)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "canary vectors are those of the certificate" in done.stdout
    ours = "this bundle is not made for sentence-transformers alone"
    theirs = "what it makes of the bundle was not looked at (this check"
    assert f"-       sentence-transformers  {theirs if 'static' in candidate else ours}" in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["study", "--help"], ["verify", "--help"], ["presets"]])
def test_help_and_presets_need_nothing_more(light, words):
    done = light(COMMAND, *words)
    assert done.returncode == 0, done.stderr


NEEDING = [
    ["study", "bm25", "--task", "T", "--out", "R"],
    ["eval", "bm25", "--task", "T"],
    ["cost", "shape:minilm-l6"],
    ["build", "bm25", "--out", "B"],
    ["recommend", "R"],
    ["report", "R"],
    ["compare", "R", "R"],
    ["export", "R", "--as", "csv", "--out", "E"],
    ["demo"],
    ["verify", "STATIC", "--task", "T"],
    ["verify", "bm25"],
    ["verify", "TORCH"],
]


@pytest.mark.parametrize("words", NEEDING, ids=" ".join)
def test_what_needs_more_says_so(light, write_bundle, retrieval_folder, static_model, tiny_model, words):
    places = {"T": retrieval_folder}
    if words[0] == "verify":
        places |= {"STATIC": f"static:{static_model}", "TORCH": str(tiny_model)}
        words = [words[0], write_bundle(places.get(words[1], words[1])), *words[2:]]
    done = light(COMMAND, *(places.get(word, word) for word in words))
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("sizewise: ")
    assert done.stderr.endswith("; install it with: pip install 'sizewise[study]'\n")
    assert done.stderr.count("\n") == 1, done.stderr


def test_python_says_so_too(light, write_bundle, tiny_model):
    done = light("import sizewise; sizewise.load_bundle; sizewise.Prices; sizewise.Study")
    assert done.stderr.endswith("sizewise.Study needs scipy; install it with: pip install 'sizewise[study]'\n")
    done = light("import sys, sizewise; sizewise.load_bundle(sys.argv[1])", write_bundle(str(tiny_model)))
    assert "runtime 'torch' needs sentence-transformers; install it with: pip install 'sizewise[study]'" in done.stderr


def test_a_module_that_no_extra_brings_is_raised_again():
    with pytest.raises(ModuleNotFoundError, match="nothing here"):
        _failed(ModuleNotFoundError("nothing here", name="sizewise.nothing"))
