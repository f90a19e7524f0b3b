"""A table of points in SQLite: full chunks that never change, an open one at the end, and rows not yet written."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from mltracker.projections.columns import SPARSE, Heading, Ints, Numbers, Points, Runs, Table, Tail, ints
from mltracker.projections.database import Database, packed, sealed
from mltracker.series import NO_STEP

OPEN_BYTES = 128 << 10
"""A chunk below that size is rewritten with the rows that follow, so that small commits do not make tiny chunks."""
FULL_ROWS = 65536
CHUNK_BITS = 20
IN_COLUMN = "WHERE place BETWEEN ? AND ? ORDER BY place"
ROW_BYTES = 24
COLUMNS = ("steps", "seqs", "ats", "walls", "epochs", "batches", "indexes")


def place(column: int, chunk: int) -> int:
    """The key of a chunk of a column."""
    return column << CHUNK_BITS | chunk


def places(column: int) -> tuple[int, int]:
    """The first and the last key that a column's chunks may have."""
    return place(column, 0), place(column + 1, 0) - 1


class Writes:
    """Rows of many tables on their way into the file."""

    def __init__(self) -> None:
        self.tables: list[tuple[Any, ...]] = []
        self.chunks: list[tuple[Any, ...]] = []
        self.numbers: list[tuple[Any, ...]] = []

    def write(self, db: Database) -> None:
        """Into the open transaction. Raises StoreError."""
        db.write("INSERT OR REPLACE INTO tables VALUES (?,?,?,?)", self.tables)
        db.write("INSERT OR REPLACE INTO chunks VALUES (?,?,?,?,?,?,?,?,?)", self.chunks)
        db.write("INSERT OR REPLACE INTO numbers VALUES (?,?)", self.numbers)


class ChunkedTable(Points):
    """What is appended lies in memory until `flush`.

    Its columns are numbered: `id` for what the rows share, the following ones for the values of each name. A chunk's
    place is its column's number and its own in one integer: to compare keys of two, SQLite would read whole blobs.
    """

    fresh = True
    __slots__ = ("_chunks", "_db", "_id", "_open_rows", "_pending", "_tail", "heading")

    def __init__(
        self, db: Database, id: int, heading: Heading, tail: Tail | None = None, chunks: int = 0, open_rows: int = 0
    ) -> None:
        self.heading = heading
        self._db = db
        self._id = id
        self._tail = tail
        self._chunks = chunks
        self._open_rows = open_rows
        self._pending: Table | None = None

    @classmethod
    def stored(cls, db: Database, condition: str, *values: str) -> Iterator[ChunkedTable]:
        """Those of one aggregate or writer, for instance."""
        rows = db.rows(f"SELECT id, doc FROM tables {condition}", values)
        for id, doc in rows:
            (aggregate, writer, phase, names, kind, event), tail, chunks, open_rows = db.document(doc)
            whole = None if event is None else tuple(event)
            heading = Heading(aggregate, writer, phase, tuple(names), kind, whole)
            yield cls(db, id, heading, Tail.loaded(tail), chunks, open_rows)

    @property
    def next_id(self) -> int:
        """The first number that is not a column's of this table."""
        return self._id + 1 + len(self.heading.names)

    @property
    def tail(self) -> Tail:
        old, new = self._tail, self._pending.tail if self._pending is not None else None
        if old is None or new is None:
            held = old or new
            assert held is not None
            return held
        epoch = new.epoch if old.epoch is None else old.epoch if new.epoch is None else max(old.epoch, new.epoch)
        return new._replace(rows=old.rows + new.rows, first_seq=old.first_seq, epoch=epoch)

    def opened(self) -> Table:
        """A table in memory for the rows that follow."""
        if self._pending is None:
            self._pending = Table(self.heading)
        return self._pending

    def column(self, name: str) -> Ints:
        other = "ats" if name == "walls" else "NULL"
        stored = self._db.each(f"SELECT rows, {name}, {other} FROM chunks {IN_COLUMN}", places(self._id))
        column = array("q")
        for rows, data, instead in stored:
            if data is not None and name in SPARSE:
                column.extend(Runs(rows, ints(self._db.unsealed(data))).expand())
            elif data is not None or instead is not None:
                column.frombytes(self._db.unsealed(instead if data is None else data))
            else:
                column.extend(array("q", (NO_STEP,)) * rows)
        self._check(column)
        if self._pending is not None:
            column.extend(self._pending.column(name))
        return column

    def numbers(self, position: int) -> Numbers:
        sql = f"SELECT data FROM numbers {IN_COLUMN}"
        column: Numbers = array(self.heading.kind)
        for (data,) in self._db.each(sql, places(self._id + 1 + position)):
            column.frombytes(self._db.unsealed(data))
        self._check(column)
        if self._pending is not None:
            column.extend(self._pending.numbers(position))
        return column

    def _check(self, column: array[Any]) -> None:
        """There may be more rows than expected, if another process has written meanwhile, but never less."""
        if self._tail is not None and len(column) < self._tail.rows:
            raise self._db.damaged("rows are missing")
        if self._tail is not None:
            del column[self._tail.rows :]

    def flush(self, writes: Writes) -> None:
        """Hand over what is pending."""
        if self._pending is None:
            return
        self._tail, unwritten, self._pending = self.tail, self._pending, None
        if self._open_rows:
            opened = self._last_chunk()
            opened.extend(unwritten.rows())
            unwritten, self._chunks = opened, self._chunks - 1
        for start in range(0, len(unwritten), FULL_ROWS):
            self._flush_chunk(writes, unwritten.part(start, start + FULL_ROWS))
        doc = packed([[*self.heading], self._tail.dumped(), self._chunks, self._open_rows])
        writes.tables.append((self._id, self.heading.aggregate, self.heading.writer, doc))

    def _flush_chunk(self, writes: Writes, part: Table) -> None:
        columns = {name: sealed(data) for name, data in part.to_bytes().items()}
        writes.chunks.append((place(self._id, self._chunks), len(part), *map(columns.get, COLUMNS)))
        for position in range(len(self.heading.names)):
            data = sealed(part.numbers(position).tobytes())
            writes.numbers.append((place(self._id + 1 + position, self._chunks), data))
        self._chunks += 1
        self._open_rows = len(part) if ROW_BYTES * len(part) + 8 * len(part.values) < OPEN_BYTES else 0

    def _last_chunk(self) -> Table:
        chunk, width = self._chunks - 1, len(self.heading.names)
        rows, *columns = self._row("chunks", f"rows, {', '.join(COLUMNS)}", place(self._id, chunk))
        values: Numbers = array(self.heading.kind, bytes(8 * rows * width))
        for position in range(width):
            (data,) = self._row("numbers", "data", place(self._id + 1 + position, chunk))
            values[position::width] = array(self.heading.kind, self._db.unsealed(data).tobytes())
        held = {name: self._db.unsealed(data) for name, data in zip(COLUMNS, columns, strict=True) if data is not None}
        return Table.from_bytes(self.heading, held, memoryview(values).cast("B"))

    def _row(self, table: str, columns: str, key: int) -> tuple[Any, ...]:
        rows = self._db.rows(f"SELECT {columns} FROM {table} WHERE place = ?", (key,))
        if not rows:
            raise self._db.damaged("rows are missing")
        return rows[0]
