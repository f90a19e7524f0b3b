"""Checkpoints beyond the port's contract: damage, disks that are full, stores that are pulled."""

from __future__ import annotations

from pathlib import Path

import pytest

import mltracker
from mltracker import AppendFailed, Damaged, NotFound
from mltracker.events.blobs import FolderBlobs
from mltracker.tracker.aggregates import TrackedAggregate
from tests.mltracker.conftest import OpenTracker


@pytest.fixture
def aggregate(open_tracker: OpenTracker) -> TrackedAggregate:
    return open_tracker().experiment("mnist").aggregate("1")


def test_a_changed_blob_is_damage(aggregate: TrackedAggregate, store: Path) -> None:
    made = aggregate.checkpoints.add(b"weights", "best")
    assert made is not None
    blob = store / "blobs" / made.hash
    blob.write_bytes(b"weightz")
    target = store.parent / "out.pt"
    for to in (None, target):
        with pytest.raises(Damaged, match=f"{made.hash}.*SHA-256"):
            aggregate.checkpoints.load("best", to=to)  # type: ignore[call-overload]
    assert not target.exists()
    blob.unlink()
    with pytest.raises(NotFound, match=f"no blob {made.hash}"):
        aggregate.checkpoints.load("best")


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_full_disk(open_tracker: OpenTracker, monkeypatch: pytest.MonkeyPatch, on_error: str) -> None:
    tracker = open_tracker(on_error=on_error)
    aggregate = tracker.experiment("mnist").aggregate("1")

    def full(*_: object, **__: object) -> None:
        raise AppendFailed("disk full")

    monkeypatch.setattr(FolderBlobs, "put", full)
    if on_error == "raise":
        with pytest.raises(AppendFailed, match="disk full"):
            aggregate.checkpoints.add(b"weights")
    else:
        with pytest.warns(UserWarning, match="disk full"):
            assert aggregate.checkpoints.add(b"weights") is None
        with pytest.warns(UserWarning, match="1 events were not recorded"):
            tracker.close()
    with mltracker.open(tracker.uri, read_only=True) as reading:
        again = reading.experiment("mnist").aggregates.read("1")
        assert again is not None and again.checkpoints.list() == []


def test_a_deleted_aggregate_hides_them_until_it_is_restored(open_tracker: OpenTracker, projection: str) -> None:
    experiment = open_tracker(projection=projection).experiment("mnist")
    aggregate = experiment.aggregate("1")
    aggregate.checkpoints.add(b"weights", "best")
    experiment.aggregates.delete("1")
    assert aggregate.checkpoints.list() == [] and aggregate.sessions == [] and aggregate.reproductions == []
    with pytest.raises(NotFound, match="no checkpoint 'best'"):
        aggregate.checkpoints.load("best")
    experiment.aggregates.restore("1")
    assert aggregate.checkpoints.load("best") == b"weights"


def test_a_pulled_store_has_their_contents(aggregate: TrackedAggregate, store: Path, tmp_path: Path) -> None:
    from mltracker.events.segments.pull import pull

    aggregate.checkpoints.add(b"weights", "best")
    pull(store, tmp_path / "other")
    with mltracker.open(tmp_path / "other", read_only=True) as tracker:
        pulled = tracker.experiment("mnist").aggregates.read("1")
        assert pulled is not None and pulled.checkpoints.load("best") == b"weights"
