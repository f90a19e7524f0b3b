"""The file of the TinyDB read model: readable by TinyDB itself, replaced in one step, refused when it is not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tinydb import Query, TinyDB

from mltracker.errors import NotFound, StoreError
from mltracker.projections.tinydb import CachedStorage, TinyDBReadModel
from tests.contracts.scribe import Scribe


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tinydb.json"


@pytest.fixture
def stored(path: Path) -> Path:
    a = Scribe()
    experiment = a.experiment()
    for id, lr in (("1", 0.1), ("2", 0.2)):
        key = a.aggregate(experiment, id, config={"lr": lr}, modules=[{"type": "model", "hash": "h", "name": "Net"}])
        a.metrics(key, {"loss": lr / 10, "accuracy": "NaN"}, phase="train", epoch=1)
        a.write("IterationCompleted", key, hash="h", epoch=1)
    a.write("TagsChanged", key, changes={"best": True})
    model = TinyDBReadModel(path)
    model.apply(a.batch)
    model.commit({"position": 7})
    return path


def test_tinydb_reads_it(stored: Path) -> None:
    with TinyDB(stored) as database:
        first, second = database.table("aggregates").all()
        assert (first["id"], first["config"], first["epoch"]) == ("1", {"lr": 0.1}, 1)
        assert first["metrics"] == {"train/loss": 0.01, "train/accuracy": "NaN"}
        assert second["tags"] == {"best": True}
        assert [one["name"] for one in database.table("experiments").all()] == ["mnist"]
        assert len(database.table("iterations")) == 2
        assert len(database.table("sessions")) == 1


def test_queries_of_tinydb(stored: Path) -> None:
    database = TinyDBReadModel(stored).database
    one = Query()
    assert [doc["id"] for doc in database.table("aggregates").search(one.config.lr > 0.15)] == ["2"]
    assert [doc["id"] for doc in database.table("aggregates").search(one.tags.best == True)] == ["2"]  # noqa: E712
    assert database.table("points").get(one.names.any(["loss"]))["kind"] == "d"


def test_no_database_before_the_first_commit(path: Path) -> None:
    for model in (TinyDBReadModel(path), TinyDBReadModel(None)):
        with pytest.raises(NotFound):
            _ = model.database


def test_the_file_is_parsed_once(stored: Path) -> None:
    storage = CachedStorage(stored)
    first = storage.read()
    assert storage.read() is first
    storage.write({"other": {}})
    assert storage.read() == {"other": {}}
    assert CachedStorage(stored.with_name("none")).read() is None


def test_a_commit_leaves_nothing_beside_the_file(stored: Path) -> None:
    assert [entry.name for entry in stored.parent.iterdir()] == [stored.name]


def flip(data: bytes, index: int) -> bytes:
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


SPOILERS: list[Callable[[bytes], bytes]] = [
    lambda data: b"",
    lambda data: b"{}",
    lambda data: data[:-1],
    lambda data: data[: len(data) // 2],
    lambda data: flip(data, len(data) // 2),
    lambda data: flip(data, 3),
    lambda data: flip(data, len(data) - 6),
    lambda data: json.dumps(json.loads(data)).encode(),
]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_damaged_file_counts_as_none_and_is_left_alone(stored: Path, spoil: Callable[[bytes], bytes]) -> None:
    stored.write_bytes(spoil(stored.read_bytes()))
    before = stored.read_bytes()
    model = TinyDBReadModel(stored)
    assert model.checkpoint() is None
    assert model.experiments.list() == []
    assert stored.read_bytes() == before
    model.commit({"fresh": True})
    assert TinyDBReadModel(stored).checkpoint() == {"fresh": True}


@pytest.mark.parametrize("version", [2, 4])
def test_other_versions_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TinyDBReadModel, "version", version)
        TinyDBReadModel(path).commit({})
    assert TinyDBReadModel(path).checkpoint() is None


def test_discard_goes_back_to_the_last_commit(stored: Path) -> None:
    model = TinyDBReadModel(stored)
    a = Scribe("b")
    a.experiment("second")
    model.apply(a.batch)
    assert len(model.experiments.list()) == 2
    model.discard()
    assert [one.name for one in model.experiments.list()] == ["mnist"]
    assert model.checkpoint() == {"position": 7}


def test_a_commit_that_fails_says_where(tmp_path: Path) -> None:
    model = TinyDBReadModel(tmp_path / "missing" / "model.json")
    with pytest.raises(StoreError, match=r"missing.*cannot write"):
        model.commit({})


def test_points_stay_packed_until_they_are_needed(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []

    def spy(data: str) -> bytes:
        decoded.append(data)
        return bytes(8)

    monkeypatch.setattr("mltracker.projections.tinydb.a2b_base64", spy)
    model = TinyDBReadModel(stored)
    (experiment,) = model.experiments.list()
    assert len(model.aggregates(experiment.keys).list()) == 2
    model.commit({})
    assert decoded == []
