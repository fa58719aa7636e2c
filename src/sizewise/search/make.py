"""A corpus indexed for a bundle: its documents encoded by every encoder that keeps some."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sizewise.bundle.layout import Layout
from sizewise.bundle.load import load_bundle
from sizewise.bundle.place import placed
from sizewise.core.errors import InputError
from sizewise.core.progress import Progress, Silent
from sizewise.core.rows import Rows, blocks
from sizewise.data.bare import Item, read_corpus
from sizewise.encode.stored import stored_vectors
from sizewise.pipeline.parts import dense
from sizewise.search.folder import ABOUT, DOCUMENTS, About, beside_bundle, digest_of
from sizewise.store.store import Store


@dataclass(frozen=True)
class Indexed:
    """An index that was made."""

    path: Path
    candidate: str
    documents: int
    left_out: int
    """Without any text."""


def index(
    bundle: Path | str,
    corpus: Path | str,
    out: Path | str | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    force: bool = False,
    store: Path | None = None,
    progress: Progress | None = None,
) -> Indexed:
    """Index the documents of `corpus` (a table, or a folder of texts) for the pipeline of `bundle`, to the folder
    `out`, or one beside the bundle.

    Vectors go through the store, so the same call goes on after a stop. Raises InputError for a corpus without
    documents, and for what `read_corpus` and `load_bundle` say.
    """
    bundle, progress = Path(bundle), progress or Silent()
    out = beside_bundle(bundle) if out is None else Path(out)
    digest, pipeline = digest_of(bundle), load_bundle(bundle)
    with placed(out, force=force, kind="index", holds=(ABOUT, DOCUMENTS)) as folder:
        every = list(read_corpus(corpus, fields))
        items = [item for item in every if text_of(item)]
        if not items:
            raise InputError(f"{corpus} holds no document with a text; there is nothing to index")
        texts = [text_of(item) for item in items]
        _write_documents(folder / DOCUMENTS, items)
        names = []
        with Store(store) as opened:
            for at, part in enumerate(dense(pipeline)):
                prompt = part.prompts["document"]
                rows = stored_vectors(opened, part.encoder, texts, "document", prompt, progress)
                names.append(f"vectors-{at}.npy")
                _write_rows(folder / names[-1], rows)
                part.encoder.unload()
        candidate = str(Layout.read(bundle).candidate)
        About(str(bundle.resolve()), digest, candidate, len(items), tuple(names)).write(folder)
    return Indexed(out, candidate, len(items), len(every) - len(items))


def text_of(item: Item) -> str:
    """A document as it is encoded: title and text, as in tasks."""
    return f"{item.title} {item.text}".strip()


def _write_documents(path: Path, items: list[Item]) -> None:
    import pyarrow as pa

    columns: Mapping[str, Iterator[str]] = {
        "id": (item.id for item in items),
        "title": (item.title for item in items),
        "text": (item.text for item in items),
    }
    table = pa.table({name: pa.array(values, pa.large_string()) for name, values in columns.items()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _write_rows(path: Path, rows: Rows) -> None:
    """float32 [n, d], block by block."""
    shape = (len(rows), rows.dimensions)
    kept = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start, stop in blocks(rows):
        kept[start:stop] = rows.block(start, stop)
    kept.flush()
