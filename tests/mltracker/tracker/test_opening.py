"""Addresses, stores that are none, and where things are put."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mltracker
from mltracker import InvalidValue, NewerFormat, NotAStore, NotFound, ReadOnly, Tracker
from mltracker.events.segments import SegmentLog
from mltracker.tracker.opening import _projections, location
from tests.mltracker.conftest import OpenTracker


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_path_a_file_url_or_memory() -> None:
    assert location("runs/") == Path.cwd() / "runs"
    assert location("file:///data/my%20runs") == Path("/data/my runs")
    assert location("file://localhost/data") == Path("/data")
    assert location("memory:") is None
    assert location("./like:this") == Path.cwd() / "like:this"
    assert location("~/runs") == Path.home() / "runs"


@pytest.mark.parametrize(
    "uri", ["http://host/a", "sqlite:///a.db", "redis:a", "file://host/a", "file:a", "memory:x", ""]
)
def test_other_addresses_are_refused(uri: str) -> None:
    with pytest.raises(InvalidValue, match="uri: "):
        mltracker.open(uri)


@pytest.mark.parametrize("option", ["projection", "durability", "on_error"])
def test_unknown_options_are_refused(store: Path, option: str) -> None:
    with pytest.raises(InvalidValue, match=f"{option}: must be one of"):
        mltracker.open(store, **{option: "nothing"})  # type: ignore[arg-type]


def test_the_default_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_tracker: OpenTracker) -> None:
    monkeypatch.chdir(tmp_path)
    with mltracker.open() as tracker:
        tracker.experiment()
    assert (tmp_path / ".mltracker" / "store.json").exists()
    monkeypatch.setenv("MLTRACKER_URI", (tmp_path / "elsewhere").as_uri())
    with mltracker.open() as tracker:
        tracker.experiment()
    assert (tmp_path / "elsewhere" / "store.json").exists()


def test_reading_creates_nothing(tmp_path: Path, tracker: Tracker, store: Path) -> None:
    assert tracker.experiments.list() == [] and tracker.experiments.read("a") is None
    assert tracker.sessions() == [] and list(tracker.history()) == [] and tracker.verify().ok
    assert tracker.as_of("2026-11-24T12:00:00Z").experiments.list() == []
    with pytest.raises(NotFound):
        tracker.experiments.restore("a")
    with pytest.raises(InvalidValue):
        tracker.experiments.create("a/b")
    tracker.close()
    assert files(tmp_path) == []


def test_the_first_event_makes_the_store(tracker: Tracker, store: Path) -> None:
    tracker.experiments.list()
    tracker.experiments.create("a")
    tracker.experiments.list()
    assert {"store.json", "events"} <= set(files(store))
    tracker.close()
    kept = [name for name in files(store) if name.startswith("projections/")]
    assert bool(kept) == (tracker.projection != "memory")


def test_a_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    with pytest.raises(NotAStore, match="is a file"):
        mltracker.open(path)


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(NotAStore, match=r"thesis\.tex"):
        mltracker.open(tmp_path)
    assert files(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_format_is_refused(store: Path, read_only: bool) -> None:
    store.mkdir()
    (store / "store.json").write_text('{"format":2,"id":"00"}')
    with pytest.raises(NewerFormat, match="format 2"):
        mltracker.open(store, read_only=read_only)
    assert files(store) == ["store.json"]


def test_read_only(open_tracker: OpenTracker, store: Path) -> None:
    with open_tracker() as tracker:
        tracker.experiment("a").aggregate("1").metrics.log({"loss": 0.5})
    before = (store / "events").stat().st_mtime_ns
    tracker = open_tracker(read_only=True)
    aggregate = tracker.experiment("a").aggregate("1")
    assert len(aggregate.metrics.list()) == 1
    for command in (
        lambda: aggregate.metrics.log({"loss": 0.5}),
        lambda: aggregate.metrics.clear(),
        lambda: aggregate.config.update({"a": 1}),
        lambda: tracker.experiments.create("b"),
        lambda: tracker.experiments.delete("a"),
        lambda: tracker.experiment("a").aggregate("1", config={"a": 1}),
        lambda: aggregate.training().__enter__(),
    ):
        with pytest.raises(ReadOnly):
            command()
    with pytest.raises(NotFound, match="'b'"):
        tracker.experiment("b")
    with pytest.raises(NotFound, match="'2'"):
        tracker.experiment("a").aggregate("2")
    tracker.close()
    assert (store / "events").stat().st_mtime_ns == before


def test_read_models_of_a_read_only_store_are_cached(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mltracker.open(store) as tracker:
        tracker.experiment("a")
    id = (store / "store.json").read_text().split('"id":"')[1][:32]
    assert _projections(store) == store / "projections"
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(store)))
    assert _projections(store) == tmp_path / "cache" / "mltracker" / id
    (store / "store.json").write_text("damaged")
    assert _projections(store) not in (None, store / "projections", tmp_path / "cache" / "mltracker" / id)


def test_durability_reaches_the_log(store: Path) -> None:
    with mltracker.open(store, durability="always") as tracker:
        assert isinstance(tracker._access.log, SegmentLog)
        assert tracker._access.log._durability == "always"


def test_creating_goes_on_without_a_lock(tracker: Tracker, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import fcntl

    flock = fcntl.flock

    def no_locks(file: int, operation: int) -> None:
        if Path(f"/proc/self/fd/{file}").readlink().name == "lock":
            raise OSError(errno.ENOLCK, "no locks available")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert tracker.experiments.create("a").name == "a"


def test_creating_waits_a_second_for_the_lock(tracker: Tracker, store: Path) -> None:
    import fcntl
    import time

    tracker.experiment("a")
    with (store / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        start = time.monotonic()
        tracker.experiment("b")
        assert 1 <= time.monotonic() - start < 5
        start = time.monotonic()
        tracker.experiment("b").aggregates.list()
        assert time.monotonic() - start < 1


def test_read_models_of_a_store_on_a_network_lie_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("mltracker.tracker.opening.is_remote", lambda folder: True)
    with mltracker.open(tmp_path / "store") as tracker:
        tracker.experiment("e").aggregate("1").metrics.log({"loss": 0.5})
    with mltracker.open(tmp_path / "store") as tracker:
        assert tracker.experiment("e").aggregate("1").last == {(None, "loss"): 0.5}
    assert not (tmp_path / "store" / "projections").exists()
    assert list((tmp_path / "cache" / "mltracker").rglob("tinydb-v*.json"))
