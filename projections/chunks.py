"""A table of points in SQLite: full chunks that never change, an open one at the end, and rows not yet written."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import orjson

from mltracker.projections.columns import Heading, Ints, Numbers, Points, Rows, Runs, Table, Tail, ints
from mltracker.projections.database import Database
from mltracker.series import NO_STEP

OPEN_BYTES = 128 << 10
"""A chunk below that size is rewritten with the rows that follow, so that small commits do not make tiny chunks."""
FULL_ROWS = 65536
ROW_BYTES = 24
TABLE_BYTES = 1500
COLUMNS = ("steps", "seqs", "ats", "walls", "epochs", "batches", "indexes")


class Bytes:
    """How much lies in memory, about: `count` is of all tables together."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class ChunkedTable(Points):
    """`id` names its chunks; what is appended lies in memory, counted in `pending`, until `flush`."""

    __slots__ = ("_bytes", "_chunks", "_db", "_id", "_open_rows", "_pending", "_tail", "heading")

    def __init__(
        self,
        db: Database,
        pending: Bytes,
        id: int,
        heading: Heading,
        tail: Tail | None = None,
        chunks: int = 0,
        open_rows: int = 0,
    ) -> None:
        self.heading = heading
        self._db = db
        self._bytes = pending
        self._id = id
        self._tail = tail
        self._chunks = chunks
        self._open_rows = open_rows
        self._pending: Table | None = None

    @classmethod
    def stored(cls, db: Database, pending: Bytes, column: str, value: str) -> Iterator[ChunkedTable]:
        """Those of one aggregate or writer."""
        rows = db.rows(
            "SELECT id, chunks, open_rows, tail, aggregate, writer, phase, names, kind, series FROM tables "
            f"WHERE {column} = ?",
            (value,),
        )
        for id, chunks, open_rows, tail, aggregate, writer, phase, names, kind, series in rows:
            heading = Heading(aggregate, writer, phase, tuple(orjson.loads(names)), kind, bool(series))
            yield cls(db, pending, id, heading, Tail.loaded(orjson.loads(tail)), chunks, open_rows)

    @property
    def tail(self) -> Tail:
        old, new = self._tail, self._pending.tail if self._pending is not None else None
        if old is None or new is None:
            held = old or new
            assert held is not None
            return held
        epoch = new.epoch if old.epoch is None else old.epoch if new.epoch is None else max(old.epoch, new.epoch)
        return new._replace(rows=old.rows + new.rows, first_seq=old.first_seq, epoch=epoch)

    def extend(self, rows: Rows) -> None:
        self._bytes.count += ROW_BYTES * len(rows.seqs) + 8 * len(rows.values)
        self._appended().extend(rows)

    def append(
        self, seq: int, at: int, step: int, wall: int | None, epoch: int | None, batch: int | None, values: list[float]
    ) -> None:
        self._bytes.count += ROW_BYTES + 8 * len(values)
        self._appended().append(seq, at, step, wall, epoch, batch, values)

    def column(self, name: str) -> Ints:
        other = "ats" if name == "walls" else "NULL"
        stored = self._db.rows(f"SELECT rows, {name}, {other} FROM chunks WHERE id = ? ORDER BY chunk", (self._id,))
        column = array("q")
        for rows, data, instead in stored:
            if data is None:
                column.extend(ints(instead) if instead is not None else array("q", (NO_STEP,)) * rows)
            elif name in ("epochs", "batches", "indexes"):
                column.extend(Runs(rows, ints(data)).expand())
            else:
                column.frombytes(data)
        if self._pending is not None:
            column.extend(self._pending.column(name))
        return column

    def numbers(self, position: int) -> Numbers:
        sql = "SELECT data FROM numbers WHERE id = ? AND position = ? ORDER BY chunk"
        column: Numbers = array(self.heading.kind)
        for (data,) in self._db.rows(sql, (self._id, position)):
            column.frombytes(data)
        if self._pending is not None:
            column.extend(self._pending.numbers(position))
        return column

    def _appended(self) -> Table:
        if self._pending is None:
            self._bytes.count += TABLE_BYTES
            self._pending = Table(self.heading)
        return self._pending

    def flush(self) -> None:
        """Write what is pending into the open transaction."""
        if self._pending is None:
            return
        self._tail, unwritten, self._pending = self.tail, self._pending, None
        if self._open_rows:
            opened = self._last_chunk()
            opened.extend(unwritten.rows(0, len(unwritten)))
            unwritten, self._chunks = opened, self._chunks - 1
        for start in range(0, len(unwritten), FULL_ROWS):
            self._write_chunk(unwritten.part(start, start + FULL_ROWS))
        aggregate, writer, phase, names, kind, series = self.heading
        heading = (aggregate, writer, phase, orjson.dumps(names), kind, series)
        row = (self._id, *heading, orjson.dumps(self._tail.dumped()), self._chunks, self._open_rows)
        self._db.write("INSERT OR REPLACE INTO tables VALUES (?,?,?,?,?,?,?,?,?,?)", [row])

    def _write_chunk(self, part: Table) -> None:
        packed: dict[str, Any] = part.to_bytes()
        row = (self._id, self._chunks, len(part), *(packed.get(name) for name in COLUMNS))
        self._db.write("INSERT OR REPLACE INTO chunks VALUES (?,?,?,?,?,?,?,?,?,?)", [row])
        self._db.write(
            "INSERT OR REPLACE INTO numbers VALUES (?,?,?,?)",
            [
                (self._id, position, self._chunks, part.numbers(position).tobytes())
                for position in range(len(self.heading.names))
            ],
        )
        self._chunks += 1
        self._open_rows = len(part) if ROW_BYTES * len(part) + 8 * len(part.values) < OPEN_BYTES else 0

    def _last_chunk(self) -> Table:
        chunk, width = self._chunks - 1, len(self.heading.names)
        ((rows, *columns),) = self._db.rows(
            f"SELECT rows, {', '.join(COLUMNS)} FROM chunks WHERE id = ? AND chunk = ?", (self._id, chunk)
        )
        values: Numbers = array(self.heading.kind, bytes(8 * rows * width))
        for position, data in self._db.rows(
            "SELECT position, data FROM numbers WHERE id = ? AND chunk = ?", (self._id, chunk)
        ):
            values[position::width] = array(self.heading.kind, data)
        packed = {name: data for name, data in zip(COLUMNS, columns, strict=True) if data is not None}
        return Table.from_bytes(self.heading, packed, values.tobytes())
