"""Interleaved runs and their medians, and stores to run them on."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mltracker

os.environ["MLTRACKER_CAPTURE"] = "minimal"  # what else is measured is not to be measured beside a description
NAMES = ["loss", "accuracy", "precision", "recall", "f1", "auc", "lr", "grad_norm", "throughput", "entropy"]
EXPERIMENT = "bench"


@dataclass(frozen=True)
class Size:
    """How large everything is; `quick` is for a smoke test and meets no figure."""

    rounds: int
    calls: int
    paced: int
    points: int
    events: int
    aggregates: int
    segments: int
    files: int


FULL = Size(
    rounds=5, calls=20_000, paced=5_000, points=1_000_000, events=1_000_000, aggregates=10_000, segments=10_000,
    files=10_000,
)  # fmt: skip
QUICK = Size(rounds=1, calls=200, paced=100, points=5_000, events=2_000, aggregates=50, segments=20, files=200)


def interleaved(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, over rounds in which each has its turn."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            figures[name].append(contestant())
    return {name: statistics.median(values) for name, values in figures.items()}


def seconds(work: Callable[[], object]) -> float:
    """How long it takes once."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def values(index: int, names: int) -> dict[str, float]:
    """Values as a training has them: all digits used."""
    return {name: 1.0 / (index + place + 1.7) for place, name in enumerate(NAMES[:names])}


@contextmanager
def opened(store: Path, projection: str = "memory", durability: str = "interval") -> Iterator[mltracker.Tracker]:
    """A tracker, closed at the end."""
    with mltracker.open(store, projection=projection, durability=durability) as tracker:  # type: ignore[arg-type]
        yield tracker


def fill(store: Path, events: int, aggregates: int, names: Callable[[int], int]) -> int:
    """A store of that many metric events, spread evenly; `names(i)` is how many names aggregate i logs. Its points."""
    points = 0
    with opened(store, durability="os") as tracker:
        experiment = tracker.experiment(EXPERIMENT)
        for index in range(aggregates):
            metrics = experiment.aggregates.create(str(index)).metrics
            count = names(index)
            for step in range(events // aggregates):
                metrics.log(values(step, count), step=step, phase="train")
            points += count * (events // aggregates)
    return points


def in_process(code: str, *arguments: str) -> str:
    """What a new Python prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
