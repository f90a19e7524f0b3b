"""The file of the SQLite read model: committed as one, chunked, refused when it is not whole."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mltracker.errors import Damaged, StoreError
from mltracker.events.log import Batch
from mltracker.projections import chunks, sqlite
from mltracker.projections.memory import MemoryReadModel
from mltracker.projections.sqlite import SQLiteReadModel
from tests.contracts.answers import all_answers
from tests.contracts.scribe import Scribe


@pytest.fixture(autouse=True)
def close_all(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test opened, so that no connection is left to the garbage collector."""
    opened: list[SQLiteReadModel] = []
    begin = SQLiteReadModel.__init__

    def noted(model: SQLiteReadModel, *args: Path | None) -> None:
        opened.append(model)
        begin(model, *args)

    monkeypatch.setattr(SQLiteReadModel, "__init__", noted)
    yield
    for model in opened:
        model.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.sqlite"


def story(steps: int = 50) -> Scribe:
    a = Scribe()
    key = a.aggregate(a.experiment())
    for step in range(steps):
        a.metrics(key, {"loss": step / 7, "accuracy": step / 9}, step=step, epoch=step // 10, batch=step % 10)
    a.write("MetricSeriesRecorded", key, name="lr", values=[0.5] * 40, steps=list(range(40)))
    return a


def stored(path: Path, scribe: Scribe) -> None:
    model = SQLiteReadModel(path)
    model.apply(scribe.batch)
    model.commit({"position": 7})
    model.close()


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection, connection:
        (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


def expected(scribe: Scribe) -> object:
    model = MemoryReadModel()
    model.apply(scribe.batch)
    return all_answers(model)


def test_small_commits_share_a_chunk(path: Path) -> None:
    a = story()
    for batch in a.singly():
        model = SQLiteReadModel(path)
        model.apply(batch)
        model.commit({})
        model.close()
    assert count(path, "chunks") == 2
    assert all_answers(SQLiteReadModel(path)) == expected(a)


def test_large_ones_are_cut(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "FULL_ROWS", 8)
    monkeypatch.setattr(chunks, "OPEN_BYTES", 4 * 40)
    a = story()
    model = SQLiteReadModel(path)
    for start in range(0, len(a.lines), 11):
        model.apply(Batch(a.writer, a.lines[start : start + 11]))
        model.commit({})
    assert count(path, "chunks") > 10
    assert all_answers(model) == expected(a)
    model.close()


def test_memory_is_flushed_before_the_commit_and_taken_back_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PENDING_BYTES", 100)
    first, second = story(), Scribe("b")
    second.experiment("second")
    stored(path, first)
    model = SQLiteReadModel(path)
    model.apply(second.batch)
    for batch in second.singly():
        model.apply(batch)
    assert len(model.experiments.list()) == 2
    assert count(path, "sessions") == 1, "others see it only after the commit"
    model.discard()
    assert all_answers(model) == expected(first)
    model.apply(second.batch)
    model.commit({"position": 8})
    model.close()
    model = SQLiteReadModel(path)
    assert model.checkpoint() == {"position": 8}
    assert len(model.experiments.list()) == 2
    model.close()


def test_what_is_not_committed_is_lost_as_a_whole(path: Path) -> None:
    first = story()
    stored(path, first)
    model = SQLiteReadModel(path)
    more = Scribe("b")
    more.experiment("second")
    model.apply(more.batch)
    model.close()
    model = SQLiteReadModel(path)
    assert model.checkpoint() == {"position": 7}
    assert all_answers(model) == expected(first)
    model.close()


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(4096)])
def test_what_is_no_such_file_counts_as_none_and_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    model = SQLiteReadModel(path)
    assert model.checkpoint() is None
    assert model.experiments.list() == []
    assert path.read_bytes() == content
    model.commit({"fresh": True})
    model.close()
    model = SQLiteReadModel(path)
    assert model.checkpoint() == {"fresh": True}
    model.close()


@pytest.mark.parametrize("version", [2, 4])
def test_other_versions_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SQLiteReadModel, "version", version)
        stored(path, story())
    model = SQLiteReadModel(path)
    assert model.checkpoint() is None
    model.close()


@pytest.mark.parametrize(
    ("table", "column"),
    [("numbers", "data"), ("chunks", "steps"), ("entities", "summary"), ("states", "state"), ("tables", "doc")],
)
def test_a_changed_byte_is_noticed(path: Path, table: str, column: str) -> None:
    stored(path, story())
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute(f"SELECT {column} FROM {table}").fetchall()
        for (data,) in rows:
            spoiled = data[:5] + bytes([data[5] ^ 64]) + data[6:]
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (spoiled, data))
    connection.close()
    model = SQLiteReadModel(path)
    with pytest.raises(Damaged, match=r"model\.sqlite: read model is damaged: a checksum does not match\. Delete it"):
        all_answers(model)
    model.close()


def test_a_missing_chunk_is_noticed(path: Path) -> None:
    stored(path, story())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM chunks")
    connection.close()
    model = SQLiteReadModel(path)
    with pytest.raises(Damaged, match="rows are missing"):
        all_answers(model)
    model.close()


def test_a_damaged_checkpoint_is_none(path: Path) -> None:
    stored(path, story())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = x'7b7d00000000'")
    connection.close()
    model = SQLiteReadModel(path)
    assert model.checkpoint() is None
    model.close()


def test_other_threads_may_ask(path: Path) -> None:
    a = story()
    stored(path, a)
    model = SQLiteReadModel(path)
    model.checkpoint()
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(all_answers(model)))
    thread.start()
    thread.join()
    assert answers == [expected(a)]
    model.close()


def test_a_commit_that_fails_says_where(tmp_path: Path) -> None:
    model = SQLiteReadModel(tmp_path / "missing" / "model.sqlite")
    with pytest.raises(StoreError, match=r"missing.model\.sqlite: read model cannot be used"):
        model.commit({})


def test_the_file_is_read_on_demand(path: Path) -> None:
    stored(path, story())
    model = SQLiteReadModel(path)
    asked: list[str] = []
    (experiment,) = model.experiments.list()
    model._db._connection.set_trace_callback(asked.append)  # type: ignore[union-attr]
    model.aggregates(experiment.keys).list()
    assert not [sql for sql in asked if "chunks" in sql or "numbers" in sql or "states" in sql]
    model.close()
