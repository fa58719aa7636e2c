"""The documents of an index in one SQLite file: what was put there is there, whatever happens afterwards.

Each document has a position, which is its row in the files of vectors. Positions only grow: a document that changes
gets a new one, and the old one is gone for ever.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sizewise.core.errors import InputError, RunError
from sizewise.index.where import Condition, Mask, Value, Where, kind_of
from sizewise.search.document import Document, kinds, single

FILE = "catalog.sqlite"
AT_ONCE = 500
"""Values that one statement names."""

_TABLES = """
CREATE TABLE documents (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL,
    fields TEXT NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE fields (name TEXT, kind TEXT, value, position INTEGER, PRIMARY KEY (name, kind, value, position))
    WITHOUT ROWID;
CREATE TABLE columns (name TEXT, kind TEXT, PRIMARY KEY (name, kind)) WITHOUT ROWID;
CREATE TABLE gone (number INTEGER PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE state (positions INTEGER NOT NULL, finished INTEGER NOT NULL);
INSERT INTO state VALUES (0, 0);
"""
_STATE = "SELECT positions, finished, (SELECT count(*) FROM gone) FROM state"

Mark = tuple[int, int, int]
"""Of a file: it changes when somebody writes to it."""


@dataclass(frozen=True, slots=True)
class State:
    """How far the catalog is."""

    positions: int
    """That were given out: rows in the files of vectors that count."""
    gone: int
    """Of these, how many hold no document any more."""
    finished: bool
    """Whether the corpus was gone through to its end."""

    @property
    def documents(self) -> int:
        return self.positions - self.gone


class Catalog:
    """The file `FILE` of a folder. Threads may share one.

    Opened to read, it stays as it is then until `renew`, whatever others write. Everything raises RunError when SQLite
    fails, for a full disk, say.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.path = folder / FILE
        self._lock = threading.Lock()
        self._write = write
        try:
            self._database, self._unlocked = _opened(self.path, write)
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.path} cannot be read ({error}); index the corpus again with --force") from None
        self.renew()

    def renew(self) -> None:
        """From now on it is as it is now."""
        if self._write:
            return
        with self._lock, told(self.path):
            if self._database.in_transaction:
                self._database.execute("COMMIT")
            self._database.execute("BEGIN")
            self._database.execute(_STATE).fetchall()  # it is now that it begins

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def state(self) -> State:
        ((positions, finished, gone),) = self._ask(_STATE)
        return State(positions, gone, bool(finished))

    def put(self, documents: Sequence[Document]) -> None:
        """Add these, each once, in place of those with the same ids, all or none of them; when it returns they are on
        disk. Their vectors must be so already."""
        with self._change() as change:
            _remove(change, [one.id for one in documents])
            ((first,),) = change.execute("SELECT positions FROM state")
            rows = list(enumerate(documents, first))
            change.executemany(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (at, one.id, one.title, one.text, orjson.dumps(dict(one.fields)).decode(), one.digest)
                    for at, one in rows
                ),
            )
            values = [(name, *_stored(value), at) for at, one in rows for name, value in single(one.fields)]
            change.executemany("INSERT OR IGNORE INTO fields VALUES (?, ?, ?, ?)", values)
            change.executemany("INSERT OR IGNORE INTO columns VALUES (?, ?)", kinds(documents))
            change.execute("UPDATE state SET positions = ?", (first + len(documents),))

    def delete(self, ids: Sequence[str]) -> int:
        """Remove these documents; how many there were."""
        with self._change() as change:
            return _remove(change, ids)

    def finish(self, finished: bool) -> None:
        """Remember whether a corpus was gone through to its end."""
        with self._change() as change:
            change.execute("UPDATE state SET finished = ?", (finished,))

    def known(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The digests of those of the documents `ids` that there are."""
        return dict(self._ask_each("SELECT id, digest FROM documents WHERE id IN ({})", ids))

    def ids(self) -> Iterator[str]:
        """Of all documents, by their positions; none that is put meanwhile is missed or told twice."""
        last = -1
        while rows := self._ask(
            "SELECT position, id FROM documents WHERE position > ? ORDER BY position LIMIT ?", (last, AT_ONCE)
        ):
            yield from (name for _, name in rows)
            last = rows[-1][0]

    def at(self, positions: Sequence[int]) -> dict[int, Document]:
        """The documents at `positions`, of those that there still are."""
        rows = self._ask_each(
            "SELECT position, id, title, text, fields FROM documents WHERE position IN ({})", positions
        )
        return {at: Document(name, title, text, orjson.loads(fields)) for at, name, title, text, fields in rows}

    def there(self, start: int, stop: int) -> list[tuple[int, dict[str, Value | list[str]]]]:
        """Positions from `start` to before `stop` that hold a document, and its fields."""
        rows = self._ask(
            "SELECT position, fields FROM documents WHERE position >= ? AND position < ? ORDER BY position",
            (start, stop),
        )
        return [(at, orjson.loads(fields)) for at, fields in rows]

    def gone(self, after: int) -> list[int]:
        """Positions that hold nothing any more, in the order in which that came to be, without the first `after`."""
        return [at for (at,) in self._ask("SELECT position FROM gone WHERE number > ? ORDER BY number", (after,))]

    def columns(self) -> list[tuple[str, str]]:
        """Fields that documents have or had, and the kinds of their values."""
        return self._ask("SELECT name, kind FROM columns ORDER BY name, kind")

    def mask(self, where: Where, count: int) -> Mask:
        """Which of the first `count` positions hold a document as `where` wants it, bool [count]."""
        if not where:
            found = np.ones(count, bool)
            gone = _places(self.gone(0), count)
            found[gone] = False
            return found
        found = np.ones(count, bool)
        for condition in where.conditions:
            one = np.zeros(count, bool)
            for sql, values in _clauses(condition):
                rows = self._ask(f"SELECT position FROM fields WHERE name = ? AND {sql}", (condition.field, *values))
                one[_places([at for (at,) in rows], count)] = True
            found &= one
        return found

    def copy(self, folder: Path) -> None:
        """A copy as of one moment, in `folder`."""
        with told(folder / FILE), closing(sqlite3.connect(folder / FILE)) as to, self._lock:
            self._database.backup(to)

    def _ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, told(self.path):
            rows = self._database.execute(sql, values).fetchall()
        if self._unlocked is not None and self._unlocked != _mark(self.path):
            raise RunError(f"{self.path} was written to by somebody else while it was read; open it again")
        return rows

    def _ask_each(self, sql: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE]
            yield from self._ask(sql.format(", ".join("?" * len(some))), some)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, told(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


def _opened(path: Path, write: bool) -> tuple[sqlite3.Connection, Mark | None]:
    """And, where it can be read only without locks, what tells that somebody wrote to it."""
    if write:
        fresh = not path.exists()
        database = _connected(path, "rwc")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")  # of what is deleted nothing shall stay
        if fresh or not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchall():
            database.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        return database, None
    try:
        database = _connected(path, "ro")
        database.execute(_STATE).fetchall()
    except sqlite3.OperationalError:
        # SQLite writes beside a file to read it while others write, which somebody who may only read cannot.
        log = path.with_name(f"{FILE}-wal")
        if log.exists() and log.stat().st_size:
            raise  # what is in there counts
        database = _connected(path, "ro&immutable=1")
        mark = _mark(path)  # before anything of it is read
        database.execute(_STATE).fetchall()
        return database, mark
    return database, None


def _mark(path: Path) -> Mark:
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=60, isolation_level=None, check_same_thread=False
    )
    database.execute("PRAGMA trusted_schema = OFF")  # an index may come from somebody else
    return database


@contextmanager
def told(path: Path | str) -> Iterator[None]:
    """Raises RunError for what SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunError(f"{path}: SQLite says: {error}; see to that, and run the same command again") from None


def _remove(change: sqlite3.Connection, ids: Sequence[str]) -> int:
    found = 0
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        these = f"id IN ({', '.join('?' * len(some))})"
        rows = change.execute(f"SELECT position, fields FROM documents WHERE {these}", some).fetchall()
        values = [(name, *_stored(value), at) for at, fields in rows for name, value in single(orjson.loads(fields))]
        change.executemany("DELETE FROM fields WHERE name = ? AND kind = ? AND value = ? AND position = ?", values)
        change.execute(f"DELETE FROM documents WHERE {these}", some)
        change.executemany("INSERT INTO gone (position) VALUES (?)", [(at,) for at, _ in rows])
        found += len(rows)
    return found


def _stored(value: Value) -> tuple[str, Value]:
    """The kind of `value`, and as it is compared: truth values and numbers are the same to SQLite."""
    return kind_of(value), value if isinstance(value, bool | str) else float(value)


def _clauses(condition: Condition) -> Iterator[tuple[str, list[Value]]]:
    if condition.is_range:
        bounds = [
            (sign, bound) for sign, bound in ((">=", condition.least), ("<=", condition.most)) if bound is not None
        ]
        yield (
            " AND ".join(["kind = 'number'", *(f"value {sign} ?" for sign, _ in bounds)]),
            [bound for _, bound in bounds],
        )
        return
    of_kind: dict[str, list[Value]] = {}
    for kind, value in map(_stored, condition.values):
        of_kind.setdefault(kind, []).append(value)
    for kind, values in of_kind.items():
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE]
            yield f"kind = ? AND value IN ({', '.join('?' * len(some))})", [kind, *some]


def _places(positions: Sequence[int], count: int) -> npt.NDArray[np.int64]:
    found = np.asarray(positions, np.int64)
    return found[found < count]
