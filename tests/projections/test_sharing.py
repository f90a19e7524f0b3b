"""Several processes and one file; processes killed at any moment; locks that others hold."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mltracker.errors import Notice, StoreError
from mltracker.events import ExperimentCreated
from mltracker.events.segments import SegmentLog
from mltracker.projections import Runner, sharing


def child(work: Callable[[], None]) -> int:
    """Fork, work, and leave without cleaning up; answers the child's pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    return pid


def ended(*pids: int) -> bool:
    """Whether all of them, each waited for, ended well."""
    codes = [os.waitpid(pid, 0)[1] for pid in pids]
    return not any(codes)


def logged(store: Path) -> list[str]:
    log = SegmentLog(store)
    return sorted(event.id for event in log.history())


def answered(store: Path, listing: Any, folder: Path) -> list[str]:
    """What a runner of our own answers, closed again."""
    runner = Runner(SegmentLog(store), listing, folder)
    seen = runner.fresh(everyone=True).seen()
    runner.close()
    return seen


def write_and_ask(store: Path, listing: Any, folder: Path, times: int) -> None:
    warnings.simplefilter("error")
    log = SegmentLog(store, durability="os")
    runner = Runner(log, listing, folder)
    for number in range(times):
        receipt = log.append(ExperimentCreated(name=f"{os.getpid()} {number}"))
        seen = set(runner.fresh(everyone=number % 2 == 0).seen())
        mine = {f"{receipt.writer}:{seq}" for seq in range(receipt.seq + 1)}
        assert mine <= seen, f"{mine - seen} are missing"
        if number % 10 == 9:
            runner.save()
    runner.close()
    log.close()


def test_processes_that_write_and_ask_at_once_get_right_answers(listing: Any, tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "projections"
    pids = [child(lambda: write_and_ask(store, listing, folder, 60)) for _ in range(6)]
    assert ended(*pids)
    assert answered(store, listing, folder) == logged(store)


def test_a_rebuild_while_others_ask_and_write(listing: Any, tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "projections"

    def rebuild() -> None:
        runner = Runner(SegmentLog(store), listing, folder)
        for _ in range(10):
            runner.rebuild()
        runner.close()

    pids = [child(lambda: write_and_ask(store, listing, folder, 60)) for _ in range(3)]
    pids.append(child(rebuild))
    assert ended(*pids)
    assert answered(store, listing, folder) == logged(store)


@pytest.mark.parametrize("what", ["catch up", "rebuild"])
def test_killed_at_any_moment_nothing_is_wrong(listing: Any, tmp_path: Path, what: str) -> None:
    store, folder = tmp_path / "store", tmp_path / "projections"
    seed = random.Random(7)

    def work() -> None:
        log = SegmentLog(store, durability="os")
        runner = Runner(log, listing, folder)
        for number in range(10_000):
            log.append(ExperimentCreated(name=str(number)))
            runner.fresh()
            runner.save()
            if what == "rebuild":
                runner.rebuild()

    for _ in range(15):
        pid = child(work)
        time.sleep(0.02 + seed.random() * 0.1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert answered(store, listing, folder) == logged(store)
    assert not [path for path in folder.iterdir() if "rebuild" in path.name]


def test_a_lock_that_hangs_is_not_awaited(shared: Any, writing: Any, tmp_path: Path) -> None:
    runner = Runner(writing.log, shared, tmp_path)
    writing.own(1.0)
    runner.fresh()
    with (tmp_path / "shared-v1.sqlite.lock").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for value in range(3):
            writing.own(value)
            started = time.monotonic()
            model = runner.fresh()
            assert time.monotonic() - started < 2 * sharing.WAIT
            assert model.path is None
            assert model.seen() == writing.all()
        with pytest.raises(StoreError, match="locked by another process"):
            with_patience(runner)
    assert runner.fresh().path is not None
    assert runner.fresh().seen() == writing.all()
    runner.close()
    again = Runner(writing.log, shared, tmp_path)
    assert again.fresh().seen() == writing.all()
    again.close()


def with_patience(runner: Runner) -> None:
    before, sharing.WAIT_TO_REPLACE = sharing.WAIT_TO_REPLACE, 0.05
    try:
        runner.rebuild()
    finally:
        sharing.WAIT_TO_REPLACE = before


def test_a_first_build_that_meets_a_hanging_lock_answers_from_its_own_file(
    shared: Any, writing: Any, tmp_path: Path
) -> None:
    writing.own(1.0)
    with (tmp_path / "shared-v1.sqlite.lock").open("w+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        runner = Runner(writing.log, shared, tmp_path)
        assert runner.fresh().seen() == writing.all()
        writing.own(2.0)
        assert runner.fresh().seen() == writing.all()
        assert [path for path in tmp_path.iterdir() if ".rebuild-" in path.name]
    assert runner.fresh().seen() == writing.all()
    runner.close()
    assert not [path for path in tmp_path.iterdir() if ".rebuild-" in path.name]


def test_whole_files_do_not_wait_for_a_lock_at_all(whole: Any, writing: Any, tmp_path: Path) -> None:
    runner = Runner(writing.log, whole, tmp_path)
    writing.own(1.0)
    with (tmp_path / "whole-v1.json.lock").open("w+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert runner.fresh().seen() == writing.all()
        runner.save()
        assert not (tmp_path / "whole-v1.json").exists()
    runner.save()
    assert (tmp_path / "whole-v1.json").exists()
    runner.close()


def test_who_comes_back_to_a_file_that_others_changed_opens_it_anew(shared: Any, writing: Any, tmp_path: Path) -> None:
    one, two = Runner(writing.log, shared, tmp_path), Runner(writing.log, shared, tmp_path)
    writing.own(1.0)
    first = one.fresh()
    two.fresh()
    assert one.fresh() is first
    writing.own(2.0)
    two.fresh()
    assert one.fresh() is not first
    assert one.fresh().seen() == writing.all()
    two.rebuild()
    writing.own(3.0)
    assert one.fresh().seen() == two.fresh().seen() == writing.all()
    one.close()
    writing.own(4.0)
    assert two.fresh().seen() == writing.all()
    two.close()


def test_a_long_catch_up_is_shared_out_in_short_holds(
    shared: Any, writing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "HOLD", 0.0)
    runner = Runner(writing.log, shared, tmp_path)
    runner.fresh()
    for number in range(10):
        writing.other(writing.line(0, number), writer=f"{number:032x}")
    assert runner.fresh().seen() == writing.all()
    runner.close()


def test_two_builders_at_once_agree_on_one_file(shared: Any, tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "projections"
    log = SegmentLog(store)
    for number in range(100):
        log.append(ExperimentCreated(name=str(number)))
    log.close()
    assert ended(*(child(lambda: check(answered(store, shared, folder) == logged(store))) for _ in range(8)))
    files = [path for path in folder.iterdir() if path.suffix == ".sqlite"]
    assert len(files) == 1
    with sqlite3.connect(files[0]) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def check(truth: bool) -> None:
    assert truth


def test_a_file_that_cannot_be_written_is_said_once(
    shared: Any, writing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(writing.log, shared, tmp_path)
    writing.own(1.0)
    runner.fresh()

    def full(self: object, checkpoint: object) -> None:
        raise StoreError("no space left on device")

    monkeypatch.setattr(shared, "commit", full)
    writing.own(2.0)
    with pytest.warns(Notice, match="no space left.*in memory"):
        assert runner.fresh().seen() == writing.all()
    writing.own(3.0)
    assert runner.fresh().seen() == writing.all()
    runner.close()
