"""Where a number comes from, whatever happened to it and around it since."""

from __future__ import annotations

import time

import pytest

from mltracker import Dataset, Iteration, Module, NotFound, Tracker
from mltracker.events import SessionDescribed
from mltracker.tracker.aggregates import TrackedAggregate
from tests.mltracker.conftest import OpenTracker

NET = Module("model", "1", "Net", {"size": 3})
SGD = Module("optimizer", "2", "SGD", {"lr": 0.1})
CODE = {"commit": "c" * 40, "dirty": True}


@pytest.fixture
def aggregate(tracker: Tracker) -> TrackedAggregate:
    aggregate = tracker.experiment("mnist").aggregate("1", [NET], {"lr": 0.1})
    for epoch in (1, 2):
        for phase in ("train", "test"):
            data = Dataset(f"{phase}{epoch}", "digits")
            with aggregate.iteration(phase, epoch, data, {"batch_size": epoch}, [SGD]) as it:
                it.log({"loss": 1 / epoch}, step=epoch)
    return aggregate


def test_a_number_knows_its_iteration_data_modules_and_session(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    tracker.append(SessionDescribed(environment={"code": CODE}))
    aggregate.modules.remove(NET)
    aggregate.config["lr"] = 0.2
    found = aggregate.blame("loss", 1, "train")
    assert (found.point.value, found.point.epoch, found.voided, found.earlier) == (1.0, 1, False, 0)
    assert found.dataset == Dataset("train1", "digits")
    assert found.iteration is not None and list(found.iteration.modules) == [SGD]
    assert (found.iteration.phase, found.iteration.epoch, found.iteration.status) == ("train", 1, "completed")
    assert found.iteration.metrics == {"loss": 1.0} and found.iteration.duration is not None
    assert (found.modules, found.config) == ([NET], {"lr": 0.1})
    assert found.session is not None and found.session.id == found.point.session
    assert found.code == CODE and found.corrections == []


def test_the_last_one_where_no_step_is_said(aggregate: TrackedAggregate) -> None:
    found = aggregate.blame("loss")
    assert (found.point.phase, found.point.step, found.dataset) == ("test", 2, Dataset("test2", "digits"))
    assert aggregate.blame("loss", phase="train").point.phase == "train"
    aggregate.metrics.log_series("loss", [3, 4, 5], phase="train")
    assert aggregate.blame("loss").point.value == 5


def test_the_iteration_that_ran_though_it_was_replaced_or_cleared(aggregate: TrackedAggregate) -> None:
    with aggregate.iteration("train", 1, Dataset("other", "digits"), {"batch_size": 1}, [SGD], hash="mine") as it:
        it.log({"accuracy": 1})
        aggregate.metrics.log({"outside": 1}, phase="test", epoch=1)
        aggregate.metrics.log({"no_epoch": 1}, phase="train")
    with aggregate.iteration("train", 1, hash="mine"):
        pass
    aggregate.iterations.clear()
    assert aggregate.blame("accuracy").dataset == Dataset("other", "digits")
    assert aggregate.blame("no_epoch").dataset == Dataset("other", "digits")
    assert aggregate.blame("outside").iteration is None


def test_a_running_or_failed_iteration(aggregate: TrackedAggregate) -> None:
    with pytest.raises(OSError, match="disk"), aggregate.iteration("train", 3) as it:
        it.log({"loss": 7})
        running = aggregate.blame("loss").iteration
        assert running is not None and running.status == "running" and running.id == it.id
        raise OSError("disk")
    failed = aggregate.blame("loss").iteration
    assert failed is not None and (failed.status, failed.error) == ("failed", "OSError: disk")


def test_an_iteration_that_was_added_whole(aggregate: TrackedAggregate) -> None:
    aggregate.metrics.log({"loss": 9}, phase="train", epoch=7)
    assert aggregate.blame("loss").iteration is None
    aggregate.iterations.add(Iteration("h", "train", 7, Dataset("whole", "digits")))
    aggregate.iterations.add(Iteration("later", "train", 7))
    assert aggregate.blame("loss").dataset == Dataset("whole", "digits")


def test_an_iteration_of_another_session_does_not_count(open_tracker: OpenTracker, projection: str) -> None:
    one, other = open_tracker(projection=projection), open_tracker(projection=projection)
    mine, theirs = (each.experiment("mnist").aggregate("1") for each in (one, other))
    with mine.iteration("train", 1, Dataset("d", "digits")):
        for _ in range(9):  # so that its seqs are beyond those of the iteration
            theirs.metrics.log({"loss": 1}, phase="train", epoch=1)
        time.sleep(0.15)
        found = mine.blame("loss")
    assert found.iteration is None
    assert found.session is not None and found.session.id == f"{other._access.log.writer}:0"


def test_corrections_that_touched_it_and_no_others(aggregate: TrackedAggregate) -> None:
    first, second = aggregate.metrics.list("loss", "train")
    aggregate.metrics.void(second, "other")
    aggregate.metrics.void(first, "bad")
    found = aggregate.blame("loss", 1, "train")
    assert found.voided and [(one.kind, one.why) for one in found.corrections] == [("void", "bad")]
    assert aggregate.blame("loss", phase="train").voided
    aggregate.metrics.unvoid(first, "good")
    undo = aggregate.metrics.rename("loss", "los", "typo")
    undo()
    aggregate.metrics.rename("loss", "error")
    aggregate.metrics.rename("error", "cost")
    aggregate.metrics.log({"loss": 5, "error": 3})
    aggregate.metrics.rename("error", "unrelated")
    found = aggregate.blame("cost", 1, "train")
    assert found.point.id == first.id and not found.voided
    assert [(one.kind, one.to or one.why) for one in found.corrections] == [
        ("void", "bad"),
        ("unvoid", "good"),
        ("rename", "los"),
        ("undo", ""),
        ("rename", "error"),
        ("rename", "cost"),
    ]
    assert aggregate.blame("loss").corrections == []


def test_several_of_one_step(aggregate: TrackedAggregate) -> None:
    aggregate.metrics.log({"loss": 0.25}, step=1, epoch=9, phase="train")
    found = aggregate.blame("loss", 1, "train")
    assert (found.point.value, found.earlier) == (0.25, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("los",), r"mnist/1 has no metric 'los'. It has t[a-z]+/loss, t[a-z]+/loss$"),
        (("loss", 9), r"no metric 'loss' at step 9. Its steps are 1 to 2"),
        (("loss", None, "validation"), r"no metric 'loss' in phase 'validation'"),
    ],
)
def test_what_is_not_there(aggregate: TrackedAggregate, asked: tuple[str, int, str], said: str) -> None:
    with pytest.raises(NotFound, match=said):
        aggregate.blame(*asked)


def test_a_name_as_it_is_shown_voided_or_not(aggregate: TrackedAggregate) -> None:
    assert aggregate.blame("train/loss", 1).point == aggregate.blame("loss", 1, "train").point
    for point in aggregate.metrics.list("loss", "test"):
        aggregate.metrics.void(point)
    found = aggregate.blame("test/loss")
    assert (found.point.phase, found.point.step, found.voided) == ("test", 2, True)
    aggregate.metrics.log({"test/loss": 7})
    assert aggregate.blame("test/loss").point.value == 7


def test_as_of(aggregate: TrackedAggregate, tracker: Tracker) -> None:
    moment = list(tracker.history())[-1].id
    aggregate.metrics.void(aggregate.metrics.list("loss", "train")[0])
    past = tracker.as_of(moment).experiment("mnist").aggregates.read("1")
    assert past is not None
    assert not past.blame("loss", 1, "train").voided and past.blame("loss", 1, "train").corrections == []
