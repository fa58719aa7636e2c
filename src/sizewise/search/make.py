"""A corpus put into an index: what is new or changed is encoded, the rest is there already."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sizewise.bundle.load import load_bundle
from sizewise.core.errors import InputError, RunError
from sizewise.core.progress import Progress, Silent
from sizewise.data.bare import read_corpus
from sizewise.data.formats import find_table
from sizewise.pipeline.live import EmbedPipeline, Given
from sizewise.pipeline.parts import dense
from sizewise.search.backing import Index
from sizewise.search.check import Recall
from sizewise.search.document import Document, document
from sizewise.search.folder import beside_bundle
from sizewise.search.move import moved
from sizewise.search.place import Making, place
from sizewise.search.seen import Seen
from sizewise.transform.transform import Vectors

Each = TypeVar("Each")
READ = 512
"""Documents that are looked up at a time."""
SECONDS = 2.0
"""What is encoded before it is kept takes about so long: what a kill can lose."""
FIRST_CHARACTERS = 20_000
LEAST_CHARACTERS, MOST_DOCUMENTS, MOST_CHARACTERS = 1_000, 8_192, 16_000_000
LONG = 2_000
"""Characters of a text that count: most models read no further."""


@dataclass
class Indexed:
    """What became of a corpus, and of the index."""

    path: str
    """A folder, or a URL."""
    bundle: str
    candidate: str
    documents: int = 0
    """In the index now."""
    added: int = 0
    """Put there now, in place of an earlier version or not."""
    unchanged: int = 0
    left_out: int = 0
    """Without any text."""
    removed: int = 0
    recall: Recall | None = None
    """Of an engine, where something changed."""

    def to_json(self) -> dict[str, Any]:
        told = {"index": self.path, **{name: value for name, value in vars(self).items() if name != "path"}}
        return told | {"recall": self.recall and self.recall.to_json()}


def index(
    bundle: Path | str,
    corpus: Path | str | None = None,
    out: Path | str | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    engine: str | None = None,
    force: bool = False,
    delete: Sequence[str] = (),
    prune: bool = False,
    source: Path | None = None,
    snapshot: Path | None = None,
    shards: int | None = None,
    replicas: int | None = None,
    progress: Progress | None = None,
) -> Indexed:
    """Put the documents of `corpus` (a table, or a folder of texts) into an index for the pipeline of `bundle`: the
    folder or URL `out`, or a folder beside the bundle. What it has of them is left alone unless it changed.

    Documents that were put are there whatever happens then, and the same call goes on. The documents `delete` are
    removed, and with `prune` those that the corpus has not; then a copy is made at `snapshot`. An index of another
    bundle or version is replaced by `force`. Documents of the index in the folder `source` are put there with the
    vectors that they have. `shards` and `replicas` are those of a collection that is made on a server.

    Raises InputError for a corpus without documents, and for what `read_corpus` and `load_bundle` say.
    """
    bundle, progress = Path(bundle), progress or Silent()
    out = beside_bundle(bundle) if out is None else out
    pipeline = load_bundle(bundle)
    count = 0 if corpus is None else _count(Path(corpus), fields)
    new = corpus is not None or source is not None
    making = Making(bundle, pipeline, engine, force, new, shards, replicas)
    target = place(out, making, progress)
    done, whole = Indexed(target.name, str(bundle), target.candidate), target.whole
    try:
        if new and whole:
            target.begin()
        if delete:
            done.removed = target.delete(delete)
        if corpus is not None:
            _put_all(target, list(dense(pipeline)), Path(corpus), fields, count, prune, done, progress)
            whole = True
        if source is not None:
            whole = moved(source, bundle, pipeline, target, done, progress)
        target.finish(progress, whole=whole)
        done.documents = target.documents
        if done.added or done.removed:
            done.recall = target.recall()
        if snapshot is not None:
            target.snapshot(snapshot)
    finally:
        target.close()
    return done


def _put_all(
    index: Index,
    parts: Sequence[EmbedPipeline],
    corpus: Path,
    fields: Mapping[str, str] | None,
    count: int,
    prune: bool,
    done: Indexed,
    progress: Progress,
) -> None:
    bar = progress.bar("index documents", count)
    pending = Pending(index, parts, progress)
    with Seen() as seen:
        try:
            for some in _batched(_documents(corpus, fields), READ):
                if not seen.add([one.id for one in some]):
                    raise _twice(corpus, fields)
                known = index.known([one.id for one in some])
                blank = [one.id for one in some if not one.whole]
                done.left_out += len(blank)
                done.removed += index.delete([one for one in blank if one in known])
                new = [one for one in some if one.whole and known.get(one.id) != one.digest]
                done.unchanged += len(some) - len(blank) - len(new)
                done.added += len(new)
                for one in new:
                    pending.add(one)
                bar.advance(len(some))
            pending.put()
        finally:
            bar.close()
        if prune:
            for ids in _batched((one for one in index.ids() if one not in seen), READ):
                done.removed += index.delete(ids)


@dataclass
class Pending:
    """Documents that are to be encoded together."""

    index: Index
    parts: Sequence[EmbedPipeline]
    progress: Progress
    documents: list[Document] = field(default_factory=list)
    characters: int = 0
    """That models read, about."""
    held: int = 0
    """In memory."""
    enough: float = FIRST_CHARACTERS

    def add(self, one: Document) -> None:
        self.documents.append(one)
        self.characters += min(len(one.whole), LONG)
        self.held += len(one.whole)
        full = len(self.documents) >= MOST_DOCUMENTS or self.held >= MOST_CHARACTERS
        if full or self.characters >= self.enough:
            self.put()

    def put(self) -> None:
        """Encode them and put them into the index."""
        if not self.documents:
            return
        started = time.monotonic()
        given = Given([one.whole for one in self.documents])
        self.index.put(self.documents, [self._encoded(part, given) for part in self.parts])
        took = max(time.monotonic() - started, 1e-3)
        self.enough = max(LEAST_CHARACTERS, min(4 * self.enough, self.characters * SECONDS / took))
        self.documents, self.characters, self.held = [], 0, 0

    def _encoded(self, part: EmbedPipeline, given: Given) -> Vectors:
        if part.encoder.depends_on_batch:
            raise RunError(
                f"{part.encoder.model.name}: its vectors depend on their batch neighbours and cannot be kept; build "
                "the bundle with the model at another precision or on another runtime"
            )
        part.encoder.say = self.progress.say
        return part.document_vectors(given)


def _documents(corpus: Path, fields: Mapping[str, str] | None) -> Iterator[Document]:
    table = find_table(corpus, "corpus") if corpus.is_dir() else corpus
    delimited = table is not None and table.suffix.lower() in (".csv", ".tsv")
    return (document(item, delimited) for item in read_corpus(corpus, fields, remember=False))


def _count(corpus: Path, fields: Mapping[str, str] | None) -> int:
    """Documents of the corpus, which is read through once before any work. Raises InputError when none has a text."""
    count, texts = 0, False
    for one in _documents(corpus, fields):
        count += 1
        texts = texts or bool(one.whole)
    if not texts:
        raise InputError(f"{corpus} holds no document with a text; there is nothing to index")
    return count


def _batched(every: Iterable[Each], most: int) -> Iterator[list[Each]]:
    rest = iter(every)
    while some := list(islice(rest, most)):
        yield some


def _twice(corpus: Path, fields: Mapping[str, str] | None) -> InputError:
    """Where in the corpus an id comes twice."""
    try:
        for _ in read_corpus(corpus, fields):
            pass
    except InputError as error:
        return error
    return InputError(f"{corpus} changed while it was read; index it again")
