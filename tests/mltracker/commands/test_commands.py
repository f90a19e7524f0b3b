"""Decisions are pure: read model in, events out. What rests on a broken clock is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mltracker.commands import contents, structure
from mltracker.commands.given import DAY, Given, Seen
from mltracker.errors import FutureClock
from mltracker.events import ExperimentCreated
from mltracker.events.catalogue import AggregateCreated, AggregateDeleted, Event, MetricsRecorded
from mltracker.events.envelope import format_time
from mltracker.events.log import Batch, Line
from mltracker.models import Module
from mltracker.projections.memory import MemoryReadModel

NOW = 1_764_000_000_000_000
MINE, THEIRS = "a" * 32, "b" * 32
EXPERIMENT, AGGREGATE = f"{THEIRS}:1", f"{THEIRS}:2"


def given(at: int, *events: Event, writer: str = THEIRS) -> Given:
    """The read model of these events, stamped from `at` on, as this machine sees it at NOW."""
    model = MemoryReadModel()
    lines: list[Line] = [
        {
            "seq": seq, "at": format_time(at + seq), "type": event.type, "v": event.version,
            "stream": event.stream_in(writer, seq), "data": event.data(), "crc": "",
        }
        for seq, event in enumerate(events, start=1)
    ]  # fmt: skip
    model.apply(Batch(writer, lines))
    return Given(model, NOW, MINE)


EVENTS = (
    ExperimentCreated(name="mnist"),
    AggregateCreated(experiment=EXPERIMENT, id="1"),
    MetricsRecorded(stream=AGGREGATE, values={"loss": 0.5}),
)
DEPENDING: list[Callable[[Given], list[Event]]] = [
    lambda given: structure.delete_experiment(given, "mnist", "d"),
    lambda given: structure.update_experiment(
        given, [EXPERIMENT], Seen("mnist", {}, ""), type("E", (), {"name": "b", "tags": {}, "note": ""})()
    ),
    lambda given: structure.create_aggregate(given, _found(given), "2", [], None),
    lambda given: structure.delete_aggregate(given, [EXPERIMENT], "1", "d"),
    lambda given: contents.attach(given, [AGGREGATE], Module("model", "1", "a")),
    lambda given: contents.clear_metrics(given, [AGGREGATE], ""),
    lambda given: contents.rename_metric(given, [AGGREGATE], "loss", "los", ""),
    lambda given: contents.void(given, [AGGREGATE], f"{THEIRS}:3:loss", ""),
]


def _found(given: Given):  # type: ignore[no-untyped-def]
    return given.model.experiments.read("mnist")


@pytest.mark.parametrize("decide", DEPENDING)
def test_what_rests_on_another_day_is_refused(decide: Callable[[Given], list[Event]]) -> None:
    assert decide(given(NOW + DAY // 2, *EVENTS))
    with pytest.raises(FutureClock, match=rf"writer {THEIRS}.* 2\.0 days") as caught:
        decide(given(NOW + 2 * DAY, *EVENTS))
    assert "clock" in caught.value.hint


def test_ones_own_clock_is_ones_own_affair() -> None:
    situation = given(NOW + 2 * DAY, *EVENTS)
    assert structure.delete_experiment(Given(situation.model, NOW, THEIRS), "mnist", "d")


def test_restoring_rests_on_the_delete() -> None:
    situation = given(NOW + 2 * DAY, *EVENTS, AggregateDeleted(stream=AGGREGATE, deletion="d"))
    with pytest.raises(FutureClock):
        structure.restore_aggregate(situation, [EXPERIMENT], "1")


def test_creating_something_new_rests_on_nothing() -> None:
    assert structure.create_experiment(given(NOW + 2 * DAY, *EVENTS), "cifar") == [ExperimentCreated(name="cifar")]


def test_one_event_a_key() -> None:
    situation = given(NOW, *EVENTS, AggregateCreated(experiment=EXPERIMENT, id="1"))
    keys = [AGGREGATE, f"{THEIRS}:4"]
    assert [event.stream for event in structure.delete_aggregate(situation, [EXPERIMENT], "1", "d")] == keys
    assert [event.stream for event in contents.clear_metrics(situation, keys, "")] == keys
    assert [event.stream for event in contents.attach(situation, keys, Module("model", "1", "a"))] == keys[:1]
    assert contents.clear_metrics(situation, keys, "")[0].data()["position"] == {THEIRS: 3}
