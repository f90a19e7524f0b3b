"""What opening and asking cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.goals import Result
from benchmarks.measure import EXPERIMENT, Size, fill, in_process, interleaved, opened, seconds
from mltracker.events import SessionDescribed
from mltracker.events.segments import SegmentLog

FOLDER_TICK = 1.1
"""Seconds. A folder that changed just now is listed once more, since its clock is coarse."""
IMPORT = "import time; t = time.perf_counter(); import mltracker; print(time.perf_counter() - t)"


def run(size: Size, folder: Path) -> dict[str, Result]:
    """All rows about reading."""
    return {
        **_opening(size, folder),
        **_listing(size, folder),
        **_segments(size, folder),
        "import": _import(size),
    }


def _opening(size: Size, folder: Path) -> dict[str, Result]:
    store = folder / "points"
    fill(store, size.points, 1, lambda index: 1)
    for projection in ("tinydb", "sqlite"):
        with opened(store, projection) as tracker:
            tracker.experiment(EXPERIMENT).aggregates.list()
    took = interleaved(
        size.rounds,
        {
            "open_sqlite": lambda: seconds(lambda: _open_and_ask(store, "sqlite")),
            "open_tinydb": lambda: seconds(lambda: _open_and_ask(store, "tinydb")),
            "read_sqlite": lambda: _read(store, "sqlite")[0],
            "read_tinydb": lambda: _read(store, "tinydb")[0],
            "read_tinydb_again": lambda: _read(store, "tinydb")[1],
        },
    )
    scale = size.points / 1e6
    return {
        name: Result(1e3 * value / (1 if "sqlite" in name else scale), f"{size.points:,} points")
        for name, value in took.items()
    }


def _open_and_ask(store: Path, projection: str) -> None:
    with opened(store, projection) as tracker:
        assert tracker.experiments.read(EXPERIMENT) is not None


def _read(store: Path, projection: str) -> tuple[float, float]:
    """Seconds of the first and the second reading of one series."""
    with opened(store, projection) as tracker:
        metrics = tracker.experiment(EXPERIMENT).aggregate("0").metrics
        first, again = (seconds(lambda: metrics.series("loss", "train")) for _ in range(2))
    return first, again


def _listing(size: Size, folder: Path) -> dict[str, Result]:
    store = folder / "aggregates"
    fill(store, size.aggregates, size.aggregates, lambda index: 5)

    def contestant(projection: str) -> Callable[[], float]:
        def once() -> float:
            with opened(store, projection) as tracker:
                aggregates = tracker.experiment(EXPERIMENT).aggregates
                assert len(aggregates.list()) == size.aggregates
                return seconds(lambda: [aggregate.last for aggregate in aggregates.list()])

        return once

    took = interleaved(size.rounds, {name: contestant(name) for name in ("memory", "tinydb", "sqlite")})
    return {f"list_{name}": Result(1e3 * value, f"{size.aggregates:,} aggregates") for name, value in took.items()}


def _segments(size: Size, folder: Path) -> dict[str, Result]:
    store = folder / "segments"
    with opened(store, durability="os") as tracker:
        tracker.experiment(EXPERIMENT)
    for index in range(size.segments):
        log = SegmentLog(store, durability="os")
        log.append(SessionDescribed(environment={"rank": index}))
        log.close()
    with opened(store, "sqlite") as tracker:
        ask = {"ask": lambda: seconds(lambda: tracker.experiments.read(EXPERIMENT))}
        ask["ask"]()
        time.sleep(FOLDER_TICK)
        ask["ask"]()
        took = interleaved(max(size.rounds, 5) * 4, ask)
    return {"segments": Result(1e3 * took["ask"], f"{size.segments:,} segments")}


def _import(size: Size) -> Result:
    return Result(1e3 * statistics.median(float(in_process(IMPORT)) for _ in range(max(size.rounds, 5))))
