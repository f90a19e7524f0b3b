"""SegmentLog keeps the contract of every log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mltracker.events.segments import SegmentLog
from tests.contracts.event_log import EventLogContract


class TestSegmentLog(EventLogContract):
    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Iterator[Callable[..., SegmentLog]]:
        opened: list[SegmentLog] = []

        def open_log(**options: Any) -> SegmentLog:
            opened.append(SegmentLog(tmp_path / "store", **options))
            return opened[-1]

        yield open_log
        for log in opened:
            log.close()


def test_a_childs_life_is_not_its_parents(tmp_path: Path) -> None:
    program = """
import os, sys, time
from pathlib import Path
from mltracker.events.segments import SegmentLog
log = SegmentLog(Path(sys.argv[1]))
log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1}}')
if os.fork() == 0:
    os.write(1, f"{os.getpid()} {log.writer}\\n".encode())
    sys.stdin.read(1)
    os._exit(0)
os.write(1, f"{log.writer}\\n".encode())
os._exit(0)
"""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "store")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin and process.stdout
    said = sorted((process.stdout.readline().split() for _ in range(2)), key=len)
    process.wait()
    try:
        assert said[1][1] == "None"
        assert not SegmentLog(tmp_path / "store").alive(said[0][0])
    finally:
        process.stdin.write("x")
        process.stdin.close()
        process.stdout.close()


def test_life_and_death(tmp_path: Path) -> None:
    program = """
import os, sys, time
from pathlib import Path
from mltracker.events.segments import SegmentLog
log = SegmentLog(Path(sys.argv[1]))
log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1}}')
os.write(1, f"{log.writer}\\n".encode())
sys.stdin.read(1)
os._exit(0)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "store")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    writer = process.stdout.readline().decode().strip()
    log = SegmentLog(tmp_path / "store")
    assert log.alive(writer)
    process.stdin.write(b"x")
    process.communicate()
    assert not log.alive(writer)
    assert not log.alive("0" * 32)
