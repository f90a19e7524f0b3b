"""Closing, forking, failing, damage: what the tracker does when things go wrong."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import mltracker
from mltracker import AppendFailed, Closed, Damaged, InvalidMetric, Notice, Tracker
from mltracker.events import MetricsRecorded, SessionEnded
from tests.mltracker.conftest import OpenTracker


def wait_for(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def logged(tracker: Tracker) -> list[float]:
    return sorted(metric.value for metric in tracker.experiment("a").aggregate("1").metrics.list())


# Closing -------------------------------------------------------------------------------------------------------------


def test_after_close(tracker: Tracker) -> None:
    experiment = tracker.experiment("a")
    aggregate = experiment.aggregate("1")
    past = tracker.as_of("2100-01-01T00:00:00Z")
    tracker.close()
    tracker.close()
    for use in (
        lambda: aggregate.metrics.log({"loss": 0.5}),
        lambda: aggregate.metrics.log_series("loss", [0.5]),
        lambda: aggregate.metrics.list(),
        lambda: aggregate.status,
        lambda: aggregate.config.update({"a": 1}),
        lambda: experiment.aggregates.create("2"),
        lambda: tracker.experiment("a"),
        lambda: tracker.history(),
        lambda: tracker.verify(),
        lambda: tracker.rebuild(),
        lambda: tracker.as_of("2100-01-01T00:00:00Z"),
        lambda: tracker.append(MetricsRecorded(stream=aggregate.keys[0], values={"a": 1})),
    ):
        with pytest.raises(Closed):
            use()
    assert tracker.closed and past.experiment("a").name == "a"


def test_a_clean_close_ends_the_session(open_tracker: OpenTracker) -> None:
    with open_tracker() as tracker:
        tracker.experiment("a")
    tracker = open_tracker()
    assert [event.type for event in tracker.history()][-1] == "SessionEnded"
    [session] = tracker.sessions()
    assert session.ended_at is not None


def test_the_interpreter_exits_without_close(open_tracker: OpenTracker, store: Path) -> None:
    code = (
        "import sys, mltracker; aggregate = mltracker.open(sys.argv[1]).experiment('a').aggregate('1')\n"
        "for step in range(1000): aggregate.metrics.log({'loss': step}, step=step)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, store], check=True)
    tracker = open_tracker()
    assert logged(tracker) == list(range(1000))
    assert tracker.sessions()[0].ended_at is not None


# Forking -------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("leave", ["exit", "sys.exit", "close", "kill"])
def test_a_forked_child_writes_for_itself(tracker: Tracker, leave: str) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 1.0})
    assert logged(tracker) == [1.0]
    child = os.fork()
    if child == 0:
        try:
            aggregate.metrics.log({"loss": 2.0})
            assert logged(tracker) == [1.0, 2.0]
            if leave == "close":
                tracker.close()
                tracker.close()
            if leave == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    assert wait_for(child) == (-signal.SIGKILL if leave == "kill" else 0)
    aggregate.metrics.log({"loss": 3.0})
    tracker._access.ask(lambda model: None)
    deadline = 20
    while logged(tracker) != [1.0, 2.0, 3.0] and deadline:
        threading.Event().wait(0.05)
        deadline -= 1
    assert logged(tracker) == [1.0, 2.0, 3.0]
    assert len(tracker.sessions()) == 2 and tracker.verify().ok
    tracker.close()


FORK = """
import os, sys, mltracker
aggregate = mltracker.get_experiment("a").aggregate("1")
with aggregate.training():
    aggregate.metrics.log({"loss": 1.0})
    child = os.fork()
    if child == 0:
        mltracker.get_experiment("a").aggregate("1").metrics.log({"loss": 2.0})
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
aggregate.metrics.log({"loss": 3.0})
"""


def test_a_child_that_leaves_by_sys_exit(
    open_tracker: OpenTracker, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLTRACKER_URI", str(store))
    subprocess.run([sys.executable, "-c", FORK], check=True)
    tracker = open_tracker()
    assert logged(tracker) == [1.0, 2.0, 3.0]
    assert [session.ended_at is not None for session in tracker.sessions()] == [True, True]
    assert tracker.experiment("a").aggregate("1").status == "completed" and tracker.verify().ok
    assert list(tracker.history(types="TrainingFailed")) == []


def test_multiprocessing(tracker: Tracker) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        workers = [
            multiprocessing.get_context("fork").Process(target=aggregate.metrics.log, args=({"loss": float(rank)},))
            for rank in range(4)
        ]
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    threading.Event().wait(0.11)
    assert logged(tracker) == [0, 1, 2, 3]


# Threads and processes -----------------------------------------------------------------------------------------------


def test_threads(tracker: Tracker) -> None:
    errors: list[BaseException] = []

    def work(rank: int) -> None:
        try:
            aggregate = tracker.experiment("a").aggregate("1", config={f"rank{rank}": rank})
            for step in range(200):
                aggregate.metrics.log({"loss": rank * 1000 + step}, step=step)
                if step % 50 == 0:
                    aggregate.metrics.series("loss")
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(logged(tracker)) == 1600
    [experiment] = tracker.experiments.list()
    assert len(experiment.keys) == 1 and len(experiment.aggregates.list()[0].keys) == 1
    assert len(experiment.aggregates.list()[0].config) == 8


CREATE = """
import sys, mltracker
with mltracker.open(sys.argv[1], projection=sys.argv[2]) as tracker:
    sys.stdin.readline()
    aggregate = tracker.experiment("a").aggregate("1")
    for step in range(100):
        aggregate.metrics.log({"loss": step}, step=step)
"""


def test_processes_that_create_the_same_at_once(tracker: Tracker, store: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", CREATE, store, tracker.projection]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(6)]
    for child in children:
        assert child.stdin
        child.stdin.write(b"go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
        assert child.returncode == 0
    [experiment] = tracker.experiments.list()
    [aggregate] = experiment.aggregates.list()
    assert len(experiment.keys) == len(aggregate.keys) == 1
    assert logged(tracker) == sorted([*range(100)] * 6)


def test_a_signal_handler_that_asks_amid_a_question(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    assert logged(tracker) == []
    model = type(tracker._access.ask(lambda model: model))
    apply, answers = model.apply, []

    def handler() -> None:
        answers.append([metric.value for metric in aggregate.metrics.list()])
        aggregate.metrics.log({"loss": 0.25})

    def interrupted(self: object, batch: object) -> None:
        monkeypatch.undo()
        handler()
        apply(self, batch)

    aggregate.metrics.log({"loss": 0.5})
    monkeypatch.setattr(model, "apply", interrupted)
    tracker.experiments.list()
    assert answers == [[0.5]] and logged(tracker) == [0.25, 0.5]


def test_ctrl_c_amid_a_question(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 0.5})
    model = type(tracker._access.ask(lambda model: model))
    apply = model.apply

    def interrupted(self: object, batch: object) -> None:
        apply(self, batch)
        raise KeyboardInterrupt

    aggregate.metrics.log({"loss": 0.25})
    monkeypatch.setattr(model, "apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        aggregate.metrics.list()
    monkeypatch.undo()
    assert logged(tracker) == [0.25, 0.5]


# Failing -------------------------------------------------------------------------------------------------------------


def fail(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise AppendFailed("no space left", path="store")

    monkeypatch.setattr(tracker._access.log, "append", full)
    monkeypatch.setattr(tracker._access, "append_data", full)


def test_a_failure_raises(open_tracker: OpenTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = open_tracker()
    tracker.experiment("a").aggregate("1")
    fail(tracker, monkeypatch)
    aggregate = tracker.experiment("a").aggregate("1")
    for record in (
        lambda: aggregate.metrics.log({"loss": 0.5}),
        lambda: aggregate.metrics.log_series("loss", [0.5]),
        lambda: aggregate.config.update({"a": 1}),
        lambda: aggregate.iterations.add(mltracker.Iteration("1")),
        lambda: aggregate.training().__enter__(),
        lambda: tracker.experiments.create("b"),
    ):
        with pytest.raises(AppendFailed, match="no space left"):
            record()


def test_a_failure_warns_once_and_is_counted(
    open_tracker: OpenTracker, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    tracker = open_tracker(on_error="warn")
    tracker.experiment("a").aggregate("1")
    with monkeypatch.context() as broken:
        fail(tracker, broken)
        aggregate = tracker.experiment("a").aggregate("1")
        with pytest.warns(Notice, match="not recorded.*no space left") as caught:
            for _ in range(3):
                aggregate.metrics.log({"loss": 0.5})
            aggregate.metrics.log_series("loss", [0.5])
            aggregate.config.update({"a": 1})
            with aggregate.training():
                pass
        assert len(caught) == 1
        with pytest.raises(InvalidMetric):
            aggregate.metrics.log({"loss": "low"})  # type: ignore[dict-item]
        with pytest.raises(AppendFailed):
            tracker.experiments.create("b")
    with pytest.warns(Notice, match="6 events were not recorded.*no space left"):
        tracker.close()
    [ended] = open_tracker().history(types=SessionEnded)
    assert ended.data["dropped"] == 6


def damage(store: Path) -> None:
    [segment] = (store / "events").glob("*.jsonl")
    content = bytearray(segment.read_bytes())
    content[content.index(b'"loss":0.5') + 7] = ord("9")
    segment.write_bytes(content)


def test_damage_is_noticed_once(open_tracker: OpenTracker, store: Path) -> None:
    with open_tracker() as tracker:
        aggregate = tracker.experiment("a").aggregate("1")
        for step in range(3):
            aggregate.metrics.log({"loss": 0.25 if step != 1 else 0.5}, step=step)
    damage(store)
    tracker = open_tracker(projection="memory")
    with pytest.warns(Notice, match=r"\.jsonl:\d+: ") as caught:
        assert logged(tracker) == [0.25]
        assert logged(tracker) == [0.25]
    assert len(caught) == 1
    [problem] = tracker.notices
    report = tracker.verify()
    assert not report.ok and report.problems[0].line == problem.line


def test_damage_raises_where_strict(open_tracker: OpenTracker, store: Path) -> None:
    with open_tracker() as tracker:
        tracker.experiment("a").aggregate("1").metrics.log({"loss": 0.5})
    damage(store)
    tracker = open_tracker(projection="memory", strict=True)
    with pytest.raises(Damaged, match=r"\.jsonl:\d+: .*verify") as caught:
        tracker.experiments.list()
    assert caught.value.line is not None


@pytest.mark.parametrize(
    "use",
    [
        lambda tracker: list(tracker.history()),
        lambda tracker: tracker.rebuild(),
        lambda tracker: tracker.rebuild("sqlite"),
        lambda tracker: tracker.as_of("2100-01-01"),
        lambda tracker: tracker.experiments.list(),
    ],
    ids=["history", "rebuild", "rebuild another", "as_of", "list"],
)
@pytest.mark.parametrize("strict", [False, True])
def test_every_way_to_read_notices_damage(
    open_tracker: OpenTracker, store: Path, use: Callable[[Tracker], object], strict: bool
) -> None:
    with open_tracker() as tracker:
        tracker.experiment("a").aggregate("1").metrics.log({"loss": 0.5})
    damage(store)
    tracker = open_tracker(projection="memory", strict=strict)
    if strict:
        with pytest.raises(Damaged, match=r"\.jsonl:\d+: .*verify"):
            use(tracker)
        return
    with pytest.warns(Notice, match=r"\.jsonl:\d+: ") as caught:
        use(tracker)
        use(tracker)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert len(tracker.notices) == 1


def test_damage_is_noticed_after_it_was_read(open_tracker: OpenTracker, store: Path) -> None:
    tracker = open_tracker()
    tracker.experiment("a").aggregate("1").metrics.log({"loss": 0.5})
    tracker.experiments.list()
    assert len(list(tracker.history())) == 4 and tracker.notices == []
    damage(store)
    with pytest.warns(Notice, match="jsonl"):
        assert len(list(tracker.history())) == 3
    assert tracker.notices


# The folder ----------------------------------------------------------------------------------------------------------


def test_a_store_that_vanishes_while_it_is_open(tracker: Tracker, store: Path) -> None:
    aggregate = tracker.experiment("a").aggregate("1")
    aggregate.metrics.log({"loss": 0.5})
    assert logged(tracker) == [0.5]
    store.rename(store.with_name("moved"))
    store.mkdir()
    try:
        aggregate.metrics.log({"loss": 0.25})
        tracker._access.log.sync()
    except AppendFailed as error:
        assert "store" in str(error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        try:
            tracker.close()
        except AppendFailed as error:
            assert "store" in str(error)


def test_a_store_in_a_folder_that_takes_no_files(
    open_tracker: OpenTracker, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.parent.joinpath("parent").write_text("a file")
    tracker = open_tracker(store.parent / "parent" / "store")
    assert tracker.experiments.list() == []
    with pytest.raises(AppendFailed, match="parent"):
        tracker.experiments.create("a")
    assert tracker.experiments.list() == []
