"""A tracker that is dropped without a close."""

from __future__ import annotations

import gc
from pathlib import Path

import mltracker


def test_a_dropped_tracker_ends_its_session_and_frees_what_it_held(tmp_path: Path) -> None:
    def train(step: int) -> None:
        aggregate = mltracker.open(tmp_path / "store", projection="sqlite").experiment("e").aggregate("1")
        aggregate.metrics.log({"loss": 1.0}, step=step)
        assert aggregate.metrics.list()

    train(0)
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for step in range(1, 20):
        train(step)
        gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
    with mltracker.open(tmp_path / "store") as tracker:
        assert all(session.ended_at for session in tracker.sessions())
        assert len(tracker.experiment("e").aggregate("1").metrics.list()) == 20
