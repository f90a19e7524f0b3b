"""The read model for large stores: one SQLite file, read on demand.

What changed since the last flush lies over the file, in memory; a flush writes it into an open transaction, a commit
ends that. Points are blobs: chunks of rows, and beside them the values of each name, so that one series reads nothing
of the others. One process writes at a time, which the runner sees to: versions before 3.51.3 can corrupt a WAL that
several checkpoint at once. After a loss of power the file is as of some commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import orjson

from mltracker.errors import Damaged
from mltracker.events.log import Batch
from mltracker.projections.chunks import ChunkedTable, Writes
from mltracker.projections.columns import Heading, Points, Table
from mltracker.projections.database import Database, packed
from mltracker.projections.folded import FoldedReadModel
from mltracker.projections.store import Document, Store, heading_order
from mltracker.projections.summaries import summarize

PENDING_BYTES = 64 << 20
DOCUMENT_BYTES, TABLE_BYTES, POINT_BYTES = 3000, 300, 32
KEPT_TABLES = 10_000
TABLES_AT_ONCE = 256


class SQLiteStore(Store):
    """An overlay of what changed over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._positions: dict[str, int] = {}
        self._states: dict[str, Document] = {}
        self._touched: set[str] = set()
        self._summaries: dict[str, Document] = {}
        self._docs: dict[str, dict[str, Document]] = {}
        self._sessions: dict[str, Document] = {}
        self._tables: dict[Heading, ChunkedTable] = {}
        self._writers: set[str] = set()
        self._opened: dict[tuple[Any, ...], Table] = {}
        self._pending: dict[Heading, ChunkedTable] = {}
        self._pending_of: dict[str, list[ChunkedTable]] = {}
        self._pending_bytes = 0
        self._next_id: int | None = None

    # the fold -------------------------------------------------------------------------------------------------------

    def seen(self, writer: str) -> int:
        if writer not in self._positions:
            rows = self._db.rows("SELECT seq FROM writers WHERE writer = ?", (writer,))
            self._positions[writer] = rows[0][0] if rows else -1
        return self._positions[writer]

    def saw(self, writer: str, seq: int) -> None:
        self._positions[writer] = seq

    def entity(self, key: str) -> Document:
        state = self._states.get(key)
        if state is None:
            self._pending_bytes += DOCUMENT_BYTES
            state = self._states[key] = self.state(key) or {"key": key}
        self._summaries.pop(key, None)
        return state

    def created(self, state: Document) -> None:
        """Found by its row, or among the changed ones."""

    def iteration(self, aggregate: str, id: str) -> Document:
        docs = self._docs.setdefault(aggregate, {})
        if id not in docs:
            self._pending_bytes += DOCUMENT_BYTES
            rows = self._db.rows("SELECT doc FROM iterations WHERE aggregate = ? AND id = ?", (aggregate, id))
            docs[id] = self._db.document(rows[0][0]) if rows else {"id": id, "aggregate": aggregate}
        return docs[id]

    def session(self, key: str) -> Document:
        if key not in self._sessions:
            self._pending_bytes += DOCUMENT_BYTES
            rows = self._db.rows("SELECT doc FROM sessions WHERE key = ?", (key,))
            self._sessions[key] = self._db.document(rows[0][0]) if rows else {"key": key}
        return self._sessions[key]

    def table(self, heading: tuple[Any, ...]) -> Table:
        table = self._opened.get(heading)
        if table is None:
            stored = self._stored_table(Heading(*heading))
            table = self._opened[heading] = stored.opened()
            self._pending[stored.heading] = stored
            self._pending_of.setdefault(stored.heading.aggregate, []).append(stored)
            self._pending_bytes += TABLE_BYTES
        return table

    def grown(self, numbers: int) -> None:
        self._pending_bytes += POINT_BYTES * numbers

    def _stored_table(self, heading: Heading) -> ChunkedTable:
        """All tables of its writer are looked up at once, since more of them will follow."""
        if heading.writer not in self._writers:
            self._writers.add(heading.writer)
            stored = ChunkedTable.stored(self._db, "WHERE writer = ?", heading.writer)
            self._tables.update((table.heading, table) for table in stored)
        table = self._tables.get(heading)
        if table is None:
            table = self._tables[heading] = ChunkedTable(self._db, self._new_id(), heading)
            self._next_id = table.next_id
        return table

    def touch(self, aggregate: str) -> None:
        self._touched.add(aggregate)
        self._summaries.pop(aggregate, None)

    # the answers ----------------------------------------------------------------------------------------------------

    def state(self, key: str) -> Document | None:
        if key in self._states:
            return self._states[key]
        rows = self._db.rows("SELECT state FROM states WHERE key = ?", (key,))
        return self._db.document(rows[0][0]) if rows else None

    def summary(self, key: str) -> Document | None:
        if key not in self._states and key not in self._touched:
            return next(iter(self._stored("key = ?", key)), None)
        held = self._summaries.get(key)
        if held is None:
            state = self.state(key)
            if state is None or "created" not in state:
                return None
            held = self._summaries[key] = summarize(self, [state])
        return held

    def experiments(self) -> list[Document]:
        return self._overlaid(self._stored("kind = ?", "experiment"), kind="experiment")

    def aggregates(self, experiment: str, id: str | None = None) -> list[Document]:
        if id is None:
            return self._overlaid(self._stored("experiment = ?", experiment), experiment=experiment)
        found = self._stored("experiment = ? AND name = ?", experiment, id)
        return self._overlaid(found, experiment=experiment, id=id)

    def iterations(self, aggregate: str) -> list[Document]:
        rows = self._db.rows("SELECT id, doc FROM iterations WHERE aggregate = ?", (aggregate,))
        changed = self._docs.get(aggregate, {})
        return [*(self._db.document(doc) for id, doc in rows if id not in changed), *changed.values()]

    def sessions(self) -> list[Document]:
        rows = self._db.rows("SELECT key, doc FROM sessions")
        stored = [self._db.document(doc) for key, doc in rows if key not in self._sessions]
        return [*stored, *self._sessions.values()]

    def tables(self, aggregate: str) -> list[Points]:
        stored = ChunkedTable.stored(self._db, "WHERE aggregate = ?", aggregate)
        found = [table for table in stored if table.heading not in self._pending]
        return sorted([*found, *self._pending_of.get(aggregate, ())], key=heading_order)

    def _stored(self, where: str, *arguments: str) -> list[Document]:
        rows = self._db.rows(f"SELECT summary FROM entities WHERE {where}", arguments)
        found: list[Document] = orjson.loads(b"[" + b",".join([self._db.unsealed(row[0]) for row in rows]) + b"]")
        return found

    def _overlaid(self, found: list[Document], **expected: str) -> list[Document]:
        """Stored summaries with the changed ones in their place, if these are as expected."""
        changed = self._states.keys() | self._touched
        if not changed:
            return found
        summaries = [summary for summary in map(self.summary, changed) if summary is not None]
        return [
            *(one for one in found if one["key"] not in changed),
            *(one for one in summaries if all(one.get(name) == value for name, value in expected.items())),
        ]

    def _new_id(self) -> int:
        if self._next_id is None:
            newest = ChunkedTable.stored(self._db, "ORDER BY id DESC LIMIT 1")
            self._next_id = next((table.next_id for table in newest), 0)
        return self._next_id

    # writing --------------------------------------------------------------------------------------------------------

    def full(self) -> bool:
        """Whether it is time to flush, lest memory grow without bound."""
        return self._pending_bytes > PENDING_BYTES

    def flush(self) -> None:
        """Write all that changed into the open transaction. Raises StoreError."""
        changed = self._states.keys() | self._touched
        summaries = [summary for summary in map(self.summary, changed) if summary is not None]
        self._db.write("INSERT OR REPLACE INTO entities VALUES (?,?,?,?,?)", map(_entity_row, summaries))
        self._db.write("INSERT OR REPLACE INTO states VALUES (?,?)", _rows_of(self._states))
        for aggregate, docs in self._docs.items():
            rows = [(aggregate, id, doc) for id, doc in _rows_of(docs)]
            self._db.write("INSERT OR REPLACE INTO iterations VALUES (?,?,?)", rows)
        self._db.write("INSERT OR REPLACE INTO sessions VALUES (?,?)", _rows_of(self._sessions))
        tables = iter(self._pending.values())
        while some := list(islice(tables, TABLES_AT_ONCE)):
            writes = Writes()
            for table in some:
                table.flush(writes)
            writes.write(self._db)
        self._db.write("INSERT OR REPLACE INTO writers VALUES (?,?)", self._positions.items())
        self._forget()

    def _forget(self) -> None:
        for held in (self._states, self._touched, self._summaries, self._docs, self._sessions):
            held.clear()
        self._opened.clear()
        self._pending.clear()
        self._pending_of.clear()
        self._positions.clear()
        self._pending_bytes = 0
        if len(self._tables) > KEPT_TABLES:
            self._tables.clear()
            self._writers.clear()


def _entity_row(summary: Document) -> tuple[str | bytes | None, ...]:
    if summary["kind"] == "experiment":
        return (summary["key"], "experiment", summary["name"], None, packed(summary))
    return (summary["key"], "aggregate", summary["id"], summary["experiment"], packed(summary))


def _rows_of(docs: Mapping[str, Document]) -> list[tuple[str, bytes]]:
    return [(key, packed(doc)) for key, doc in docs.items()]


class SQLiteReadModel(FoldedReadModel):
    """One SQLite file; without a path, in memory only. Opened when first asked; left alone until the next commit."""

    name: ClassVar[str] = "sqlite"
    version: ClassVar[int] = 3
    suffix: ClassVar[str] = ".sqlite"
    in_place: ClassVar[bool] = True

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self.path = path
        self._db = Database(path, self.version)
        self._held = SQLiteStore(self._db)

    @property
    def _store(self) -> Store:
        return self._held

    def apply(self, batch: Batch) -> None:
        super().apply(batch)
        if self._held.full():
            self._held.flush()

    def checkpoint(self) -> dict[str, Any] | None:
        if not self._db.usable():
            return None
        rows = self._db.rows("SELECT value FROM meta WHERE name = 'checkpoint'")
        try:
            return self._db.document(rows[0][0]) if rows else None
        except Damaged:
            return None

    def commit(self, checkpoint: Mapping[str, Any]) -> None:
        self._held.flush()
        self._db.write("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", [(packed(dict(checkpoint)),)])
        self._db.commit()

    def discard(self) -> None:
        self._db.rollback()
        self._held = SQLiteStore(self._db)

    def hold(self) -> None:
        self._db.hold()

    def release(self) -> None:
        self._db.release()

    def close(self) -> None:
        self._db.close()
