"""The default read model: one JSON file that TinyDB opens, written whole at every commit.

`TinyDB(path).table("aggregates")` and so on (experiments, aggregates, iterations, sessions, points) hold documents with
what people look for: name, id, tags, config, metrics, ...; beside it the state that the next events are folded into.
Points lie in columns, base64 of little-endian 64 bit numbers. The last table is a checksum of all bytes before it.
"""

from __future__ import annotations

import sys
from array import array
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import orjson
from tinydb import TinyDB
from tinydb.storages import Storage

from mltracker.errors import NotFound, StoreError
from mltracker.projections.columns import REGULAR, Heading, Ints, Numbers, Points, Table, Tail
from mltracker.projections.files import replace
from mltracker.projections.folded import FoldedReadModel
from mltracker.projections.memory import MemoryStore
from mltracker.projections.store import Document, Store

Tables = dict[str, dict[str, Document]]
"""A TinyDB file: documents by number by table."""

CHECKSUM = b',"checksum":{"1":{"crc32":"%08x"}}}'
CHECKSUM_LENGTH = len(CHECKSUM % 0)


class CachedStorage(Storage):
    """A storage for TinyDB that parses its file once and replaces it in one step."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._parsed: tuple[tuple[int, int, int], Tables] | None = None

    def read(self) -> Tables | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._parsed is None or self._parsed[0] != version:
            self._parsed = (version, orjson.loads(self._path.read_bytes()))
        return self._parsed[1]

    def write(self, data: Tables) -> None:
        replace(self._path, orjson.dumps(data))


class PackedTable(Points):
    """A table as it lies in the file, unpacked when first looked into."""

    __slots__ = ("_packed", "_table", "_unpacked", "heading")

    def __init__(self, heading: Heading, packed: Document | None = None) -> None:
        self.heading = heading
        self._packed = packed
        self._table = None if packed is not None else Table(heading)
        self._unpacked: dict[str, array[Any]] = {}
        """The columns that were asked for so far."""

    @property
    def table(self) -> Table:
        if self._table is None:
            assert self._packed is not None
            columns = {name: memoryview(self._column(name)).cast("B") for name in self._packed["columns"]}
            self._table = Table.from_bytes(self.heading, columns, columns.pop("values"))
            self._unpacked = {}
        return self._table

    @property
    def tail(self) -> Tail:
        if self._table is not None:
            return self._table.tail
        assert self._packed is not None
        return Tail.loaded(self._packed["tail"])

    def column(self, name: str) -> Ints:
        return self._column(name) if self._table is None and name in REGULAR else self.table.column(name)

    def numbers(self, position: int) -> Numbers:
        if self._table is not None:
            return self._table.numbers(position)
        values, width = self._column("values"), len(self.heading.names)
        return values if width == 1 else values[position::width]

    def _column(self, name: str) -> array[Any]:
        column = self._unpacked.get(name)
        if column is None:
            assert self._packed is not None
            column = self._unpacked[name] = array(self.heading.kind if name == "values" else "q")
            column.frombytes(a2b_base64(self._packed["columns"][name]))
        return column

    def opened(self) -> Table:
        """The table, to append to."""
        table = self.table
        self._packed = None
        return table

    def packed(self) -> Document:
        if self._packed is None:
            table = self.table
            columns = {**table.to_bytes(), "values": table.values.tobytes()}
            self._packed = {
                **self.heading._asdict(),
                "tail": table.tail.dumped(),
                "columns": {name: b2a_base64(data, newline=False).decode() for name, data in columns.items()},
            }
        return self._packed


class FileStore(MemoryStore):
    """A store in memory that becomes one file, and comes from one."""

    def table(self, heading: tuple[Any, ...]) -> Table:
        held = self._tables.get(heading)
        if not isinstance(held, PackedTable):
            held = PackedTable(self.named(heading))
            self.hold(held)
        return held.opened()

    @classmethod
    def loaded(cls, tables: Tables) -> FileStore:
        """Raises LookupError, TypeError or ValueError for what `tables` did not write."""
        store = cls()
        store.positions = tables["meta"]["1"]["positions"]
        for doc in _documents(tables, "experiments", "aggregates", "unborn"):
            state = doc["state"]
            store.states[state["key"]] = state
            if "created" in state:
                store.created(state)
                store.remember({name: value for name, value in doc.items() if name not in ("state", "metrics")})
        for doc in _documents(tables, "iterations"):
            store.docs.setdefault(doc["aggregate"], {})[doc["id"]] = doc
        store.session_docs = {doc["key"]: doc for doc in _documents(tables, "sessions")}
        for doc in _documents(tables, "points"):
            place = (doc["aggregate"], doc["writer"], doc["phase"], tuple(doc["names"]))
            event = None if doc["event"] is None else tuple(doc["event"])
            store.hold(PackedTable(Heading(*place, doc["kind"], event), doc))
        return store

    def dumped(self, meta: Document) -> Tables:
        """What the file holds. `unborn` are states whose creation has not come yet."""
        born: dict[str, list[Document]] = {"experiment": [], "aggregate": []}
        for key in self.states:
            summary = self.summary(key)
            if summary is not None:
                born[summary["kind"]].append({**summary, **_metrics(summary), "state": self.states[key]})
        unborn = [{"state": state} for state in self.states.values() if "created" not in state]
        return {
            "meta": _numbered([{**meta, "positions": self.positions}]),
            "experiments": _numbered(sorted(born["experiment"], key=_age)),
            "aggregates": _numbered(sorted(born["aggregate"], key=_age)),
            "iterations": _numbered(doc for docs in self.docs.values() for doc in docs.values()),
            "sessions": _numbered(self.session_docs.values()),
            "unborn": _numbered(unborn),
            "points": _numbered(table.packed() for table in self.all_tables() if isinstance(table, PackedTable)),
        }


def _documents(tables: Tables, *names: str) -> Iterable[Document]:
    return (doc for name in names for doc in tables[name].values())


def _numbered(docs: Iterable[Document]) -> dict[str, Document]:
    return {str(number): doc for number, doc in enumerate(docs, 1)}


def _age(doc: Document) -> Any:
    return doc["created"]


def _metrics(summary: Document) -> Document:
    """The last values by "phase/name", for people's queries."""
    if "last" not in summary:
        return {}
    return {
        "metrics": {
            f"{phase}/{name}" if phase else name: value
            for phase, numbers in summary["last"]
            for name, value in numbers.items()
        }
    }


class TinyDBReadModel(FoldedReadModel):
    """One JSON file; without a path, in memory only. Opened when first asked; left alone until the next commit."""

    name: ClassVar[str] = "tinydb"
    version: ClassVar[int] = 3
    suffix: ClassVar[str] = ".json"

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self.path = path
        self._held: FileStore | None = None
        self._checkpoint: dict[str, Any] | None = None

    @property
    def _store(self) -> Store:
        return self._opened()

    def checkpoint(self) -> dict[str, Any] | None:
        self._opened()
        return self._checkpoint

    def commit(self, checkpoint: Mapping[str, Any]) -> None:
        meta = {"model": self.name, "version": self.version, "byteorder": sys.byteorder, "checkpoint": dict(checkpoint)}
        tables = self._opened().dumped(meta)
        if self.path is not None:
            body = orjson.dumps(tables)[:-1]
            try:
                replace(self.path, body + CHECKSUM % crc32(body))
            except OSError as error:
                raise StoreError(f"cannot write: {error.strerror or error}", path=str(self.path)) from error
        self._checkpoint = dict(checkpoint)

    def discard(self) -> None:
        self._held = self._checkpoint = None

    def close(self) -> None:
        """Nothing is open."""

    @property
    def database(self) -> TinyDB:
        """The file as last committed, for TinyDB's own queries. Raises NotFound where nothing is stored."""
        if self.path is None or not self.path.exists():
            raise NotFound("nothing of this read model is stored")
        return TinyDB(self.path, storage=CachedStorage)

    def _opened(self) -> FileStore:
        if self._held is None:
            self._held = self._load() or FileStore()
        return self._held

    def _load(self) -> FileStore | None:
        try:
            data = self.path.read_bytes() if self.path is not None else b""
            if data[-CHECKSUM_LENGTH:] != CHECKSUM % crc32(data[:-CHECKSUM_LENGTH]):
                return None
            tables = orjson.loads(data)
            meta = tables["meta"]["1"]
            if (meta["model"], meta["version"], meta["byteorder"]) != (self.name, self.version, sys.byteorder):
                return None
            store = FileStore.loaded(tables)
        except FileNotFoundError:
            return None
        except (LookupError, TypeError, ValueError, AttributeError):
            return None
        self._checkpoint = meta["checkpoint"]
        return store
