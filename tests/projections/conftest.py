"""Two small read models, one of each kind, that only list the events they folded; and a log to fold."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mltracker.errors import ProjectionError, StoreError
from mltracker.events import MetricsRecorded
from mltracker.events.envelope import format_time
from mltracker.events.log import Batch
from mltracker.events.memory import MemoryLog
from mltracker.events.upcasters import known
from mltracker.projections.files import replace
from mltracker.projections.read_model import StoredReadModel

KEY = "0" * 32 + ":1"


class Listing(StoredReadModel):
    """`seen()` answers every event folded, `writer:seq`, sorted. Rejects points whose value is `reject`."""

    version = 1
    reject: float | None = None

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.unknown = Counter()
        self.open = True

    def apply(self, batch: Batch) -> None:
        for line in batch.lines:
            if not known(line["type"], line["v"]):
                self.unknown[f"{line['type']} v{line['v']}"] += 1
            if self.reject is not None and line["data"].get("values", {}).get("loss") == self.reject:
                raise ProjectionError(f"event {batch.writer}:{line['seq']} is rejected")
            self.add(f"{batch.writer}:{line['seq']}")

    def add(self, event: str) -> None:
        raise NotImplementedError

    def seen(self) -> list[str]:
        raise NotImplementedError


class WholeListing(Listing):
    name = "whole"
    suffix = ".json"

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(path)
        self.events: set[str] = set()
        self.commits = 0
        self._stored: dict[str, Any] | None = None
        try:
            content = json.loads(path.read_text()) if path and path.exists() else {}
            self._stored = content.get("checkpoint")
            self.events = set(content.get("events", ()))
        except (ValueError, AttributeError):
            pass

    def add(self, event: str) -> None:
        self.events.add(event)

    def seen(self) -> list[str]:
        return sorted(self.events)

    def checkpoint(self) -> dict[str, Any] | None:
        return self._stored

    def commit(self, checkpoint: Mapping[str, Any]) -> None:
        self.commits += 1
        if self.path is not None:
            replace(self.path, json.dumps({"checkpoint": checkpoint, "events": self.seen()}).encode())

    def discard(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.open = False


class SharedListing(Listing):
    name = "shared"
    suffix = ".sqlite"
    in_place = True

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(path)
        mode = "rw" if path and path.exists() else "rwc"
        uri = f"{path.as_uri()}?mode={mode}" if path else ":memory:"
        try:
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=1)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS seen (event TEXT PRIMARY KEY)")
            self._db.execute("CREATE TABLE IF NOT EXISTS checkpoint (content TEXT)")
        except sqlite3.OperationalError as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise StoreError(str(error)) from error
        except sqlite3.DatabaseError:
            self._db.close()
            self._db = sqlite3.connect(":memory:", isolation_level=None)
            self._db.executescript("CREATE TABLE seen (event TEXT PRIMARY KEY); CREATE TABLE checkpoint (content TEXT)")

    def add(self, event: str) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event,))

    def seen(self) -> list[str]:
        return [event for (event,) in self._db.execute("SELECT event FROM seen ORDER BY event")]

    def checkpoint(self) -> dict[str, Any] | None:
        row = self._db.execute("SELECT content FROM checkpoint").fetchone()
        return json.loads(row[0]) if row else None

    def commit(self, checkpoint: Mapping[str, Any]) -> None:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM checkpoint")
            self._db.execute("INSERT INTO checkpoint VALUES (?)", (json.dumps(checkpoint),))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"cannot be written: {error}", path=str(self.path)) from error

    def discard(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        if self.open:
            self.open = False
            self._db.close()


for _listing in (Listing, WholeListing, SharedListing):
    _listing.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]  # the queries of the ports are not asked


@pytest.fixture(params=[WholeListing, SharedListing])
def listing(request: pytest.FixtureRequest) -> type[Listing]:
    """A fresh class of either kind, so that tests may change its version."""
    return type(request.param.__name__, (request.param,), {})


@pytest.fixture
def whole() -> type[Listing]:
    return type("WholeListing", (WholeListing,), {})


@pytest.fixture
def shared() -> type[Listing]:
    return type("SharedListing", (SharedListing,), {})


def line(seq: int, at: int, value: float = 0.0, type: str = "MetricsRecorded", v: int = 1) -> dict[str, Any]:
    """A line of another writer; `at` in seconds since 1970."""
    data = {"values": {"loss": value}, "step": seq}
    head = {"seq": seq, "at": format_time(at * 1_000_000), "type": type, "v": v, "stream": KEY}
    return {**head, "data": data, "crc": f"{seq:08x}"}


class Writing:
    """A log and short ways to write to it."""

    def __init__(self) -> None:
        self.log = MemoryLog()

    def own(self, *values: float) -> None:
        for value in values:
            self.log.append(MetricsRecorded(stream=KEY, values={"loss": value}))

    def other(self, *lines: dict[str, Any], writer: str = "f" * 32) -> None:
        self.log.deliver(writer, lines)

    line = staticmethod(line)

    def all(self) -> list[str]:
        """The ids of all events, sorted."""
        return sorted(f"{writer}:{line['seq']}" for writer in self.log.writers() for line in self.log.lines(writer))


@pytest.fixture
def writing() -> Writing:
    return Writing()


@pytest.fixture(autouse=True)
def looks_at_others_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace of looking at other writers has a test of its own."""
    monkeypatch.setattr("mltracker.projections.following.OTHERS_EVERY", 0.0)
