"""Files of the real read models, damaged in every way that shows: rebuilt with one notice, and the right answers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import mltracker
from mltracker.errors import Notice


def fill(store: Path, projection: Any) -> Path:
    """A store with something in it; answers the file of its read model."""
    with mltracker.open(store, projection=projection, durability="os") as tracker:
        for number in range(10):
            metrics = tracker.experiment("mnist").aggregate(str(number)).metrics
            for step in range(300):
                metrics.log({"loss": step / 3, "accuracy": step}, step=step)
        tracker.experiment("mnist").aggregates.list()
    (path,) = [path for path in (store / "projections").iterdir() if path.suffix in (".json", ".sqlite")]
    return path


def answers(store: Path, projection: Any) -> list[Any]:
    with mltracker.open(store, projection=projection, read_only=True) as tracker:
        aggregates = tracker.experiment("mnist").aggregates.list()
        return [(one.id, one.last, [(p.id, p.value) for p in one.metrics.list()]) for one in aggregates]


def spoiled(content: bytes, how: str) -> bytes:
    third = len(content) // 3
    if how == "empty":
        return b""
    if how == "zeros":
        return bytes(len(content))
    if how == "half":
        return content[: len(content) // 2]
    if how == "head":
        return b"\xff" * 100 + content[100:]
    return content[:third] + b"\xff" * third + content[2 * third :]


@pytest.mark.parametrize("projection", ["tinydb", "sqlite"])
@pytest.mark.parametrize("how", ["empty", "zeros", "half", "head", "middle"])
def test_damage_is_answered_by_a_rebuild(tmp_path: Path, projection: str, how: str) -> None:
    store = tmp_path / "store"
    path = fill(store, projection)
    expected = answers(store, "memory")
    path.write_bytes(spoiled(path.read_bytes(), how))
    with pytest.warns(Notice, match="read model was rebuilt") as notices:
        assert answers(store, projection) == expected
    assert len(notices) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert answers(store, projection) == expected
