"""The ids of a corpus, remembered on disk: a corpus may have more of them than memory holds."""

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from typing import Self

from sizewise.search.catalog import told

BYTES = 16
WHERE = "the folder of temporary files"


class Seen:
    """A set of ids in a file that nobody else sees and that is gone with it. Raises RunError for a full disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        with told(WHERE):
            self._database.execute("CREATE TABLE seen (id BLOB PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, ids: Sequence[str]) -> bool:
        """Whether all of them are new."""
        before = self._database.total_changes
        with told(WHERE):
            self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(_key(one),) for one in ids])
        return self._database.total_changes - before == len(ids)

    def __contains__(self, one: str) -> bool:
        with told(WHERE):
            return bool(self._database.execute("SELECT 1 FROM seen WHERE id = ?", (_key(one),)).fetchall())


def _key(one: str) -> bytes:
    return sha256(one.encode()).digest()[:BYTES]
