"""An index on a Qdrant server or cluster: all of it is there, and any machine with the bundle can search it."""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from sizewise.bundle.layout import Layout
from sizewise.core.candidate import Lexical, leaves
from sizewise.core.errors import InputError, RunError
from sizewise.core.extras import require
from sizewise.core.progress import Progress
from sizewise.index.engine import EngineIndex
from sizewise.index.qdrant import Qdrant
from sizewise.index.where import Mask, Where, Within
from sizewise.pipeline.live import Pipeline, Vectored, Worded
from sizewise.pipeline.parts import dense, keep_indexed
from sizewise.search.check import Recall
from sizewise.search.document import Document, kinds
from sizewise.search.folder import digest_of
from sizewise.search.spaces import every_code, every_space
from sizewise.search.staged import in_stages
from sizewise.store.files import atomic
from sizewise.transform.transform import Vectors

KEY = "QDRANT_API_KEY"
SCHEMA = 1
MARK = "sizewise"
"""What a collection's metadata hold under this name is ours."""
LOOKED_AFTER = 2.0
"""Seconds between two questions whether the server is ready."""
TIMEOUT = 60
_COLLECTION = re.compile(r"[^/\\\x00-\x1f?*<>|\":#]{1,255}")


class Remote:
    """A collection, for the pipeline of one bundle."""

    def __init__(self, engine: Qdrant, pipeline: Pipeline, candidate: str, metadata: Mapping[str, Any]) -> None:
        self._engine, self.pipeline = engine, pipeline
        self.parts = list(dense(pipeline))
        self.name, self.candidate = engine.name, candidate
        self._metadata = dict(metadata)
        self._columns = {tuple(column) for column in metadata.get("columns", ())}

    @classmethod
    def open(cls, url: str, bundle: Path, pipeline: Pipeline) -> Self:
        """The one at `url`. Raises InputError when there is none, or it is another bundle's."""
        engine, candidate = _connected(url), _without_words(url, bundle)
        found = engine.metadata()
        if found is None:
            raise InputError(
                f"{engine.name}: there is no such collection; make it: sizewise index {bundle} CORPUS --to URL"
            )
        return cls(engine, pipeline, candidate, _ours(engine.name, found, bundle))

    @classmethod
    def place(
        cls,
        url: str,
        bundle: Path,
        pipeline: Pipeline,
        *,
        force: bool,
        new: bool,
        shards: int | None,
        replicas: int | None,
    ) -> Self:
        """The same to put documents into, made if it may be `new`; with `force` in place of another bundle's."""
        engine, candidate = _connected(url), _without_words(url, bundle)
        found = engine.metadata()
        try:
            if found is not None:
                return cls(engine, pipeline, candidate, _ours(engine.name, found, bundle))
        except InputError:
            if not force or MARK not in (found or {}):
                raise
            engine.remove()
        if not new:
            raise InputError(f"{engine.name} holds no index of this bundle; name a corpus to make one")
        about = {"schema": SCHEMA, "digest": digest_of(bundle), "candidate": candidate, "whole": False, "columns": []}
        engine.create(every_space(pipeline), {MARK: about}, shards, replicas)
        return cls(engine, pipeline, candidate, about)

    @property
    def documents(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return len(self._engine)

    @property
    def whole(self) -> bool:
        return bool(self._metadata["whole"])

    def known(self, ids: Sequence[str]) -> dict[str, bytes]:
        found = self._engine.payloads([number(one) for one in ids], ["id", "digest"])
        for one in ids:
            there = found.get(number(one), {}).get("id", one)
            if there != one:
                raise RunError(
                    f"{self.name}: the ids {one!r} and {there!r} have one number of 63 bits; rename one of them"
                )
        return {payload["id"]: bytes.fromhex(payload["digest"]) for payload in found.values()}

    def put(self, documents: Sequence[Document], vectors: Sequence[Vectors]) -> None:
        codes = every_code(self.parts, vectors)
        if new := kinds(documents) - self._columns:
            self._engine.index_fields(sorted(new))
            self._columns |= new
            self._note(columns=sorted(self._columns))
        numbers = [number(one.id) for one in documents]
        if len(set(numbers)) != len(numbers):
            raise RunError(f"{self.name}: two ids of {len(numbers):,} have one number of 63 bits; rename one of them")
        self._engine.put(numbers, codes, [_payload(one) for one in documents])
        self.__dict__.pop("_count", None)

    def delete(self, ids: Sequence[str]) -> int:
        there = self.known(ids)
        self._engine.delete([number(one) for one in there])
        self.__dict__.pop("_count", None)
        return len(there)

    def ids(self) -> Iterator[str]:
        return map(str, self._engine.every("id"))

    def begin(self) -> None:
        self._note(whole=False)

    def finish(self, progress: Progress, *, whole: bool = True) -> None:
        self._note(whole=whole)
        if not self._engine.settle():
            progress.say(f"{self.name}: the server builds what makes search quick; it can be searched meanwhile ...")
            while not self._engine.settle():
                time.sleep(LOOKED_AFTER)

    def attach(self) -> Pipeline:
        numbers = {id(part): at for at, part in enumerate(self.parts)}

        def vectored(part: Any) -> Vectored:
            return EngineIndex(self._engine, numbers[id(part)], part.chain, part.rescore)

        keep_indexed(self.pipeline, _Texts(self), vectored, _no_words)
        return in_stages(self.pipeline)

    def within(self, where: Where) -> Within | None:
        return Within(where.narrowed(self._columns), _no_positions) if where else None

    def found(self, ids: Sequence[int]) -> Mapping[int, Document]:
        return {one: _document(payload) for one, payload in self._engine.payloads(ids).items()}

    def recall(self) -> Recall | None:
        """Exact search has no vectors to search here."""
        return None

    def snapshot(self, to: Path) -> None:
        """A file of the server's own kind, which it restores. Raises InputError when it cannot be written."""
        if to.exists() or not to.parent.is_dir():
            raise InputError(f"--snapshot {to} is there already, or in no folder; name a new file")
        with atomic(to) as file:
            for part in self._engine.snapshot():
                file.write(part)

    def close(self) -> None:
        self._engine.close()

    def _note(self, **changed: Any) -> None:
        self._metadata |= changed
        self._engine.note({MARK: self._metadata})


class _Texts(Sequence[str]):
    """Documents as they were encoded, by the numbers of their ids."""

    def __init__(self, index: Remote) -> None:
        self._index = index

    def __len__(self) -> int:
        return self._index.documents

    def __getitem__(self, at: Any) -> Any:
        return self.fetch([at])[0]

    def fetch(self, ids: Sequence[int]) -> list[str]:
        """See `pipeline.live.Fetched`."""
        found = self._index.found(list(dict.fromkeys(ids)))
        return [found[one].whole if one in found else "" for one in ids]


def is_url(path: Path | str) -> bool:
    """Whether an index is on a server. (A path would have lost a slash.)"""
    return isinstance(path, str) and path.startswith(("http://", "https://"))


def number(identifier: str) -> int:
    """What a document is called in a collection: 63 bits of the sha256 of its id."""
    return int.from_bytes(sha256(identifier.encode()).digest()[:8], "big") >> 1


def connect(url: str, key: str | None, prefix: str | None) -> Any:
    """The official client. Tests put its local mode in this place."""
    from qdrant_client import QdrantClient

    return QdrantClient(url=url, api_key=key, prefix=prefix, timeout=TIMEOUT, check_compatibility=False)


def _connected(url: str) -> Qdrant:
    """Raises InputError for what is no URL of a collection."""
    require("qdrant_client", "an index on a Qdrant server")
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 6333)
    except ValueError:
        raise _no_collection() from None
    prefix, _, collection = parts.path.strip("/").rpartition("/")
    if not parts.hostname or not _COLLECTION.fullmatch(collection):
        raise _no_collection()
    if parts.username or parts.password or parts.query:
        raise InputError(f"the URL of an index holds no keys; put the key into the environment variable {KEY}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    server = f"{parts.scheme}://{host}:{port}"
    key = os.environ.get(KEY) or None
    client = connect(server, key, prefix or None)
    return Qdrant(client, collection, f"{server}/{prefix}" if prefix else server, key)


def _no_collection() -> InputError:
    return InputError("the URL of an index names a server and a collection, as in http://localhost:6333/notes")


def _without_words(url: str, bundle: Path) -> str:
    """The bundle's candidate. Raises InputError where it has a part that needs all words of all documents."""
    candidate = Layout.read(bundle).candidate
    if any(isinstance(one, Lexical) for one in leaves(candidate)):
        raise InputError(
            f"{url}: bm25 ranks documents that are at hand, not on a server; build the bundle without bm25, "
            "or index to a folder"
        )
    return str(candidate)


def _ours(name: str, metadata: Mapping[str, Any], bundle: Path) -> Mapping[str, Any]:
    """Raises InputError when a collection is not an index of this bundle."""
    found = metadata.get(MARK)
    if not isinstance(found, Mapping) or found.get("schema") != SCHEMA:
        raise InputError(
            f"{name} is a collection of something else, or of another version, and is left alone; name another"
        )
    if found.get("digest") != digest_of(bundle):
        raise InputError(f"{name} is an index of another bundle; name another collection, or replace it with --force")
    return found


def _payload(one: Document) -> dict[str, Any]:
    return {"id": one.id, "title": one.title, "text": one.text, "fields": dict(one.fields), "digest": one.digest.hex()}


def _document(payload: Mapping[str, Any]) -> Document:
    name, title, text = (str(payload.get(part, "")) for part in ("id", "title", "text"))
    return Document(name, title, text, dict(payload.get("fields") or {}))


def _no_words() -> Worded:
    raise InputError("bm25 ranks documents that are at hand, not on a server; index to a folder")


def _no_positions(where: Where) -> Mask:
    raise AssertionError("documents on a server have no positions")
