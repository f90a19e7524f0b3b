"""The base class of users' projections."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest

from mltracker.errors import InvalidName, InvalidValue, ProjectionError
from mltracker.events import Event, MetricsRecorded, Recorded, TrainingStarted
from mltracker.projections import Projection, on

KEY = "0" * 32 + ":1"


class BestLoss(Projection):
    name, version = "best_loss", 1

    @on(MetricsRecorded)
    def lowest(self, event: Recorded) -> None:
        loss = event.event.values.get("loss")
        if loss is not None:
            self.state[event.stream] = min(loss, self.state.get(event.stream, loss))

    def best(self, key: str) -> float | None:
        return self.state.get(key)


def recorded(seq: int, **values: Any) -> Recorded:
    return Recorded("0" * 32, seq, seq, seq, "MetricsRecorded", 1, KEY, {"values": values})


def test_folds_events_and_answers_by_plain_methods() -> None:
    projection = BestLoss()
    assert projection.best(KEY) is None
    for seq, loss in enumerate([0.5, 0.2, 0.3]):
        projection.apply(recorded(seq, loss=loss))
    projection.apply(Recorded("0" * 32, 9, 9, 9, "TrainingStarted", 1, KEY, {}))
    assert projection.best(KEY) == 0.2


def test_a_typed_event_has_decoded_values() -> None:
    event = recorded(0, loss="NaN", gain="-Infinity", count=3).event
    assert isinstance(event, MetricsRecorded)
    assert math.isnan(event.values["loss"])
    assert event.values["gain"] == -math.inf
    assert (event.values["count"], type(event.values["count"])) == (3, int)


def test_on_takes_classes_and_names_and_several_of_them() -> None:
    class Count(Projection):
        name = "count"

        def start(self) -> int:
            return 0

        @on(MetricsRecorded, "TrainingStarted", TrainingStarted)
        def count(self, event: Recorded) -> None:
            self.state += 1

    assert Count.handlers == {"MetricsRecorded": "count", "TrainingStarted": "count"}
    projection = Count()
    projection.apply(recorded(0, loss=1.0))
    assert projection.state == 1


def test_a_subclass_inherits_handlers_and_may_override_them() -> None:
    class Highest(BestLoss):
        name = "highest"

        @on(MetricsRecorded)
        def lowest(self, event: Recorded) -> None:
            self.state[event.stream] = 7

    projection = Highest()
    projection.apply(recorded(0, loss=1.0))
    assert projection.best(KEY) == 7


def test_events_of_the_users_own() -> None:
    class OvenHeated(Event):
        celsius: float

    class Oven(Projection):
        name = "oven"

        @on(OvenHeated)
        def heated(self, event: Recorded) -> None:
            self.state["celsius"] = event.data["celsius"]

    assert Oven.handlers == {"OvenHeated": "heated"}


@pytest.mark.parametrize("name", [None, "", "../up", "a b", "1st", "tinydb", 7])
def test_a_bad_or_missing_name_fails_at_once(name: object) -> None:
    with pytest.raises(InvalidName, match=r"Nameless\.name"):
        type("Nameless", (Projection,), {} if name is None else {"name": name})


@pytest.mark.parametrize("version", [0, -1, "1", True, 1.0])
def test_a_bad_version_fails_at_once(version: object) -> None:
    with pytest.raises(InvalidValue, match=r"Bad\.version"):
        type("Bad", (Projection,), {"name": "bad", "version": version})


def test_an_unknown_event_type_fails_at_once_and_a_near_one_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"Bad.handle.*MetricRecorded.*Did you mean MetricsRecorded\?"):

        class Bad(Projection):
            name = "bad"

            @on("MetricRecorded")
            def handle(self, event: Recorded) -> None: ...


def test_on_without_events_fails_at_once() -> None:
    with pytest.raises(InvalidValue, match="on:"):
        on()
    with pytest.raises(InvalidValue, match="on:"):
        on(3)  # type: ignore[arg-type]


def test_two_handlers_of_one_event_fail_at_once() -> None:
    with pytest.raises(InvalidValue, match="MetricsRecorded is handled by one"):

        class Twice(Projection):
            name = "twice"

            @on(MetricsRecorded)
            def one(self, event: Recorded) -> None: ...

            @on(MetricsRecorded)
            def two(self, event: Recorded) -> None: ...


@pytest.mark.parametrize("state", [{1: 2}, (1,), {"a": {1, 2}}, {"a": [datetime(2026, 1, 1)]}, 2**63, object()])
def test_a_state_that_is_not_of_json_fails_at_once(state: object) -> None:
    class Odd(Projection):
        name = "odd"

        def start(self) -> object:
            return state

    with pytest.raises(InvalidValue, match=r"odd: what start\(\) returned"):
        Odd()


def test_a_handler_that_makes_the_state_other_than_json_is_named() -> None:
    class Odd(Projection):
        name = "odd"

        @on(MetricsRecorded)
        def spoil(self, event: Recorded) -> None:
            self.state["a"] = (1, 2)

    with pytest.raises(ProjectionError, match=r"spoil\(\).*'a': tuple is not of JSON"):
        Odd().apply(recorded(0, loss=1.0))


def test_a_failing_handler_names_projection_event_and_type() -> None:
    class Bad(Projection):
        name, version = "bad", 3

        @on(MetricsRecorded)
        def divide(self, event: Recorded) -> None:
            self.state["x"] = 1 / 0

    with pytest.raises(ProjectionError, match=f"bad v3: divide.*{'0' * 32}:4.*MetricsRecorded.*ZeroDivision") as caught:
        Bad().apply(recorded(4, loss=1.0))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
