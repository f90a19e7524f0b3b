"""Stores on every projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mltracker
from mltracker import Tracker

PROJECTIONS = ["tinydb", "sqlite", "memory"]
OpenTracker = Callable[..., Tracker]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a test lands in the user's folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MLTRACKER_URI", raising=False)


@pytest.fixture(params=PROJECTIONS)
def projection(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def open_tracker(store: Path) -> Iterator[OpenTracker]:
    """Opens the store of this test, any number of times."""
    opened = []

    def open_one(uri: object = None, **options: object) -> Tracker:
        opened.append(mltracker.open(store if uri is None else uri, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for tracker in opened:
        tracker.close()


@pytest.fixture
def tracker(open_tracker: OpenTracker, projection: str) -> Tracker:
    return open_tracker(projection=projection)
