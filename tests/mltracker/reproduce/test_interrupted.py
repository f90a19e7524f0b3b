"""A reproduction that is interrupted leaves nothing behind, one that was killed is cleaned up by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mltracker.reproduce.scratch import Scratch, said

WAITING = """
import os, pathlib, sys, time
import mltracker

with mltracker.open(sys.argv[1]) as tracker:
    aggregate = tracker.experiment("mnist").aggregate("1")
    aggregate.metrics.log({"loss": 1.0}, step=0)
    signal = pathlib.Path(sys.argv[1]).with_name("waiting")
    if "MLTRACKER_REPRODUCTION" in os.environ and not signal.exists():
        signal.write_text(str(os.getpid()))
        time.sleep(60)
"""


def started(scratch: Scratch) -> tuple[subprocess.Popen[bytes], int]:
    """A reproduction whose program waits, and that program's process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mltracker", "reproduce", "mnist/1", "--store", scratch.store],
        cwd=scratch.root, env={**os.environ, "TMPDIR": str(scratch.root.parent / "temp")},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    waiting = scratch.store.with_name("waiting")
    deadline = time.monotonic() + 30
    while not (waiting.exists() and waiting.read_text()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    return process, int(waiting.read_text())


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def ended(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not lives(pid)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupted_it_leaves_nothing_behind(scratch: Scratch, number: signal.Signals, code: int) -> None:
    scratch.write("train.py", WAITING)
    scratch.commit()
    scratch.record()
    before = scratch.state()
    process, pid = started(scratch)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == code, told
    assert ended(pid)
    assert scratch.state() == before
    assert list((scratch.root.parent / "temp").glob("*/*/*")) == []
    assert scratch.verdicts() == []
    said(scratch.reproduce().verdict, "identical")


def test_killed_and_started_again(scratch: Scratch) -> None:
    scratch.write("train.py", WAITING)
    scratch.commit()
    scratch.record()
    before = scratch.state()
    process, pid = started(scratch)
    process.kill()
    process.communicate(timeout=30)
    assert lives(pid)
    assert scratch.git("worktree", "list").count("\n") == 2
    said(scratch.reproduce().verdict, "identical")
    assert ended(pid)
    assert scratch.git("worktree", "list").count("\n") == 1
    assert scratch.state() == before


def test_two_at_once_do_not_meet(scratch: Scratch) -> None:
    scratch.write("train.py", WAITING)
    scratch.commit()
    scratch.record()
    process, pid = started(scratch)
    said(scratch.reproduce().verdict, "identical")
    assert lives(pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert scratch.verdicts() == ["identical"]
