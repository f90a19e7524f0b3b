"""The hot path writes the very bytes that the typed event would."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
import orjson
import pytest

import mltracker
from mltracker import Metric, Tracker
from mltracker.events import MetricSeriesRecorded, MetricsRecorded
from mltracker.tracker import columns, metrics


class Name(str, enum.Enum):  # noqa: UP042 - unlike StrEnum, its str() is not its value
    LOSS = "loss"


@pytest.fixture
def tracker() -> Tracker:
    return mltracker.open("memory:", projection="memory")


def recorded(tracker: Tracker, types: type) -> list[tuple[bytes, bytes]]:
    """The payloads as they were written, and as their events would write them."""
    return [(orjson.dumps(event.data), event.event.encoded()) for event in tracker.history(types=types)]


PLACES = [{}, {"step": 1}, {"epoch": 0, "phase": "train"}, {"step": -1, "epoch": 2, "batch": 3, "phase": "a/b"}]


@pytest.mark.parametrize("values", [{"a": 1.0, "b": 2}, {"a": math.nan}, {"a": -(2**63)}, {"a": 1e308, "b": 1e308}])
@pytest.mark.parametrize("places", PLACES)
def test_logged_payloads(tracker: Tracker, values: dict[str, float], places: dict[str, Any]) -> None:
    log = tracker.experiment("a").aggregate("1").metrics
    metrics._names.clear()
    log.log(values, **places)
    log.log(values, **places)
    log.add(Metric("a", values["a"], **places))
    payloads = recorded(tracker, MetricsRecorded)
    expected = MetricsRecorded(values=values, **places).encoded()
    assert payloads[:2] == [(expected, expected)] * 2
    assert payloads[2][0] == MetricsRecorded(values={"a": values["a"]}, **places).encoded()


@pytest.mark.parametrize("column", [[0.5, 1.5], [1, 2], [math.nan, 1.0], [math.inf, 2]])
@pytest.mark.parametrize("steps", [None, range(2), [5, 3], [1, 1]])
def test_series_payloads(tracker: Tracker, column: list[float], steps: Any) -> None:
    tracker.experiment("a").aggregate("1").metrics.log_series("loss", column, steps, epoch=1, phase="train")
    [(written, typed)] = recorded(tracker, MetricSeriesRecorded)
    assert written == typed


def test_long_series_are_cut(tracker: Tracker) -> None:
    n = columns.CHUNK
    tracker.experiment("a").aggregate("1").metrics.log_series("loss", [0.5] * (2 * n + 1), range(0, 6 * n + 3, 3))
    events = list(tracker.history(types=MetricSeriesRecorded))
    assert [len(event.data["values"]) for event in events] == [n, n, 1]
    assert [event.data["steps"] for event in events] == [{"start": start, "step": 3} for start in (0, 3 * n, 6 * n)]


def test_names_are_remembered_up_to_a_limit(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_MOST_NAMES", 2)
    monkeypatch.setattr(metrics, "_names", set())
    log = tracker.experiment("a").aggregate("1").metrics
    for name in "abcd":
        log.log({name: 1.0})
    assert metrics._names == {"a", "b"} and len(log.list()) == 4


def test_names_that_are_another_type_of_string(tracker: Tracker) -> None:
    recorded = tracker.experiment("e").aggregate("1").metrics
    for name in ("loss", np.str_("loss"), Name.LOSS):
        recorded.log({name: 1.0}, step=1)
    assert [(type(point.name), point.name) for point in recorded.list()] == [(str, "loss")] * 3


def test_a_mapping_that_is_no_dict(tracker: Tracker) -> None:
    from types import MappingProxyType

    log = tracker.experiment("a").aggregate("1").metrics
    log.log(MappingProxyType({"a": 1.0}))
    with pytest.raises(mltracker.InvalidValue, match="values: must be a mapping"):
        log.log([("a", 1.0)])  # type: ignore[arg-type]
    with pytest.raises(mltracker.InvalidValue, match="must be a Metric"):
        log.add({"a": 1.0})  # type: ignore[arg-type]
    assert len(log.list()) == 1


def test_scalars_of_numpy_are_written_as_pythons(tracker: Tracker) -> None:
    np = pytest.importorskip("numpy")
    log = tracker.experiment("a").aggregate("1").metrics
    log.log({"a": np.float64(0.1), "b": np.float64("nan"), "c": np.int64(3)}, step=np.int32(1))
    [(written, typed)] = recorded(tracker, MetricsRecorded)
    assert written == typed == b'{"values":{"a":0.1,"b":"NaN","c":3},"step":1}'
