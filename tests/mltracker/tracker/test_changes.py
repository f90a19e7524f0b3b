"""Every change of an aggregate, with before and after: replayed, the changes make what the aggregate is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mltracker
from mltracker import Closed, Iteration, Module, Tracker
from mltracker.events import AggregateCreated, ConfigChanged, Event, ExperimentCreated, ReproductionRecorded
from mltracker.events.catalogue import MetricVoided, TagsChanged
from mltracker.tracker.aggregates import TrackedAggregate
from mltracker.tracker.changes import ABSENT, Change

NET = Module("model", "1", "Net", {"size": 3})


class Annealed(Event):
    """An event of a user's own."""

    celsius: float


@pytest.fixture
def aggregate(tracker: Tracker) -> TrackedAggregate:
    return tracker.experiment("mnist").aggregate("1", [NET], {"lr": 0.1, "seed": None})


def told(aggregate: TrackedAggregate, points: bool = False) -> list[tuple[str, str, Any, Any]]:
    return [(one.kind, one.name, one.before, one.after) for one in aggregate.history(points=points)]


def test_its_creation(aggregate: TrackedAggregate) -> None:
    assert told(aggregate) == [
        ("aggregate", "1", ABSENT, "created"),
        ("module", "model", ABSENT, NET),
        ("config", "lr", ABSENT, 0.1),
        ("config", "seed", ABSENT, None),
    ]


def since(aggregate: TrackedAggregate, begin: int) -> list[tuple[str, str, Any, Any]]:
    return told(aggregate)[begin:]


def test_config_tags_note_modules(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    begin = len(told(aggregate))
    aggregate.config.update({"lr": 0.2, "seed": None})
    aggregate.config.update({"lr": {"start": 1, "end": 2}})
    aggregate.config.remove("seed")
    aggregate.tags["best"] = True
    aggregate.note = "good"
    tracker.experiment("mnist").aggregates.update(aggregate)
    del aggregate.tags["best"]
    aggregate.note = ""
    tracker.experiment("mnist").aggregates.update(aggregate)
    larger = Module("model", "1", "Net", {"size": 4})
    aggregate.modules.add(larger)
    aggregate.modules.remove(larger)
    assert since(aggregate, begin) == [
        ("config", "lr", 0.1, 0.2),
        ("config", "lr", 0.2, ABSENT),
        ("config", "lr.start", ABSENT, 1),
        ("config", "lr.end", ABSENT, 2),
        ("config", "seed", None, ABSENT),
        ("tag", "best", ABSENT, True),
        ("note", "", ABSENT, "good"),
        ("tag", "best", True, ABSENT),
        ("note", "", "good", ABSENT),
        ("module", "model", NET, larger),
        ("module", "model", larger, ABSENT),
    ]


def test_trainings_iterations_checkpoints(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    begin = len(told(aggregate))
    with aggregate.training(), aggregate.iteration("train", 1) as it:
        it.checkpoint(b"1", "best")
        it.checkpoint(b"2", "best")
    with pytest.raises(OSError, match="disk"), aggregate.training(), aggregate.iteration("train", 2):
        raise OSError("disk")
    aggregate.iterations.add(Iteration("h", "test"))
    aggregate.iterations.clear()
    aggregate.iterations.add(Iteration("h", "test"))
    aggregate.iterations.clear()
    tracker.append(ReproductionRecorded(stream=aggregate.keys[0], verdict="identical", reproduction="r:1"))
    one, two = (held.hash for held in aggregate.checkpoints)
    assert since(aggregate, begin) == [
        ("training", "1", ABSENT, "running"),
        ("iteration", "train epoch 1", ABSENT, "running"),
        ("checkpoint", "best", ABSENT, one),
        ("checkpoint", "best", one, two),
        ("iteration", "train epoch 1", "running", "completed"),
        ("training", "1", "running", "completed"),
        ("training", "2", ABSENT, "running"),
        ("iteration", "train epoch 2", ABSENT, "running"),
        ("iteration", "train epoch 2", "running", "failed: OSError: disk"),
        ("training", "2", "running", "failed: OSError: disk"),
        ("iteration", "test", ABSENT, "completed"),
        ("iterations", "", 3, 0),
        ("iteration", "test", ABSENT, "completed"),
        ("iterations", "", 1, 0),
        ("reproduction", "r:1", ABSENT, "identical"),
    ]


def test_corrections_say_who_and_why(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    begin = len(told(aggregate))
    aggregate.metrics.log({"loss": 0.5, "a:1": float("inf")}, step=1, phase="train")
    aggregate.metrics.log_series("loss", [1, 2.5, float("nan")])
    point = aggregate.metrics.list("loss", "train")[0].id
    of_series = aggregate.metrics.list("loss")[2].id
    other = aggregate.metrics.list("a:1")[0].id
    assert point and of_series and other
    aggregate.metrics.void(point, "bad sensor")
    aggregate.metrics.unvoid(point, "it was good")
    aggregate.metrics.void(of_series)
    tracker.append(MetricVoided(stream=aggregate.keys[0], point=other, by="ana"))
    aggregate.metrics.rename("loss", "error", "typo")()
    aggregate.metrics.clear("start again")
    aggregate.metrics.log({"loss": 0.5})
    aggregate.metrics.clear()
    assert since(aggregate, begin) == [
        ("point", point, 0.5, ABSENT),
        ("point", point, ABSENT, 0.5),
        ("point", of_series, 2.5, ABSENT),
        ("point", other, float("inf"), ABSENT),
        ("metric", "loss", "loss", "error"),
        ("metric", "error", "error", "loss"),
        ("points", "", 5, 0),
        ("points", "", 1, 0),
    ]
    changes = list(aggregate.history())[begin:]
    assert [(one.why, one.by) for one in changes[:5]] == [
        ("bad sensor", ""),
        ("it was good", ""),
        ("", ""),
        ("", "ana"),
        ("typo", ""),
    ]
    [session] = tracker.sessions()
    ids = {event.id: event.wall for event in tracker.history()}
    assert all(one.session == session.id and ids[one.id] == one.at for one in changes)


def test_voided_points_have_their_values_without_a_clear(aggregate: TrackedAggregate) -> None:
    aggregate.metrics.log({"loss": 0.5})
    aggregate.metrics.void(aggregate.metrics.list()[0])
    assert told(aggregate)[-1][2:] == (0.5, ABSENT)
    assert not any(one[0] == "metrics" for one in told(aggregate))


def test_points_where_asked_for(aggregate: TrackedAggregate) -> None:
    begin = len(told(aggregate))
    aggregate.metrics.log({"loss": 0.5}, step=1, epoch=2, batch=3, phase="train")
    aggregate.metrics.log_series("loss", [1, 2])
    assert told(aggregate, points=True)[begin:] == [
        ("metrics", "train epoch 2 step 1 batch 3", ABSENT, {"loss": 0.5}),
        ("metrics", "", ABSENT, {"loss": [1, 2]}),
    ]
    assert since(aggregate, begin) == []


def test_deletion_and_events_of_ones_own(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    begin = len(told(aggregate))
    tracker.append(Annealed(stream=aggregate.keys[0], celsius=-3.5))
    tracker.experiment("mnist").aggregates.delete("1")
    assert since(aggregate, begin) == [
        ("Annealed", "", ABSENT, {"celsius": -3.5}),
        ("aggregate", "", "created", "deleted"),
    ]
    tracker.experiment("mnist").aggregates.restore("1")
    assert told(aggregate)[-1] == ("aggregate", "", "deleted", "restored")


def test_what_changes_nothing_is_no_change(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    begin = len(told(aggregate))
    key = aggregate.keys[0]
    tracker.append(ConfigChanged(stream=key, changes={"lr": 0.1}, removed=["gone"]))
    tracker.append(TagsChanged(stream=key, removed=["gone"]))
    aggregate.modules.add(NET)
    assert since(aggregate, begin) == []
    tracker.append(ConfigChanged(stream=key, changes={"seed": 0}))
    tracker.append(ConfigChanged(stream=key, changes={"seed": 0.0}))
    assert since(aggregate, begin) == [("config", "seed", None, 0), ("config", "seed", 0, 0.0)]


def test_several_keys_have_one_history(tracker: Tracker) -> None:
    tracker.experiment("mnist").aggregate("1", config={"lr": 1})
    other = tracker.append(ExperimentCreated(name="mnist")).id
    tracker.append(AggregateCreated(experiment=other, id="1"))
    aggregate = tracker.experiment("mnist").aggregate("1")
    assert len(aggregate.keys) == 2
    aggregate.config["lr"] = 2
    assert [one for one in told(aggregate) if one[0] == "config"] == [
        ("config", "lr", ABSENT, 1),
        ("config", "lr", 1, 2),
    ]


def test_the_past_has_its_own(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    aggregate.config["lr"] = 0.2
    moment = list(tracker.history())[-1].id
    aggregate.config["lr"] = 0.3
    past = tracker.as_of(moment).experiment("mnist").aggregates.read("1")
    assert past is not None
    assert [change.after for change in past.history() if change.name == "lr"] == [0.1, 0.2]


def test_a_closed_tracker_says_so(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    tracker.close()
    with pytest.raises(Closed):
        list(aggregate.history())


def test_absent_is_not_null() -> None:
    assert not ABSENT and repr(ABSENT) == "ABSENT" and ABSENT is not None


KEYS = ["a", "a.b", "a.b.c", "a.d", "e"]
small = st.integers(0, 2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(small, st.dictionaries(st.sampled_from(KEYS), small), st.lists(st.sampled_from(KEYS))), max_size=12
    )
)
def test_replayed_they_make_the_aggregate(steps: list[tuple[int, dict[str, int], list[str]]]) -> None:
    with mltracker.open("memory:", projection="memory") as tracker:
        aggregate = tracker.experiment("a").aggregate("1", config={"a": {"b": 0}})
        for kind, changes, removed in steps:
            event = [ConfigChanged, TagsChanged, ConfigChanged][kind]
            tracker.append(event(stream=aggregate.keys[0], changes=changes, removed=removed))
        read = tracker.experiment("a").aggregates.read("1")
        assert read is not None
        held = {"config": replayed(list(aggregate.history()), "config"), "tag": replayed(list(read.history()), "tag")}
        assert held == {"config": dict(aggregate.config), "tag": read.tags}


def replayed(changes: list[Change], kind: str) -> dict[str, Any]:
    held: dict[str, Any] = {}
    for change in changes:
        if change.kind == kind:
            assert held.pop(change.name, ABSENT) == change.before
            if change.after is not ABSENT:
                held[change.name] = change.after
    return held
