"""The running interpreter's standard library as data: three tasks that need no download and no network.

Its sources are read with `ast` and never imported, because importing all of it has side effects.
"""

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sizewise.data.bare import Item
from sizewise.data.folder import new_folder, write_jsonl, write_settings
from sizewise.data.make import known_item, write_known_item
from sizewise.data.stdlib_areas import AREAS
from sizewise.data.words import first_sentence, words

_SKIPPED = frozenset(
    [
        "test",
        "tests",
        "idlelib",
        "idle_test",
        "lib2to3",
        "turtledemo",
        "ensurepip",
        "pydoc_data",
        "site-packages",
        "dist-packages",
    ]
)
MIN_QUERY_WORDS = 5
"""In the first sentence: shorter ones ("Return self.") ask for nothing in particular."""
MIN_REST_WORDS = 10
"""After it."""

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Entry:
    """A public module, class, function or method with a docstring of two sentences or more."""

    name: str
    module: str
    signature: str
    sentence: str
    rest: str
    paragraph: str
    """The first paragraph of the docstring, on one line."""


def entries(root: Path | None = None) -> Iterator[Entry]:
    """Entries of the standard library in `root` (the running interpreter's by default), in order of path and line."""
    root = root or Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not parts or any(part in _SKIPPED or part.startswith("_") or not part.isidentifier() for part in parts):
            continue
        yield from _of_module(path, ".".join(parts))


def write_demo_tasks(folder: str | Path, *, overwrite: bool = True) -> list[Path]:
    """Write the tasks `search`, `areas` and `senses` below `folder` and return their folders; always the same ones.

    Raises InputError when one of the folders holds something else than a task.
    """
    found = list(entries())
    folder = Path(folder)
    paths = [folder / name for name in ("search", "areas", "senses")]
    items = (Item(e.name, e.sentence, f"{e.name}{e.signature} {e.rest}", e.module) for e in found)
    write_known_item(
        known_item(items, "title", max_queries=None),
        paths[0],
        overwrite=overwrite,
        name="stdlib/search",
        origin="standard-library",
    )
    _write_areas(found, paths[1], overwrite)
    _write_senses(paths[2], overwrite)
    return paths


def _write_areas(found: list[Entry], folder: Path, overwrite: bool) -> None:
    """First paragraphs by area of the library; a paragraph that stands at several names is taken once."""
    texts = {
        entry.paragraph: entry
        for entry in reversed(found)
        if entry.module.split(".")[0] in AREAS and len(words(entry.paragraph)) >= MIN_QUERY_WORDS
    }
    with new_folder(folder, overwrite) as new:
        write_jsonl(
            new / "clusters.jsonl",
            (
                {"text": text, "label": AREAS[entry.module.split(".")[0]], "group": entry.module}
                for text, entry in reversed(texts.items())
            ),
        )
        write_settings(new, name="stdlib/areas", origin="standard-library")


def _write_senses(folder: Path, overwrite: bool) -> None:
    packaged = resources.files("sizewise.data") / "senses"
    with new_folder(folder, overwrite) as new:
        for file in ("train.jsonl", "test.jsonl"):
            (new / file).write_bytes((packaged / file).read_bytes())
        write_settings(new, name="stdlib/senses")


def _of_module(path: Path, module: str) -> Iterator[Entry]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in old modules
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # templates and deliberately broken files
    yield from _entry(tree, module, module, "")
    yield from _of_body(tree, module, module)


def _of_body(node: ast.Module | ast.ClassDef, prefix: str, module: str) -> Iterator[Entry]:
    for child in node.body:
        if isinstance(child, Definition) and not child.name.startswith("_"):
            name = f"{prefix}.{child.name}"
            yield from _entry(child, name, module, _signature(child))
            if isinstance(child, ast.ClassDef):
                yield from _of_body(child, name, module)


def _entry(node: ast.Module | Definition, name: str, module: str, signature: str) -> Iterator[Entry]:
    docstring = ast.get_docstring(node) or ""
    sentence, rest = first_sentence(docstring)
    if len(words(sentence)) >= MIN_QUERY_WORDS and len(words(rest)) >= MIN_REST_WORDS:
        paragraph = " ".join(docstring.split("\n\n")[0].split())
        yield Entry(name, module, signature, sentence, rest, paragraph)


def _signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        return f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    return f"({ast.unparse(node.args)})"
