"""The description follows by itself, soon, once, and never in the way."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

import mltracker
from mltracker import Notice
from mltracker.capture import description
from mltracker.errors import AppendFailed
from mltracker.events.blobs import FolderBlobs
from mltracker.events.segments import SegmentLog
from tests.mltracker.capture.conftest import PROGRAM, Repository, environment, events, run

pytestmark = pytest.mark.usefixtures("undescribed")
DESCRIBED = {"hardware", "packages", "editable", "code"}


def types(store: Path) -> list[str]:
    return [line["type"] for line in events(store)]


def train(tracker: mltracker.Tracker, name: str = "e") -> None:
    tracker.experiment(name)


def wait(condition: Any, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Describing goes on only when this is set."""
    go = threading.Event()
    find_out = description._find_out

    def find_out_slowly() -> description.Description:
        assert go.wait(20)
        return find_out()

    monkeypatch.setattr(description, "_find_out", find_out_slowly)
    return go


def test_a_program_of_two_milliseconds_is_described(repository: Repository, tmp_path: Path) -> None:
    repository.write("train.py", PROGRAM.format(store=str(tmp_path / "store")))
    repository.write("new.py", "y = 1\n")
    run("train.py", cwd=repository.root)
    assert types(tmp_path / "store") == ["SessionStarted", "ExperimentCreated", "SessionDescribed", "SessionEnded"]
    told = environment(tmp_path / "store")
    assert told.keys() > DESCRIBED and "describing_failed" not in told
    assert told["code"]["commit"] == repository.git("rev-parse", "HEAD")
    assert told["script"]["path"] == "train.py" and told["code"]["root"] == str(repository.root)
    blobs = FolderBlobs(tmp_path / "store" / "blobs")
    assert b"+import mltracker" in blobs.get(told["code"]["diff"])
    assert blobs.get(told["code"]["untracked"]["new.py"]["hash"]) == b"y = 1\n"
    [described] = [line for line in events(tmp_path / "store") if line["type"] == "SessionDescribed"]
    assert described["stream"].endswith(":0")


def test_without_close(repository: Repository, tmp_path: Path) -> None:
    """The interpreter's end is a close."""
    repository.write(
        "train.py", f"import mltracker\nmltracker.open({str(tmp_path / 'store')!r}, capture='full').experiment('e')"
    )
    run("train.py", cwd=repository.root)
    assert types(tmp_path / "store") == ["SessionStarted", "ExperimentCreated", "SessionDescribed", "SessionEnded"]
    assert environment(tmp_path / "store")["code"]["commit"]


def test_a_process_that_is_killed_has_none(repository: Repository, tmp_path: Path) -> None:
    program = PROGRAM.format(store=str(tmp_path / "store")) + "    import os; os._exit(0)\n"
    repository.write("train.py", program)
    run("train.py", cwd=repository.root)
    assert types(tmp_path / "store") == ["SessionStarted", "ExperimentCreated"]


def test_it_follows_while_the_training_runs(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "store", capture="full") as tracker:
        train(tracker)
        wait(lambda: "SessionDescribed" in types(tmp_path / "store"), 5)
        assert tracker.sessions()[0].environment.keys() > DESCRIBED
    with mltracker.open(tmp_path / "store", capture="full", read_only=True) as tracker:
        assert tracker.sessions()[0].environment.keys() > DESCRIBED


def test_nothing_waits_for_it(tmp_path: Path, slow: threading.Event) -> None:
    with mltracker.open(tmp_path / "store", capture="full") as tracker:
        started = time.monotonic()
        train(tracker)
        tracker.experiment("e").aggregate("1").metrics.log({"loss": 1.0}, step=1)
        assert len(tracker.experiment("e").aggregate("1").metrics.list()) == 1
        assert time.monotonic() - started < 2
        slow.set()


@pytest.mark.parametrize("capture", ["off", "minimal"])
def test_only_full_describes(tmp_path: Path, capture: Any) -> None:
    with mltracker.open(tmp_path / "store", capture=capture) as tracker:
        train(tracker)
    assert types(tmp_path / "store") == ["SessionStarted", "ExperimentCreated", "SessionEnded"]


def test_questions_begin_nothing(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "store", capture="off") as tracker:
        train(tracker)
    before = threading.active_count()
    for read_only in (True, False):
        with mltracker.open(tmp_path / "store", capture="full", read_only=read_only) as tracker:
            assert tracker.experiments.list() and tracker.sessions()
            assert threading.active_count() == before
    assert len(events(tmp_path / "store")) == 3 and description._known is None


def test_a_process_is_described_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    find_out = description._find_out
    monkeypatch.setattr(description, "_find_out", lambda: calls.append(1) or find_out())
    stores = [tmp_path / str(index) for index in range(4)]
    trackers = [mltracker.open(store, capture="full") for store in stores]
    threads = [threading.Thread(target=train, args=(tracker,)) for tracker in trackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for tracker in trackers:
        tracker.close()
    assert calls == [1]
    told = [environment(store)["code"] for store in stores]
    assert all(code == told[0] for code in told)
    for store in stores:  # each store has its blobs
        for kept in told[0]["untracked"].values():
            assert kept["hash"] in FolderBlobs(store / "blobs")


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with mltracker.open("memory:", capture="full") as tracker:
        train(tracker)
        wait(lambda: "code" in tracker.sessions()[0].environment)
        code = tracker.sessions()[0].environment["code"]
        assert all(kept["hash"] in tracker.blobs for kept in code["untracked"].values())


@pytest.mark.parametrize("known", [True, False])
def test_a_forked_child(tmp_path: Path, known: bool, slow: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warnings.warn", lambda *args, **kwargs: None)  # newer Pythons warn of a fork beside threads
    if known:
        slow.set()
    tracker = mltracker.open(tmp_path / "store", capture="full")
    train(tracker)
    if known:
        wait(lambda: description._known is not None)
    child = os.fork()
    if child == 0:
        try:
            if known:
                description._find_out = lambda: os._exit(3)  # type: ignore[assignment]
            else:
                slow.set()
            train(tracker, "child")
            tracker.close()
            os._exit(0)
        finally:
            os._exit(1)
    slow.set()
    tracker.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    described = [line for line in events(tmp_path / "store") if line["type"] == "SessionDescribed"]
    started = [line for line in events(tmp_path / "store") if line["type"] == "SessionStarted"]
    assert len(described) == len(started) == len({line["stream"] for line in described}) == 2
    assert len({line["data"]["environment"]["run"] for line in started}) == 1
    assert all(line["data"]["environment"].keys() == DESCRIBED for line in described)


def test_a_close_does_not_wait_for_ever(tmp_path: Path, slow: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "PATIENCE", 0.3)
    monkeypatch.setattr(description, "GRACE", 0.1)
    tracker = mltracker.open(tmp_path / "store", capture="full")
    train(tracker)
    started = time.monotonic()
    tracker._access._before_closing()
    assert time.monotonic() - started < 5
    assert environment(tmp_path / "store")["describing_failed"].startswith("it took longer than 0.")
    slow.set()
    wait(lambda: not any(isinstance(thread, description._Describing) for thread in threading.enumerate()))
    tracker.close()
    assert types(tmp_path / "store").count("SessionDescribed") == 1


def test_what_goes_wrong_is_told_and_the_rest_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ValueError("odd")

    monkeypatch.setattr(description, "packages", fails)
    monkeypatch.setattr(description.Code, "gather", fails)
    with mltracker.open(tmp_path / "store", capture="full") as tracker:
        train(tracker)
    told = environment(tmp_path / "store")
    assert told["describing_failed"] == "packages: ValueError: odd; code: ValueError: odd"
    assert told["hardware"]["cpu"] and "code" not in told


def test_blobs_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise AppendFailed("the blob was not kept: No space left on device")

    monkeypatch.setattr(FolderBlobs, "put_all", full)
    with mltracker.open(tmp_path / "store", capture="full") as tracker:
        train(tracker)
    assert "No space left" in environment(tmp_path / "store")["describing_failed"]


def test_a_description_that_cannot_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = SegmentLog.append

    def fails(self: SegmentLog, event: Any) -> Any:
        if event.type == "SessionDescribed":
            raise AppendFailed("the disk is full")
        return append(self, event)

    monkeypatch.setattr(SegmentLog, "append", fails)
    tracker = mltracker.open(tmp_path / "store", capture="full")
    train(tracker)
    with pytest.warns(Notice, match="description was not recorded: the disk is full"):
        tracker.close()
    assert types(tmp_path / "store")[-1] == "SessionEnded"


def test_a_first_event_that_fails(tmp_path: Path) -> None:
    """The next one that succeeds is described."""
    store = tmp_path / "store"
    store.mkdir()
    tracker = mltracker.open(store, capture="full")
    (store / "events").touch()
    with pytest.raises(AppendFailed):
        train(tracker)
    (store / "events").unlink()
    train(tracker)
    tracker.close()
    assert "SessionDescribed" in types(store)


def test_a_dropped_tracker_is_described_and_let_go(tmp_path: Path) -> None:
    tracker = mltracker.open(tmp_path / "store", capture="full")
    train(tracker)
    log = weakref.ref(tracker._access.log)
    del tracker
    gc.collect()
    assert types(tmp_path / "store") == ["SessionStarted", "ExperimentCreated", "SessionDescribed", "SessionEnded"]
    wait(lambda: gc.collect() >= 0 and log() is None)


def test_threads_use_the_tracker_while_it_is_described(tmp_path: Path) -> None:
    with mltracker.open(tmp_path / "store", capture="full") as tracker:

        def work(name: str) -> None:
            for step in range(200):
                tracker.experiment(name).aggregate("1").metrics.log({"loss": 1.0}, step=step)

        threads = [threading.Thread(target=work, args=(str(index),)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    lines = events(tmp_path / "store")
    assert [line["type"] for line in lines].count("SessionDescribed") == 1
    assert sorted(line["seq"] for line in lines) == list(range(len(lines)))


def test_a_note_goes_to_every_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description.session, "noted", {})
    one, two, off = (mltracker.open(tmp_path / name, capture=capture) for name, capture in
                     (("one", "full"), ("two", "full"), ("off", "off")))  # type: ignore[arg-type]  # fmt: skip
    train(one)
    train(off)
    description.note("seeds", [1])
    train(two)
    for tracker in (one, two, off):
        tracker.close()
    description.note("seeds", [1, 2])
    told = [line["data"]["environment"] for line in events(tmp_path / "one") if line["type"] == "SessionDescribed"]
    assert [environment for environment in told if "code" not in environment] == [{"seeds": [1]}]
    [started] = [line for line in events(tmp_path / "two") if "seeds" in line["data"].get("environment", {})]
    assert started["type"] == "SessionStarted"
    assert all("seeds" not in line["data"].get("environment", {}) for line in events(tmp_path / "off"))
