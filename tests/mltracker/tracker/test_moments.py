"""Everything that may stand for a moment, a stream, a type of events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mltracker import Aggregate, Experiment, InvalidValue, Iteration, Metric, NotFound, Tracker
from mltracker.events import MetricsRecorded
from tests.mltracker.conftest import OpenTracker

LOG = "memory:"


@pytest.fixture
def tracker(open_tracker: OpenTracker) -> Tracker:
    return open_tracker(LOG, projection="memory")


@pytest.fixture
def _far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "XXX-05:30")
        time.tzset()
        yield
    time.tzset()


def points(tracker: Tracker, moment: Any) -> int:
    return len(tracker.as_of(moment).experiment("a").aggregate("1").metrics.list())


def test_events_are_moments(tracker: Tracker) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"a:b:c": 0.5})
    aggregate.iterations.add(Iteration("1"))
    receipt = tracker.append(MetricsRecorded(stream=aggregate.keys[0], values={"loss": 0.5}))
    aggregate.metrics.log_series("loss", [0.5, 0.25])
    first, second, *_, last = aggregate.metrics.list()
    [iteration] = aggregate.iterations
    recorded = list(tracker.history(types=MetricsRecorded))[1]
    assert first.id and first.id.endswith(":a:b:c") and last.id and last.id.endswith(":loss:1")
    for moment, count in (
        (first, 1), (first.id, 1), (iteration, 1), (iteration.id, 1), (receipt, 2), (receipt.id, 2),
        (recorded, 2), (second, 2), (recorded.at, 2), (recorded.time, 2), (last, 4), (last.id, 4),
    ):  # fmt: skip
        assert points(tracker, moment) == count
        assert len(list(tracker.history(until=moment))) + len(list(tracker.history(since=moment))) in (7, 8)
    assert [event.type for event in tracker.history(since=receipt)] == ["MetricSeriesRecorded"]
    assert list(tracker.history(since=first, until=recorded))[-1] == recorded


def test_what_is_no_moment(tracker: Tracker) -> None:
    tracker.experiment("a")
    for moment in (Metric("loss", 0.5), Iteration("1")):
        with pytest.raises(InvalidValue, match="was not read from a store"):
            tracker.as_of(moment)
    with pytest.raises(NotFound):
        tracker.as_of(Metric("loss", 0.5, id="f" * 32 + ":1:loss"))
    for wrong in (10**30, True, 1.5, object()):
        with pytest.raises(InvalidValue, match="moment"):
            tracker.as_of(wrong)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_far_from_greenwich")
def test_a_naive_datetime_is_local_and_naive_text_is_utc(tracker: Tracker) -> None:
    tracker.experiment("a")
    at = list(tracker.history())[-1].time
    assert at.utcoffset() == timedelta(0)
    local = at.astimezone().replace(tzinfo=None)
    assert local - at.replace(tzinfo=None) == timedelta(hours=5, minutes=30)
    for moment in (local, at, at.astimezone(timezone(timedelta(hours=-3))), at.replace(tzinfo=None).isoformat()):
        assert [one.name for one in tracker.as_of(moment).experiments] == ["a"]
    for moment in (local - timedelta(microseconds=1), (at - timedelta(microseconds=1)).isoformat()):
        assert list(tracker.as_of(moment).experiments) == []
    assert len(list(tracker.history(since=datetime.now()))) == 0


def test_models_know_their_time(tracker: Tracker) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    with aggregate.training():
        aggregate.metrics.log({"loss": 0.5})
        aggregate.iterations.add(Iteration("1"))
    now = datetime.now(timezone.utc)
    timed = [*aggregate.metrics.list(), *aggregate.iterations, *aggregate.trainings, *tracker.sessions()]
    assert len(timed) == 4
    for one in (*timed, *tracker.history()):
        assert one.time is not None and one.time.utcoffset() == timedelta(0)
        assert timedelta(0) <= now - one.time < timedelta(minutes=1)
    assert Metric("loss", 0.5).time is None and Iteration("1").time is None


def test_streams(tracker: Tracker) -> None:
    experiment = tracker.experiment("a")
    aggregate = experiment.aggregate("1")
    for stream in (experiment, experiment.keys[0], aggregate, aggregate.keys[0]):
        assert len(list(tracker.history(stream))) == 1
    for wrong in ("a/1", "", "a", 7, Experiment("a"), Aggregate("1")):
        with pytest.raises(InvalidValue, match="stream"):
            tracker.history(wrong)  # type: ignore[arg-type]


def test_types(tracker: Tracker) -> None:
    tracker.experiment("a").aggregate("1")
    assert list(tracker.history(types="MetricsRecorded")) == []
    with pytest.raises(InvalidValue, match=r"'MetricRecorded'.*Did you mean MetricsRecorded"):
        tracker.history(types=["ExperimentCreated", "MetricRecorded"])
    for wrong in (int, 7, [None]):
        with pytest.raises(InvalidValue, match="types"):
            tracker.history(types=wrong)  # type: ignore[arg-type]


def test_a_type_that_only_the_log_knows(tracker: Tracker) -> None:
    tracker.experiment("a")
    line = {
        "seq": 0,
        "at": "2026-11-24T12:00:00.000000Z",
        "type": "Foreign",
        "v": 1,
        "stream": "",
        "data": {},
        "crc": "0",
    }
    tracker._access.log.deliver("f" * 32, [line])  # type: ignore[attr-defined]
    assert [event.type for event in tracker.history(types="Foreign")] == ["Foreign"]
    with pytest.raises(InvalidValue, match="Did you mean Foreign"):
        tracker.history(types="Foreigner")
