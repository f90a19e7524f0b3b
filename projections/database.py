"""An SQLite file as read models use it: opened when first needed, one writer, errors in our words.

SQLite does not notice a byte that changed inside a value; every blob ends with a checksum of its own.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from mltracker.errors import Damaged, StoreError
from mltracker.projections.files import remove

CRC_BYTES = 4
APPLICATION = 0x6D6C7472
"""Stands in the file's header, "mltr"."""
BYTEORDER_BIT = 1 << 30 if sys.byteorder == "big" else 0

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE writers (writer TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE entities (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, experiment TEXT, summary BLOB NOT NULL
);
CREATE INDEX entities_by_name ON entities (kind, name);
CREATE INDEX entities_by_experiment ON entities (experiment, name);
CREATE TABLE states (key TEXT PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE iterations (aggregate TEXT, id TEXT, doc BLOB NOT NULL, PRIMARY KEY (aggregate, id)) WITHOUT ROWID;
CREATE TABLE sessions (key TEXT PRIMARY KEY, doc BLOB NOT NULL);
CREATE TABLE tables (id INTEGER PRIMARY KEY, aggregate TEXT NOT NULL, writer TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX tables_by_aggregate ON tables (aggregate);
CREATE INDEX tables_by_writer ON tables (writer);
CREATE TABLE chunks (
    place INTEGER PRIMARY KEY, rows INTEGER NOT NULL, steps BLOB NOT NULL, seqs BLOB NOT NULL, ats BLOB NOT NULL,
    walls BLOB, epochs BLOB, batches BLOB, indexes BLOB
);
CREATE TABLE numbers (place INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""


def sealed(data: bytes) -> bytes:
    """With its CRC-32 behind it."""
    return data + crc32(data).to_bytes(CRC_BYTES, "little")


def packed(document: Any) -> bytes:
    """JSON, sealed."""
    return sealed(orjson.dumps(document))


class Database:
    """`path` None: in memory. A file that is not of this `version` counts as absent until something is written."""

    def __init__(self, path: Path | None, version: int) -> None:
        self._path = path
        self._version = version | BYTEORDER_BIT
        self._connection: sqlite3.Connection | None = None
        self._looked = False
        self._holding = False
        self._new = False

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Empty where there is no file. Raises Damaged, StoreError."""
        return list(self.each(sql, arguments))

    def each(self, sql: str, arguments: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The same one by one, for large ones."""
        if not self._looked:
            self._look()
        if self._connection is None:
            return
        try:
            yield from self._connection.execute(sql, arguments)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def unsealed(self, data: bytes) -> memoryview:
        """What `sealed` was given. Raises Damaged."""
        body = memoryview(data)[:-CRC_BYTES]
        if crc32(body).to_bytes(CRC_BYTES, "little") != data[-CRC_BYTES:]:
            raise self.damaged("a checksum does not match")
        return body

    def document(self, data: bytes) -> Any:
        """What `packed` was given. Raises Damaged."""
        return orjson.loads(self.unsealed(data))

    def damaged(self, reason: str) -> Damaged:
        where = str(self._path or "memory")
        return Damaged(f"read model is damaged: {reason}", path=where, hint="Delete it; it is rebuilt from the events")

    def write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Into the open transaction, which is begun where there is none. Raises StoreError."""
        try:
            connection = self._writable()
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def commit(self) -> None:
        """Raises StoreError; the transaction stays open then."""
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("COMMIT")
                if self._new:
                    self._share(self._connection)
                    self._new = False
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def rollback(self) -> None:
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def hold(self) -> None:
        """Until `release`, all that is read is of the file as it is now, whatever others commit. Raises StoreError."""
        try:
            if self.usable() and self._connection is not None and not self._connection.in_transaction:
                self._connection.execute("BEGIN")
                self._connection.execute("SELECT name FROM meta LIMIT 1").fetchall()
                self._holding = True
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def release(self) -> None:
        """Let go of what `hold` took."""
        if self._holding:
            self._holding = False
            self.rollback()

    def close(self) -> None:
        self._holding = False
        if self._connection is not None:
            self._connection.close()
        self._connection, self._looked = None, False

    def usable(self) -> bool:
        """Whether there is a file of this version. Raises StoreError where it is locked."""
        if not self._looked:
            self._look()
        return self._connection is not None

    def _look(self) -> None:
        self._looked = True
        if self._path is None or not self._path.exists() or not self._path.stat().st_size:
            return
        connection = None
        try:
            connection = self._connect(f"{self._path.absolute().as_uri()}?mode=rw")
            found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
            if found == [APPLICATION, self._version]:
                connection.execute("SELECT name FROM meta").fetchall()
                self._share(connection)
                self._connection = connection
                return
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                self._looked = False
                raise self._translated(error) from error
        finally:
            if connection is not None and connection is not self._connection:
                connection.close()

    def _writable(self) -> sqlite3.Connection:
        if not self.usable():
            if self._path is not None:
                remove(self._path)
            self._connection = self._connect(":memory:" if self._path is None else self._path.absolute().as_uri())
            self._new = True
            self._connection.execute("PRAGMA page_size=8192")
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.split(";\n"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id={APPLICATION}")
            self._connection.execute(f"PRAGMA user_version={self._version}")
        assert self._connection is not None
        return self._connection

    @staticmethod
    def _share(connection: sqlite3.Connection) -> None:
        """Readers beside the one writer; a loss of power takes back commits, but leaves no half ones."""
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    def _connect(self, uri: str) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=1.0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-16384")
        except BaseException:
            connection.close()
            raise
        return connection

    def _translated(self, error: sqlite3.Error) -> StoreError:
        if isinstance(error, sqlite3.OperationalError):
            return StoreError(f"read model cannot be used: {error}", path=str(self._path or "memory"))
        return self.damaged(str(error))
