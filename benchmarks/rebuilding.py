"""What building read models anew costs, in time and in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks.goals import Result
from benchmarks.measure import Size, fill, in_process, interleaved, opened, seconds

PROJECTIONS = ("memory", "tinydb", "sqlite")
SERIES_BYTES = 1_500
"""What a series may cost besides its points."""
MEMORY = """
import sys
import mltracker

def peak():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))

store, projection = sys.argv[1:]
with mltracker.open(store, projection=projection) as tracker:
    __import__("mltracker.projections." + projection)
    before = peak()
    tracker.rebuild(projection)
    print(peak() - before)
"""
"""Peak resident bytes; `ru_maxrss` would count what the parent had before the exec."""


def run(size: Size, folder: Path) -> dict[str, Result]:
    """All rows about rebuilding."""
    few, many = folder / "few", folder / "many"
    points = fill(few, size.events, min(100, size.events // 20), lambda index: 10 if index % 2 else 1)
    fill(many, size.events, min(5_000, size.events // 20), lambda index: 10)
    series = 11 * min(100, size.events // 20) // 2
    return {
        **_rebuilds(size, few, "rebuild"),
        **_rebuilds(size, many, "many"),
        **_space(few, points, series),
        "two_processes": Result(None, "there is no parallel rebuild"),
    }


def _limit(store: Path) -> None:
    for path in sorted((store / "events").glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)


def _rebuilds(size: Size, store: Path, prefix: str) -> dict[str, Result]:
    def contestant(projection: str) -> Callable[[], float]:
        def once() -> float:
            with opened(store, projection) as tracker:
                return seconds(lambda: tracker.rebuild(projection))

        return once

    contestants: dict[str, Callable[[], float]] = {"limit": lambda: seconds(lambda: _limit(store))}
    contestants |= {projection: contestant(projection) for projection in PROJECTIONS}
    took = interleaved(size.rounds, contestants)
    return {
        f"{prefix}_{name}": Result(took[name] / took["limit"], f"{took[name]:.2f} s, limit {took['limit']:.2f} s")
        for name in PROJECTIONS
    }


def _space(store: Path, points: int, series: int) -> dict[str, Result]:
    """Peak resident memory of a rebuild in a new process, less what the series may cost, a point."""
    results = {}
    for projection in PROJECTIONS:
        grown = int(in_process(MEMORY, str(store), projection))
        figure = max(grown - series * SERIES_BYTES, 0) / points
        results[f"space_{projection}"] = Result(figure, f"{grown / 1e6:.0f} MB at {points / 1e6:.1f} M points")
    return results
