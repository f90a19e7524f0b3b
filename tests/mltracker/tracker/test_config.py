"""A config is changed in place, each change an event."""

from __future__ import annotations

import pytest

from mltracker import InvalidParameters, InvalidValue, NotFound, ReadOnly, Tracker
from mltracker.tracker.aggregates import TrackedAggregate


@pytest.fixture
def aggregate(tracker: Tracker) -> TrackedAggregate:
    return tracker.experiment("mnist").aggregate("1", config={"lr": 0.1, "batch": {"size": 32, "shuffle": True}})


def changes(tracker: Tracker) -> list[tuple[object, object]]:
    return [(event.data["changes"], event.data["removed"]) for event in tracker.history(types="ConfigChanged")]


def test_items_are_set_and_removed(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    config = aggregate.config
    config["lr"] = 0.2
    config["lr"] = 0.2
    config["optimizer"] = {"name": "SGD"}
    del config["batch"]
    assert config == aggregate.config == {"lr": 0.2, "optimizer.name": "SGD"}
    assert changes(tracker) == [
        ({"lr": 0.2}, []),
        ({"optimizer.name": "SGD"}, []),
        ({}, ["batch.size", "batch.shuffle"]),
    ]
    with pytest.raises(NotFound, match="'batch'"):
        del config["batch"]
    with pytest.raises(KeyError):
        config["batch"]
    with pytest.raises(InvalidParameters):
        config["lr"] = object()
    assert config.pop("lr") == 0.2 and config.pop("lr", None) is None
    config.clear()
    assert dict(config) == {} and len(changes(tracker)) == 5


def test_it_is_updated_in_place(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    aggregate.config |= {"lr": 0.2, "seed": 7}
    assert aggregate.config == {"lr": 0.2, "batch.size": 32, "batch.shuffle": True, "seed": 7}
    assert changes(tracker) == [({"lr": 0.2, "seed": 7}, [])]


def test_it_is_not_replaced(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    with pytest.raises(InvalidValue, match=r"config\.update"):
        aggregate.config = {"lr": 1.0}
    with pytest.raises(InvalidValue, match=r"config\.update"):
        aggregate.config = tracker.experiment("mnist").aggregate("2").config
    assert changes(tracker) == []


def test_the_past_keeps_its_own(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    then = tracker.as_of("2100-01-01").experiment("mnist").aggregate("1")
    with pytest.raises(ReadOnly):
        then.config["lr"] = 1.0
