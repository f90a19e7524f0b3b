"""History, time travel, views and trainings."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mltracker import InvalidValue, Module, NotFound, ReadOnly, Tracker
from mltracker.events import ExperimentCreated, MetricsRecorded, NoteChanged
from mltracker.projections import Projection, on
from tests.mltracker.conftest import OpenTracker


class Counted(Projection):
    """Points a stream."""

    name, version, commutes = "counted", 1, True

    @on(MetricsRecorded)
    def count(self, event: Any) -> None:
        self.state[event.stream] = self.state.get(event.stream, 0) + len(event.data["values"])


# History -------------------------------------------------------------------------------------------------------------


def test_history(tracker: Tracker) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    for step in range(3):
        aggregate.metrics.log({"loss": step / 2}, step=step)
    types = [event.type for event in tracker.history()]
    assert types == ["SessionStarted", "ExperimentCreated", "AggregateCreated", *["MetricsRecorded"] * 3]
    assert len(list(tracker.history(aggregate))) == len(list(tracker.history(aggregate.keys[0]))) == 4
    assert len(list(tracker.history(types=[ExperimentCreated, "MetricsRecorded"]))) == 4
    events = list(tracker.history(types=MetricsRecorded))
    assert [event.event.values["loss"] for event in events] == [0, 0.5, 1]  # type: ignore[attr-defined]
    assert list(tracker.history(since=events[0].id)) == events[1:]
    assert list(tracker.history(since=events[1].at)) == events[1:]
    assert list(tracker.history(until=events[0].id))[-1] == events[0]
    assert list(tracker.history(types=MetricsRecorded, since=events[0].id, until=events[1].at)) == [events[1]]


def test_history_of_what_is_not_there(tracker: Tracker) -> None:
    tracker.experiment("a")
    with pytest.raises(NotFound):
        tracker.history(since="f" * 32 + ":1")
    for moment in ("yesterday", "", 1.5, None.__class__, True):
        with pytest.raises(InvalidValue, match="moment"):
            tracker.history(until=moment)  # type: ignore[arg-type]
    assert list(tracker.history("f" * 32 + ":1")) == []


def test_an_event_of_ones_own(tracker: Tracker) -> None:
    experiment = tracker.experiment("a")
    receipt = tracker.append(NoteChanged(stream=experiment.keys[0], text="by hand"))
    read = tracker.experiments.read("a")
    assert read is not None and read.note == "by hand"
    assert [event.id for event in tracker.history(types=NoteChanged)] == [receipt.id]
    with pytest.raises(InvalidValue, match="must be an Event"):
        tracker.append({"type": "NoteChanged"})  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="stream"):
        tracker.append(NoteChanged(text="of nothing"))


# Time travel ---------------------------------------------------------------------------------------------------------


def test_as_of(tracker: Tracker) -> None:
    aggregate = tracker.experiment("a").aggregate("1", config={"lr": 0.1})
    aggregate.metrics.log({"loss": 0.5}, step=1, epoch=1)
    aggregate.config.update({"lr": 0.2})
    tracker.experiments.create("b")
    experiment = tracker.experiment("b")
    experiment.name = "c"
    tracker.experiments.update(experiment)
    tracker.experiment("a").aggregates.delete("1")
    tracker.experiments.delete("a")
    events = list(tracker.history())

    start = tracker.as_of(events[0].id)
    assert start.experiments.list() == [] and len(start.sessions()) == 1
    logged = next(event for event in events if event.type == "MetricsRecorded")
    for moment in (logged.id, logged.at, datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=logged.at)):
        then = tracker.as_of(moment).experiment("a").aggregate("1")
        assert (dict(then.config), len(then.metrics.list()), then.epoch) == ({"lr": 0.1}, 1, 1)
    before = tracker.as_of(logged.at - 1).experiment("a").aggregate("1")
    assert before.metrics.list() == []
    renamed = next(event for event in events if event.type == "ExperimentRenamed")
    assert [one.name for one in tracker.as_of(renamed.id).experiments.list()] == ["a", "c"]
    assert [one.name for one in tracker.as_of(renamed.at - 1).experiments.list()] == ["a", "b"]
    assert [one.name for one in tracker.as_of("2100-01-01T00:00:00Z").experiments.list()] == ["c"]
    assert tracker.as_of("1990-01-01").experiments.list() == []


def test_the_past_is_read_only(tracker: Tracker) -> None:
    tracker.experiment("a").aggregate("1")
    past = tracker.as_of("2100-01-01T00:00:00Z")
    aggregate = past.experiment("a").aggregate("1")
    experiment = past.experiment("a")
    for command in (
        lambda: aggregate.metrics.log({"loss": 0.5}),
        lambda: aggregate.metrics.log_series("loss", [0.5]),
        lambda: aggregate.config.update({"a": 1}),
        lambda: aggregate.modules.add(Module("model", "1", "a")),
        lambda: experiment.aggregates.create("2"),
        lambda: experiment.aggregate("1", config={"a": 1}),
        lambda: past.experiments.update(experiment),
        lambda: past.experiments.delete("a"),
        lambda: aggregate.training().__enter__(),
    ):
        with pytest.raises(ReadOnly, match="as of 2100-01-01"):
            command()
    with pytest.raises(NotFound, match="'b' as of 2100"):
        past.experiment("b")


def test_a_training_of_the_past_runs_if_its_writer_wrote_later(tracker: Tracker) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    with aggregate.training():
        aggregate.metrics.log({"loss": 0.5})
    *_, logged, ended = tracker.history()
    assert tracker.as_of(logged.id).experiment("a").aggregate("1").status == "running"
    assert tracker.as_of(ended.id).experiment("a").aggregate("1").status == "completed"


# Trainings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("bad\ud800"), KeyboardInterrupt(), SystemExit(0)], ids=repr)
def test_a_failing_training(tracker: Tracker, error: BaseException) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    with pytest.raises(type(error)), aggregate.training():
        raise error
    [failed] = tracker.history(types="TrainingFailed")
    assert failed.data["error_type"] == type(error).__name__
    assert aggregate.status == "failed"
    with aggregate.training():
        assert aggregate.status == "running"
    assert aggregate.status == "completed" and len(aggregate.trainings) == 2


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_the_users_error_comes_out_even_where_it_cannot_be_recorded(open_tracker: OpenTracker) -> None:
    tracker = open_tracker()
    aggregate = tracker.experiment("e").aggregate("1")
    with pytest.raises(Wordless), aggregate.training():
        raise Wordless
    assert aggregate.status == "failed"
    with pytest.raises(ValueError, match="mine") as caught, aggregate.training():
        tracker.close()
        raise ValueError("mine")
    assert "was not recorded" in caught.value.__notes__[0]


def test_a_training_whose_process_ended_is_interrupted(open_tracker: OpenTracker) -> None:
    with open_tracker() as tracker:
        aggregate = tracker.experiment("a").aggregate("1")
        aggregate.training().__enter__()
        assert aggregate.status == "running"
    tracker = open_tracker()
    aggregate = tracker.experiment("a").aggregate("1")
    assert aggregate.status == "interrupted"
    with aggregate.training():
        assert aggregate.status == "running"
    assert aggregate.status == "completed"


# Views and rebuilds --------------------------------------------------------------------------------------------------


def test_a_view(tracker: Tracker, open_tracker: OpenTracker, store: Path) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 0.5, "accuracy": 0.5})
    assert tracker.view(Counted).state == {aggregate.keys[0]: 2}
    aggregate.metrics.log({"loss": 0.5})
    assert tracker.view(Counted).state == {aggregate.keys[0]: 3}
    tracker.rebuild("counted")
    assert tracker.view(Counted).state == {aggregate.keys[0]: 3}
    tracker.close()
    assert (store / "projections" / "counted-v1.json").exists()
    assert open_tracker().view(Counted).state == {aggregate.keys[0]: 3}


def test_a_view_of_no_store_makes_none(tmp_path: Path, tracker: Tracker, store: Path) -> None:
    assert tracker.view(Counted).state == {}
    assert not store.exists()
    aggregate = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 0.5})
    assert tracker.view(Counted).state == {aggregate.keys[0]: 1}


def test_a_view_of_the_past(tracker: Tracker) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 0.5})
    [logged] = tracker.history(types=MetricsRecorded)
    aggregate.metrics.log({"loss": 0.5})
    assert tracker.view(Counted).state == {aggregate.keys[0]: 2}
    assert tracker.as_of(logged).view(Counted).state == {aggregate.keys[0]: 1}
    assert tracker.as_of(logged.at - 1).view(Counted).state == {}


def test_what_is_no_view(tracker: Tracker) -> None:
    for wrong in (Counted(), "counted", Projection, int, None):
        for asked in (tracker, tracker.as_of("2100-01-01")):
            with pytest.raises(InvalidValue, match="must be a subclass of Projection"):
                asked.view(wrong)  # type: ignore[arg-type,type-var]
    with pytest.raises(InvalidValue, match=r"tracker\.view\(Counted\)"):
        tracker.view(Counted())  # type: ignore[arg-type,type-var]


def test_rebuild(tracker: Tracker, store: Path) -> None:
    tracker.experiment("a").aggregate("1").metrics.log_series("loss", [0.5] * 100)
    calls: list[tuple[int, int | None]] = []
    for name in ("tinydb", "sqlite", "memory"):
        tracker.rebuild(name, progress=lambda done, total: calls.append((done, total)))
    assert calls
    assert {"tinydb", "sqlite"} <= {path.name.split("-")[0] for path in (store / "projections").iterdir()}
    assert len(tracker.experiment("a").aggregate("1").metrics.list()) == 100
    with pytest.raises(NotFound, match="'nothing'"):
        tracker.rebuild("nothing")


def test_others_are_seen(tracker: Tracker, open_tracker: OpenTracker) -> None:
    import time

    other = open_tracker()
    aggregate = other.experiment("a").aggregate("1")
    assert tracker.experiment("a").keys == other.experiment("a").keys
    mine = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 0.5})
    time.sleep(0.11)
    assert len(mine.metrics.list()) == 1
