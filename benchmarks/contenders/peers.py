"""Peers, each in an environment of its own, and the model folders that they read: made once, by `setup`."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.encode.encoder import Trust, scheme
from sizewise.encode.folder import DEFAULT_MODEL, locate
from sizewise.encode.sources import source

TORCH = "torch==2.13.0"
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "OPENVINO_TELEMETRY": "0",
    "TOKENIZERS_PARALLELISM": "true",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Nothing is fetched and nothing is told to anybody."""
STATIC_DIMENSIONS = 256


@dataclass(frozen=True)
class Peer:
    """One environment. `unwanted` is what its resolution drags in and what breaks it."""

    name: str
    requirements: tuple[str, ...]
    unwanted: tuple[str, ...] = ()


PEERS = (
    Peer("st-openvino", ("sentence-transformers[openvino]==6.2.0", "transformers==5.5.4", TORCH), ("torchvision",)),
    Peer("st-onnx", ("sentence-transformers[onnx]==5.7.0", "transformers==4.57.6", TORCH)),
    Peer("infinity", ("infinity-emb[server,torch,optimum]==0.0.78", "transformers==4.57.6", TORCH)),
    Peer("fastembed", ("fastembed==0.9.1", "onnxruntime==1.31.1")),
    Peer("model2vec", ("model2vec[distill,quantization]==0.10.0", "transformers==5.3.0", TORCH)),
)


@dataclass(frozen=True)
class Place:
    """The folder of environments and models."""

    work: Path

    def python(self, peer: str) -> Path:
        """The interpreter of a peer's environment."""
        return self.work / "environments" / peer / "bin" / "python"

    def model(self, name: str) -> Path:
        """A model folder."""
        return self.work / "models" / name

    def trouble(self, step: str) -> str | None:
        """Why a step of `setup` failed; None where it did not."""
        path = self.work / "setup.json"
        done = json.loads(path.read_text()) if path.is_file() else {}
        return done.get(step, "`setup` has not been run for it")

    def note(self, step: str, trouble: str | None) -> None:
        """Remember how a step went."""
        path = self.work / "setup.json"
        done = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(done | {step: trouble}, indent=2))


def setup(place: Place, only: Sequence[str]) -> None:
    """Make what is not there yet; a step that fails is noted with its reason, and the others go on."""
    place.work.mkdir(parents=True, exist_ok=True)
    wanted = [peer for peer in PEERS if not only or peer.name in only]
    for peer in wanted:
        _step(place, peer.name, lambda peer=peer: install(place, peer))  # type: ignore[misc]
    steps: dict[str, Callable[[], None]] = {
        "reference": lambda: _refer(place),
        "exported": lambda: exported_folder(place),
        "openvino": lambda: _backend(place, "openvino"),
        "onnx": lambda: _backend(place, "onnx"),
        "static": lambda: _distill(place),
    }
    needs = {"openvino": "st-openvino", "onnx": "st-onnx", "static": "model2vec"}
    for step, make in steps.items():
        if not only or step not in needs or needs[step] in only:
            _step(place, f"model {step}", make)


def _step(place: Place, name: str, make: Callable[[], None]) -> None:
    if place.trouble(name) is None:
        print(f"{name}: there already", flush=True)
        return
    try:
        make()
        trouble = None
    except (subprocess.CalledProcessError, OSError, RuntimeError, InputError) as error:
        trouble = _reason(error)
    place.note(name, trouble)
    print(f"{name}: {'done' if trouble is None else f'failed: {trouble}'}", flush=True)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = f"{error.stdout or ''}\n{error.stderr or ''}".strip().splitlines()
        wrong = [line for line in said if "rror" in line]
        return (wrong or said or ["it said nothing"])[-1].strip()
    return str(error).splitlines()[0]


def install(place: Place, peer: Peer) -> None:
    """A new environment, from wheels alone (nothing is compiled); what was chosen stays in its pins.txt.

    Raises RuntimeError where pip would bring CUDA's packages, which are gigabytes that nothing here uses.
    """
    python = place.python(peer.name)
    shutil.rmtree(python.parent.parent, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(python.parent.parent)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    report = python.parent.parent / "report.json"
    _run([*pip, "--dry-run", "--report", str(report), *peer.requirements])
    chosen = [package["metadata"] for package in json.loads(report.read_text())["install"]]
    if any(package["name"].startswith("nvidia-") for package in chosen):
        raise RuntimeError("it would bring CUDA's packages; let pip find a CPU build of torch (PIP_FIND_LINKS)")
    pins = [f"{package['name']}=={package['version']}" for package in chosen if package["name"] not in peer.unwanted]
    (python.parent.parent / "pins.txt").write_text("\n".join(sorted(pins)) + "\n")
    _run([*pip, "--no-deps", *pins])


def _run(command: list[str], **more: Any) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, **more)


def _python(place: Place, peer: str, code: str, *arguments: str) -> None:
    _run([str(place.python(peer)), "-c", code, *arguments], env={**os.environ, **QUIET, "PYTHONPATH": ""})


def reference_folder(place: Place, model: str) -> Path:
    """The model as sentence-transformers reads it: copied, or for a shape its random weights saved."""
    kind = scheme(model)
    folder = place.model((kind[1] if kind else model).replace("/", "--").replace(":", "-"))
    if (folder / "modules.json").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    if kind is None:
        shutil.copytree(locate(model, Trust()).path, folder)
    else:
        _save_shape(model, folder)
    return folder


def _refer(place: Place) -> None:
    reference_folder(place, DEFAULT_MODEL)


def _save_shape(model: str, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import PreTrainedTokenizerFast

    of = source(Model(model), Trust())
    network = of.network("sdpa")
    bare = folder.with_name(f"{folder.name}-bare")
    network.body.save_pretrained(bare)
    special = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(of.tokenizer), model_max_length=of.max_tokens, **special)
    tokenizer.save_pretrained(bare)
    modules = [Transformer(str(bare), max_seq_length=of.max_tokens), *network.head]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(bare)


def exported_folder(place: Place) -> None:
    """The model as ONNX with pooling and normalisation inside, beside its tokenizer: what other servers load."""
    import onnx

    from sizewise.encode import onnx_graph

    folder = place.model("exported")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        reference_folder(place, DEFAULT_MODEL), folder, ignore=shutil.ignore_patterns("*.safetensors", "onnx")
    )
    (folder / "onnx").mkdir()
    network = source(Model(DEFAULT_MODEL), Trust()).network()
    graph = folder / "onnx" / "model.onnx"
    onnx.save(onnx_graph.convert(network, graph), graph)
    flat = place.model("exported-flat")  # infinity looks for it at the root, and stumbles over a second one
    shutil.rmtree(flat, ignore_errors=True)
    shutil.copytree(folder, flat, ignore=shutil.ignore_patterns("onnx"))
    shutil.copyfile(folder / "onnx" / "model.onnx", flat / "model.onnx")


def _backend(place: Place, backend: str) -> None:
    """sentence-transformers' own export, by itself."""
    if trouble := place.trouble(f"st-{backend}"):
        raise RuntimeError(f"its environment did not install: {trouble}")
    to = place.model(f"st-{backend}")
    shutil.rmtree(to, ignore_errors=True)
    code = (
        "import sys; from sentence_transformers import SentenceTransformer as S\n"
        "S(sys.argv[1], device='cpu', backend=sys.argv[2], local_files_only=True).save_pretrained(sys.argv[3])"
    )
    _python(place, f"st-{backend}", code, str(reference_folder(place, DEFAULT_MODEL)), backend, str(to))


def _distill(place: Place) -> None:
    """model2vec's own distillation of the model: a static model, of another quality."""
    if trouble := place.trouble("model2vec"):
        raise RuntimeError(f"its environment did not install: {trouble}")
    code = (
        "import sys; from model2vec.distill import distill\n"
        f"distill(sys.argv[1], pca_dims={STATIC_DIMENSIONS}, device='cpu').save_pretrained(sys.argv[2])"
    )
    to = place.model("static")
    _python(place, "model2vec", code, str(reference_folder(place, DEFAULT_MODEL)), str(to))
