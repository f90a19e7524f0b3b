"""The contract of read models, on each of ours."""

from __future__ import annotations

from pathlib import Path

from mltracker.projections.memory import MemoryReadModel
from mltracker.projections.read_model import StoredReadModel
from mltracker.projections.sqlite import SQLiteReadModel
from mltracker.projections.tinydb import TinyDBReadModel
from tests.contracts.read_model import ReadModelContract


class TestMemory(ReadModelContract):
    durable = False

    def make(self, path: Path | None) -> StoredReadModel:
        return MemoryReadModel()


class TestTinyDB(ReadModelContract):
    def make(self, path: Path | None) -> StoredReadModel:
        return TinyDBReadModel(path)


class TestSQLite(ReadModelContract):
    def make(self, path: Path | None) -> StoredReadModel:
        return SQLiteReadModel(path)
