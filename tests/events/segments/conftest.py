"""A real store on disk, and a few ways to write to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mltracker.events.catalogue import AggregateCreated, ExperimentCreated, MetricsRecorded
from mltracker.events.log import Line
from mltracker.events.segments import SegmentLog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def log(store: Path) -> Iterator[SegmentLog]:
    log = SegmentLog(store)
    yield log
    log.close()


@pytest.fixture
def write() -> Callable[[SegmentLog, int], str]:
    """Write an experiment, an aggregate and `count` metrics; answers the aggregate's stream."""

    def write(log: SegmentLog, count: int) -> str:
        experiment = log.append(ExperimentCreated(name="mnist"))
        stream = log.append(AggregateCreated(experiment=experiment.id, id="1")).id
        for step in range(count):
            log.append(MetricsRecorded(stream=stream, values={"loss": step / 7}, step=step))
        return stream

    return write


@pytest.fixture
def sealed(store: Path, write: Callable[[SegmentLog, int], str]) -> Path:
    """The path of a sealed segment with 196 metrics: 200 events in all."""
    log = SegmentLog(store)
    write(log, 196)
    log.close()
    return next((store / "events").iterdir())


@pytest.fixture
def lines() -> Callable[[SegmentLog], list[Line]]:
    """Everything a fresh reader delivers."""

    def lines(log: SegmentLog) -> list[Line]:
        return [line for batch in log.reader().poll() for line in batch.lines]

    return lines


@pytest.fixture
def steps(lines: Callable[[SegmentLog], list[Line]]) -> Callable[[Path], list[int]]:
    """The steps of all metrics that a fresh process reads out of a store, in the order of the log."""

    def steps(store: Path) -> list[int]:
        found = lines(SegmentLog(store))
        return [line["data"]["step"] for line in found if line["type"] == "MetricsRecorded"]

    return steps
