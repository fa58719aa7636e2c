"""Sizewise: which is the smallest text-embedding pipeline that is good enough, on your data, hardware and budget?"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sizewise.bundle.fresh import verify
    from sizewise.bundle.load import load_bundle
    from sizewise.core.grammar import parse
    from sizewise.cost.price import Prices
    from sizewise.data.load import load_task
    from sizewise.decide.holdout import Holdout
    from sizewise.encode.encoder import Trust
    from sizewise.encode.remote.allowance import Allowance
    from sizewise.ship.build import build
    from sizewise.study.run import Run
    from sizewise.study.space import Space
    from sizewise.study.study import Study

__all__ = [
    "Allowance",
    "Holdout",
    "Prices",
    "Run",
    "Space",
    "Study",
    "Trust",
    "__version__",
    "build",
    "load_bundle",
    "load_task",
    "parse",
    "verify",
]
__version__: str

_HOMES = {
    "Allowance": "sizewise.encode.remote.allowance",
    "Holdout": "sizewise.decide.holdout",
    "Prices": "sizewise.cost.price",
    "Run": "sizewise.study.run",
    "Space": "sizewise.study.space",
    "Study": "sizewise.study.study",
    "Trust": "sizewise.encode.encoder",
    "build": "sizewise.ship.build",
    "load_bundle": "sizewise.bundle.load",
    "load_task": "sizewise.data.load",
    "parse": "sizewise.core.grammar",
    "verify": "sizewise.bundle.fresh",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that `import sizewise` stays quick."""
    if name == "__version__":
        from importlib.metadata import version

        return version("sizewise")
    if name not in _HOMES:
        raise AttributeError(f"module 'sizewise' has no attribute {name!r}")
    import importlib

    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        from sizewise.core.extras import missing

        if (found := missing(error, f"sizewise.{name}")) is None:
            raise
        raise found from error
