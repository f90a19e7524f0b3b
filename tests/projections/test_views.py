"""Views of users' projections: order, snapshots, and what makes them fold again."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from mltracker.errors import Notice, ProjectionError
from mltracker.events import Recorded
from mltracker.events.memory import MemoryLog
from mltracker.projections import Projection, View, on, views

CALLS: list[str] = []


class Order(Projection):
    """The values in the order in which they came; minds order."""

    name = "order"

    def start(self) -> list[float]:
        return []

    @on("MetricsRecorded")
    def add(self, event: Recorded) -> None:
        CALLS.append(event.id)
        self.state.append(event.event.values["loss"])


class Total(Projection):
    """A sum, whatever the order."""

    name, commutes = "total", True

    @on("MetricsRecorded")
    def add(self, event: Recorded) -> None:
        CALLS.append(event.id)
        self.state["sum"] = self.state.get("sum", 0) + event.data["values"]["loss"]


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def test_is_caught_up_and_goes_on(writing: Any) -> None:
    view = View(writing.log, Order, None)
    assert view.fresh().state == []
    writing.own(3.0, 1.0)
    assert view.fresh().state == [3.0, 1.0]
    writing.own(2.0)
    assert view.fresh().state == [3.0, 1.0, 2.0]
    assert len(CALLS) == 3


def test_a_late_event_folds_again_in_order(writing: Any) -> None:
    view = View(writing.log, Order, None)
    writing.other(writing.line(0, 10, 10.0), writing.line(1, 30, 30.0))
    assert view.fresh().state == [10.0, 30.0]
    writing.other(writing.line(0, 20, 20.0), writer="e" * 32)
    assert view.fresh().state == [10.0, 20.0, 30.0]


def test_folds_again_from_the_latest_snapshot_before_the_late_event(writing: Any) -> None:
    view = View(writing.log, Order, None)
    for seq in range(6):
        writing.other(writing.line(seq, 10 * seq, 10.0 * seq))
        view.fresh()
        view.save()
    CALLS.clear()
    writing.other(writing.line(0, 45, 45.0), writer="e" * 32)
    assert view.fresh().state == [0.0, 10.0, 20.0, 30.0, 40.0, 45.0, 50.0]
    assert CALLS == ["e" * 32 + ":0", "f" * 32 + ":5"]
    writing.other(writing.line(0, 5, 5.0), writer="d" * 32)
    assert view.fresh().state == [0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 45.0, 50.0]


def test_a_projection_that_commutes_folds_what_comes(writing: Any) -> None:
    view = View(writing.log, Total, None)
    writing.other(writing.line(0, 10, 1.0), writing.line(1, 30, 2.0))
    view.fresh()
    CALLS.clear()
    writing.other(writing.line(0, 20, 4.0), writer="e" * 32)
    assert view.fresh().state == {"sum": 7.0}
    assert len(CALLS) == 1


def test_more_events_than_are_sorted_in_memory_are_merged(writing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "IN_MEMORY", 3)
    writing.other(*(writing.line(seq, 20 * seq, 20.0 * seq) for seq in range(5)))
    writing.other(*(writing.line(seq, 20 * seq + 10, 20.0 * seq + 10) for seq in range(5)), writer="e" * 32)
    view = View(writing.log, Order, None)
    assert view.fresh().state == [10.0 * i for i in range(10)]
    writing.other(*(writing.line(seq, 20 * seq, 20.0 * seq) for seq in range(5, 10)))
    assert view.fresh().state == [10.0 * i for i in range(10)] + [20.0 * i for i in range(5, 10)]
    assert len(CALLS) == 15


def test_opening_starts_at_the_snapshot(writing: Any, tmp_path: Path) -> None:
    writing.own(1.0, math.nan)
    view = View(writing.log, Order, tmp_path)
    view.fresh()
    view.close()
    view.close()
    assert [path.name for path in tmp_path.iterdir()] == ["order-v1.json"]
    CALLS.clear()
    writing.own(3.0)
    state = View(writing.log, Order, tmp_path).fresh().state
    assert state[0] == 1.0 and math.isnan(state[1]) and state[2] == 3.0
    assert len(CALLS) == 1


def test_snapshots_are_taken_each_minute(writing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(writing.log, Order, tmp_path)
    writing.own(1.0)
    view.fresh()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(views, "SNAPSHOT_EVERY", 0.0)
    writing.own(2.0)
    view.fresh()
    assert [path.name for path in tmp_path.iterdir()] == ["order-v1.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"snapshots":[{}],"crc":0}', "truncate", "flip"])
def test_a_damaged_snapshot_is_folded_again_with_a_notice(writing: Any, tmp_path: Path, damage: bytes | str) -> None:
    writing.own(1.0, 2.0)
    view = View(writing.log, Order, tmp_path)
    view.fresh()
    view.close()
    path = tmp_path / "order-v1.json"
    content = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(content[:-20])
    elif damage == "flip":
        path.write_bytes(content.replace(b"[1.0,2.0]", b"[1.0,2.5]"))
    else:
        path.write_bytes(damage)  # type: ignore[arg-type]
    with pytest.warns(Notice, match="order v1: its snapshot"):
        assert View(writing.log, Order, tmp_path).fresh().state == [1.0, 2.0]


def test_another_version_has_a_snapshot_of_its_own(writing: Any, tmp_path: Path) -> None:
    class Newer(Order):
        name, version = "order", 2

        @on("MetricsRecorded")
        def add(self, event: Recorded) -> None:
            self.state.append(-event.event.values["loss"])

    writing.own(1.0)
    for projection, state in ((Order, [1.0]), (Newer, [-1.0]), (Order, [1.0])):
        view = View(writing.log, projection, tmp_path)
        assert view.fresh().state == state
        view.close()


def test_events_that_the_log_has_lost_fold_again_with_a_notice(writing: Any, tmp_path: Path) -> None:
    writing.own(1.0, 2.0)
    view = View(writing.log, Order, tmp_path)
    view.fresh()
    view.close()
    other = MemoryLog()
    other.deliver("f" * 32, [writing.line(0, 10, 7.0)])
    with pytest.warns(Notice, match="the log has lost"):
        assert View(other, Order, tmp_path).fresh().state == [7.0]


def test_unknown_types_are_passed_over_and_counted(
    writing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing.other(writing.line(0, 10, 1.0), writing.line(1, 20, 2.0, "Melted"), writing.line(2, 30, 3.0, v=9))
    view = View(writing.log, Order, tmp_path)
    assert view.fresh().state == [1.0]
    assert view.unknown == {"Melted v1": 1, "MetricsRecorded v9": 1}
    view.close()
    assert View(writing.log, Order, tmp_path).fresh().state == [1.0]
    monkeypatch.setitem(views.LATEST, "Melted", 1)
    with pytest.warns(Notice, match="knows events that it had passed over"):
        later = View(writing.log, Order, tmp_path)
        assert later.fresh().state == [1.0]
    assert later.unknown == {"MetricsRecorded v9": 1}


def test_a_hole_that_is_filled_is_folded_in_order(writing: Any, tmp_path: Path) -> None:
    writing.other(writing.line(0, 10, 1.0), writing.line(2, 30, 3.0))
    view = View(writing.log, Order, tmp_path)
    assert view.fresh().state == [1.0]
    assert len(view.notices) == 1
    view.close()
    reopened = View(writing.log, Order, tmp_path)
    assert reopened.fresh().state == [1.0]
    writing.other(writing.line(1, 20, 2.0))
    with pytest.warns(Notice, match="can be read now"):
        assert reopened.fresh().state == [1.0, 2.0, 3.0]
    assert not reopened.notices


def test_a_failing_handler_is_heard_each_time(writing: Any) -> None:
    class Picky(Order):
        name = "picky"

        @on("MetricsRecorded")
        def add(self, event: Recorded) -> None:
            if event.event.values["loss"] > 1:
                raise ValueError("too large")
            super().add(event)

    view = View(writing.log, Picky, None)
    writing.own(0.5)
    view.fresh()
    writing.own(0.7, 2.0, 0.1)
    for _ in range(2):
        with pytest.raises(ProjectionError, match=r"picky v1: add.*too large"):
            view.fresh()


def test_a_folder_that_cannot_be_written_leaves_it_in_memory(writing: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writing.own(1.0)
    view = View(writing.log, Order, tmp_path / "file" / "below")
    assert view.fresh().state == [1.0]
    view.close()


def test_a_snapshot_that_cannot_be_written_is_said_once(writing: Any, tmp_path: Path) -> None:
    folder = tmp_path / "projections"
    view = View(writing.log, Order, folder)
    writing.own(1.0)
    view.fresh()
    folder.rmdir()
    folder.write_text("")
    with pytest.warns(Notice, match="cannot be written"):
        view.save()
    writing.own(2.0)
    assert view.fresh().state == [1.0, 2.0]
    view.close()


def test_a_forked_child_goes_on_by_itself(writing: Any) -> None:
    view = View(writing.log, Order, None)
    writing.own(1.0)
    view.fresh()
    pid = os.fork()
    if pid == 0:
        writing.own(2.0)
        os._exit(0 if view.fresh().state == [1.0, 2.0] else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert view.fresh().state == [1.0]


def test_the_snapshot_file_is_plain_json(writing: Any, tmp_path: Path) -> None:
    writing.own(1.0)
    view = View(writing.log, Order, tmp_path)
    view.fresh()
    view.save()
    content = json.loads((tmp_path / "order-v1.json").read_text())
    assert content["projection"] == "order"
    assert content["snapshots"][-1]["state"] == [1.0]
