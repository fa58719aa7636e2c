"""The one-way order of the layers, as docs/ and DESIGN.md promise it, read from the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sizewise

ROOT = Path(sizewise.__file__).parent
ORDER = ["core", "stats", "store", "encode", "transform", "index", "rank", "data", "pipeline", "evaluate", "cost",
         "bundle", "decide", "certify", "auto", "train", "study", "ship", "search", "report", "serve",
         "cli"]  # fmt: skip
"""A layer imports from itself and from those before it."""


def imports(file: Path) -> set[str]:
    """The layers that `file` imports from, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import in line {node.lineno}"
            within = node.module == "sizewise"
            names = [f"sizewise.{alias.name}" for alias in node.names] if within else [node.module or ""]
            names = [name for name in names if name != "sizewise.__version__"]
        found |= {name.split(".")[1] for name in names if name.startswith("sizewise.")}
    return found


def layer(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = sorted(file for file in ROOT.rglob("*.py") if layer(file) not in ("__init__", "__main__"))


def test_every_layer_has_its_place():
    assert {layer(file) for file in FILES} <= set(ORDER)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_layers_import_downwards_only(file):
    allowed = ORDER[: ORDER.index(layer(file)) + 1]
    upwards = imports(file) - set(allowed)
    assert not upwards, f"{layer(file)} imports from {', '.join(sorted(upwards))}"


def loaded_by(*modules: str) -> set[str]:
    """The heavy packages in a fresh interpreter after importing `modules`."""
    heavy = ["torch", "transformers", "sentence_transformers", "sklearn", "pyarrow", "bm25s", "scipy", "qdrant_edge",
             "qdrant_client"]  # fmt: skip
    lines = [
        *(f"import {module}" for module in modules),
        "import sys",
        f"print(*(m for m in {heavy} if m in sys.modules))",
    ]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def modules(*layers: str) -> list[str]:
    names = [
        file.relative_to(ROOT.parent).with_suffix("").as_posix().replace("/", ".")
        for file in FILES
        if layer(file) in layers
    ]
    return [name.removesuffix(".__init__") for name in names]


NETWORKS = ("cross_network", "network", "openvino_graph", "onnx_graph", "onnx_int8", "cuda")
"""What in encode/ is about networks in torch: runtimes import it when they load."""


def test_core_and_store_are_light():
    assert loaded_by(*modules("core", "store")) == set()


def test_serving_is_light():
    """A bundle is loaded, run and checked without what studies need."""
    assert loaded_by("sizewise.bundle.load", "sizewise.bundle.fresh", "sizewise.encode.static") == set()


def test_searching_is_light():
    """An index is made and searched without them too, and engines load when they are asked for."""
    assert loaded_by("sizewise.search.make", "sizewise.search.open") == set()


def test_nothing_below_the_runtimes_loads_torch():
    """Not even by naming a model: weights and the libraries that run them load when something is encoded."""
    layers = modules("core", "store", "encode", "transform", "index", "rank", "data", "pipeline", "evaluate")
    below = [name for name in layers if name.removeprefix("sizewise.encode.").split(".")[0] not in NETWORKS]
    assert loaded_by(*below) & {"torch", "transformers", "sentence_transformers"} == set()
