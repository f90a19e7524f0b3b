"""The progress bar: on a terminal only, seldom drawn, and never in the way of a training."""

from __future__ import annotations

import errno
import os
import pty
import re
import subprocess
import sys
import time
from contextlib import suppress
from io import StringIO
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from mltracker.tracker import progress

PROGRAM = """
import sys, time, mltracker
sys.stdout.write("printed\\n")
aggregate = mltracker.open("memory:").experiment("a").aggregate("1")
with aggregate.iteration("[red]train", 3) as it:
    for step in it.track({iterable}):
        it.log({{"loss": 0.5 / (step + 1)}}, step=step)
        if step == 0:
            print("amid")
        time.sleep({pause})
    print("rich" in sys.modules)
"""


def on_terminal(iterable: str, pause: float) -> tuple[str, str]:
    """What a program prints to a terminal on its stderr, and to a pipe on its stdout."""
    ours, theirs = pty.openpty()
    code = PROGRAM.format(iterable=iterable, pause=pause)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=theirs, stdout=subprocess.PIPE, text=True, env=environment
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.stdout is not None
    printed = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0, shown.decode()
    return shown.decode(), printed


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_a_terminal_gets_a_bar_with_the_latest_metrics() -> None:
    shown, printed = on_terminal("range(40)", 0.01)
    last = plain(shown).replace("\r", "\n").strip().splitlines()[-1]
    for part in ("[red]train epoch 3", "40/40", "loss 0.0125"):
        assert part in last, shown
    assert printed == "printed\namid\nTrue\n"  # what a program prints goes where it went


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Gone(Terminal):
    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "gone")


def test_it_is_drawn_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    clock = count(step=1)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock) / 100))
    drawn = progress.bar(range(200), None, "train", {})
    assert drawn is not None
    for _ in range(200):
        drawn.advance()
    assert 18 <= plain(terminal.getvalue()).count("train") <= 22
    drawn.stop()


def test_without_a_length_it_counts() -> None:
    shown, _ = on_terminal("iter(range(5))", 0)
    assert "5/?" in plain(shown)


def test_a_pipe_gets_nothing_and_nothing_is_loaded() -> None:
    code = PROGRAM.format(iterable="range(3)", pause=0)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stderr, done.stdout) == ("", "printed\namid\nFalse\n")


def test_a_terminal_that_is_gone_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone())
    drawn = progress.bar([1, 2], None, "train", {})
    assert drawn is not None
    drawn.advance()
    drawn.stop()
    monkeypatch.setattr(sys, "stderr", None)
    assert progress.bar([1, 2], None, "train", {}) is None


def test_the_total_is_given_or_known_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class Streaming(list[int]):
        def __len__(self) -> int:
            raise TypeError("of a stream")

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    for iterable, total, said in (([1, 2], None, "1/2"), ([1, 2], 7, "1/7"), (Streaming(), None, "1/?")):
        terminal.truncate(0)
        drawn = progress.bar(iterable, total, "train", {"loss": 1})
        assert drawn is not None
        drawn.advance()
        drawn.stop()
        drawn.stop()
        assert said in plain(terminal.getvalue())


def test_a_block_that_fails_leaves_its_bar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import mltracker

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with mltracker.open("memory:", projection="memory") as tracker:
        aggregate = tracker.experiment("a").aggregate("1")
        with pytest.raises(ZeroDivisionError), aggregate.iteration("train", 1) as it:
            batches = it.track(range(9))
            next(batches)
            1 / 0  # noqa: B018
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is back


def test_a_bar_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    drawn = progress.bar(range(50_000), None, "train", {})
    assert drawn is not None
    costs = []
    for _ in range(50):
        begun = time.perf_counter()
        for _ in range(1000):
            drawn.advance()
        costs.append((time.perf_counter() - begun) / 1000)
    drawn.stop()
    assert min(costs) < 5e-6
