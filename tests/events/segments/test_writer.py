"""Appending under what programs and file systems do: every acknowledged event once, the chain whole."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mltracker.errors import AppendFailed, Closed, NewerFormat, NotAStore, ReadOnly
from mltracker.events.catalogue import ExperimentCreated, MetricsRecorded
from mltracker.events.envelope import parse_time
from mltracker.events.log import Line
from mltracker.events.segments import SegmentLog

KIND = b'"type":"MetricsRecorded","v":1'
STREAM = b"x:0"


def log_step(log: SegmentLog, step: int) -> None:
    log.append_data(KIND, STREAM, b'{"values":{"loss":0.5},"step":%d}' % step)


def assert_whole(store: Path) -> None:
    report = SegmentLog(store).verify()
    assert report.ok, report.problems


def test_opening_creates_nothing(store: Path) -> None:
    log = SegmentLog(store)
    assert list(log.reader().poll()) == [] and log.verify().ok
    log.close()
    assert not store.exists()


def test_stamps_increase_strictly_and_carry_the_wall_clock_where_pushed(
    store: Path, lines: Callable[[SegmentLog], list[Line]]
) -> None:
    log = SegmentLog(store)
    log_step(log, 0)
    ahead = time.time_ns() // 1000 + 3_600_000_000
    log.clock.observe(ahead)
    for step in range(1, 500):
        log_step(log, step)
    log.close()
    found = lines(SegmentLog(store))
    stamps = [parse_time(line["at"]) for line in found]
    assert stamps == sorted(set(stamps))
    assert all(parse_time(line["wall"]) < ahead < parse_time(line["at"]) for line in found[2:])
    assert_whole(store)


def test_a_creating_event_bears_its_own_id(store: Path) -> None:
    log = SegmentLog(store)
    receipt = log.append(ExperimentCreated(name="mnist"))
    log.close()
    created = [event for event in SegmentLog(store).history() if event.type == "ExperimentCreated"]
    assert [event.stream for event in created] == [receipt.id] == [created[0].id]


def test_use_after_close_and_closing_twice(store: Path) -> None:
    log = SegmentLog(store)
    log_step(log, 0)
    log.close()
    log.close()
    with pytest.raises(Closed):
        log_step(log, 1)


def test_an_append_that_meets_a_close_is_refused_cleanly(store: Path) -> None:
    for _ in range(20):
        log = SegmentLog(store)
        log_step(log, 0)
        acknowledged = [0]
        thread = threading.Thread(target=_log_until_closed, args=(log, acknowledged))
        thread.start()
        time.sleep(0.002)
        log.close()
        thread.join()
        found = sum(event.type == "MetricsRecorded" for event in SegmentLog(store).history())
        assert found == len(acknowledged)
        shutil.rmtree(store)


def test_an_append_that_waited_for_the_close_is_refused(store: Path) -> None:
    log = SegmentLog(store)
    log_step(log, 0)
    writer = log._writer
    assert writer is not None
    log.close()
    with pytest.raises(Closed):
        writer.append_data(KIND, STREAM, b"{}")


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("place", [1, 2])
def test_an_interrupted_drain_loses_and_doubles_nothing(
    store: Path, arrived: bool, place: int, monkeypatch: pytest.MonkeyPatch, steps: Callable[[Path], list[int]]
) -> None:
    log = SegmentLog(store)
    log_step(log, 0)
    writer = log._writer
    assert writer is not None
    writer._queue.extend((KIND, STREAM, b'{"values":{"loss":0.5},"step":%d}' % step) for step in (2, 3))
    write = writer._write
    calls = []

    def interrupted(fd: int, line: bytes) -> int:
        calls.append(line)
        if len(calls) == place:
            if arrived:
                write(fd, line)
            raise KeyboardInterrupt
        return write(fd, line)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log_step(log, 1)  # which comes after the queue, and so not at all
    log_step(log, 4)
    log.close()
    assert steps(store) == [0, 2, 3, 4]
    assert_whole(store)


def _log_until_closed(log: SegmentLog, acknowledged: list[int]) -> None:
    with pytest.raises(Closed):
        while True:
            log_step(log, len(acknowledged))
            acknowledged.append(len(acknowledged))


def test_bad_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotAStore):
        SegmentLog(tmp_path / "file")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("")
    with pytest.raises(NotAStore, match=r"thesis\.tex"):
        SegmentLog(tmp_path / "foreign")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "store.json").write_text('{"format":2}')
    with pytest.raises(NewerFormat):
        SegmentLog(tmp_path / "newer")
    with pytest.raises(ReadOnly):
        log_step(SegmentLog(tmp_path / "new", read_only=True), 0)
    assert not (tmp_path / "new").exists()


def test_a_store_that_cannot_be_created_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((AppendFailed, NotAStore)):
        log_step(SegmentLog(tmp_path / "file" / "store"), 0)


# Processes -----------------------------------------------------------------------------------------------------------


def _write_and_acknowledge(store: Path, pipe: int) -> None:
    log = SegmentLog(store)
    step = 0
    while True:
        log_step(log, step)
        os.write(pipe, step.to_bytes(4, "little"))
        step += 1


def test_kill_loses_nothing_acknowledged(tmp_path: Path, steps: Callable[[Path], list[int]]) -> None:
    cycles = 500
    lost = 0
    for cycle in range(cycles):
        store = tmp_path / f"store-{cycle % 10}"
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _write_and_acknowledge(store, writing)
        os.close(writing)
        time.sleep(0.0005 + cycle % 17 / 4000)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        acknowledged = b""
        while block := os.read(reading, 1 << 16):
            acknowledged += block
        os.close(reading)
        expected = len(acknowledged) // 4
        found = steps(store)
        lost += expected - len(found[:expected])
        assert found in (list(range(expected)), list(range(expected + 1)))
        shutil.rmtree(store, ignore_errors=True)
    assert lost == 0


def test_many_processes_and_threads(store: Path, steps: Callable[[Path], list[int]]) -> None:
    program = """
import sys, threading
from pathlib import Path
from mltracker.events.segments import SegmentLog
log, process = SegmentLog(Path(sys.argv[1])), int(sys.argv[2])
def work(thread):
    for index in range(50):
        step = (process * 8 + thread) * 50 + index
        log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1},"step":%d}' % step)
threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
log.close()
"""
    processes = [subprocess.Popen([sys.executable, "-c", program, str(store), str(index)]) for index in range(32)]
    assert [process.wait() for process in processes] == [0] * 32
    assert sorted(steps(store)) == list(range(32 * 8 * 50))
    assert_whole(store)


@pytest.mark.parametrize("threads", [0, 1])
def test_interrupts_into_a_logging_loop(store: Path, threads: int) -> None:
    program = """
import signal, sys, threading
from pathlib import Path
from mltracker.events.segments import SegmentLog
log = SegmentLog(Path(sys.argv[1]))
stop = threading.Event()
for _ in range(int(sys.argv[2])):
    threading.Thread(target=stop.wait, daemon=True).start()
log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1},"step":0}')
done, step, interrupts = [0], 0, 0
signal.signal(signal.SIGALRM, signal.default_int_handler)
while interrupts < 1000:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002 + interrupts % 97 / 1e6)
        while True:
            step += 1
            log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1},"step":%d}' % step)
            done.append(step)
    except KeyboardInterrupt:
        interrupts += 1
stop.set()
log.close()
print(*done)
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(store), str(threads)], capture_output=True, text=True, check=True
    )
    acknowledged = [int(step) for step in result.stdout.split()]
    reader = SegmentLog(store).reader()
    found = Counter(
        line["data"]["step"] for batch in reader.poll() for line in batch.lines if line["type"] == "MetricsRecorded"
    )
    # An interrupt between the append and the note of it repeats no step and loses none.
    assert set(acknowledged) <= found.keys() and max(found.values()) == 1
    assert_whole(store)


def test_a_signal_handler_that_logs(store: Path) -> None:
    log = SegmentLog(store)
    log_step(log, 0)
    handled: list[int] = []

    def handler(*_: object) -> None:
        handled.append(-1 - len(handled))  # noted first: a second signal may interrupt this handler
        log_step(log, handled[-1])

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0002)
    try:
        step = 0
        while len(handled) < 500:
            step += 1
            log_step(log, step)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    log.close()
    found = [
        line["data"]["step"]
        for batch in SegmentLog(store).reader().poll()
        for line in batch.lines
        if line["type"] == "MetricsRecorded"
    ]
    assert sorted(found) == list(range(-len(handled), step + 1))
    assert_whole(store)


@pytest.mark.parametrize("begun", ["opening", "logging"])
def test_fork_in_the_middle(store: Path, begun: str, steps: Callable[[Path], list[int]]) -> None:
    program = """
import os, sys, threading, time
from pathlib import Path
from mltracker.events.segments import SegmentLog
log = SegmentLog(Path(sys.argv[1]))
def note(step):
    log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1},"step":%d}' % step)
if sys.argv[2] == "logging": note(-1)
def work(base):
    for i in range(2000):
        note(base + i)
        if i % 100 == 0: time.sleep(0.002)
threads = [threading.Thread(target=work, args=(base,)) for base in (0, 2000)]
for thread in threads: thread.start()
children = []
for child in range(8):
    pid = os.fork()
    if pid == 0:
        for i in range(100): note(10000 + child * 100 + i)
        sys.exit(0)
    children.append(pid)
    time.sleep(0.003)
for thread in threads: thread.join()
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
log.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, str(store), begun], check=True, timeout=60)
    assert sorted(steps(store)) == [*range(-1 if begun == "logging" else 0, 4000), *range(10000, 10800)]
    assert len(list((store / "events").glob("*.jsonl"))) == 9
    assert_whole(store)


# Bad luck on the file system -----------------------------------------------------------------------------------------


def test_a_short_write_is_cut_back(store: Path, steps: Callable[[Path], list[int]]) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from mltracker.errors import AppendFailed
from mltracker.events.segments import SegmentLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = SegmentLog(Path(sys.argv[1]))
def note(step):
    log.append_data(b'"type":"MetricsRecorded","v":1', b"x:0", b'{"values":{"a":1},"step":%d}' % step)
done = []
note(0); done.append(0)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
failures = 0
for step in range(1, 60):
    try:
        note(step); done.append(step)
    except AppendFailed:
        failures += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
note(60); done.append(60)
log.close()
assert failures > 10, failures
print(*done)
"""
    result = subprocess.run([sys.executable, "-c", program, str(store)], capture_output=True, text=True, check=True)
    assert steps(store) == [int(step) for step in result.stdout.split()]
    assert_whole(store)


def test_a_full_disk_is_an_error_and_then_goes_on(
    store: Path, monkeypatch: pytest.MonkeyPatch, steps: Callable[[Path], list[int]]
) -> None:
    log = SegmentLog(store)
    log_step(log, 0)
    assert log._writer is not None

    def full(fd: int, line: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log._writer, "_write", full)
        with pytest.raises(AppendFailed, match="No space left"):
            log_step(log, 1)
    log_step(log, 2)
    log.close()
    assert steps(store) == [0, 2]
    assert_whole(store)


def test_after_a_failed_sync_the_log_goes_on_in_a_new_part(
    store: Path, monkeypatch: pytest.MonkeyPatch, steps: Callable[[Path], list[int]]
) -> None:
    log = SegmentLog(store)
    log.append(ExperimentCreated(name="a"))
    for step in range(10):
        log_step(log, step)

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        log.sync()
    log_step(log, 10)
    log.append(ExperimentCreated(name="b"))
    log.close()
    assert len(list((store / "events").glob("*.jsonl"))) == 2
    assert steps(store) == list(range(11))
    assert_whole(store)


@pytest.mark.parametrize("harm", ["removed", "replaced", "appended", "glued"])
def test_a_file_changed_under_a_live_writer(store: Path, harm: str, steps: Callable[[Path], list[int]]) -> None:
    log = SegmentLog(store)
    log.append(ExperimentCreated(name="a"))
    log_step(log, 0)
    path = next((store / "events").iterdir())
    if harm == "removed":
        path.unlink()
    elif harm == "replaced":
        path.rename(store.parent / "away")
        path.write_bytes(b"")
    else:
        with path.open("ab") as file:
            file.write(b"foreign" + (b"\n" if harm == "appended" else b""))
    for step in range(1, 10):
        log_step(log, step)
    log.append(ExperimentCreated(name="b"))
    log.close()
    assert steps(store) == list(range(10))


def test_a_vanished_store_is_a_clear_error(store: Path) -> None:
    log = SegmentLog(store)
    log.append(ExperimentCreated(name="a"))
    shutil.rmtree(store)
    store.write_text("something else took its place")
    with pytest.raises(AppendFailed, match="not durable"):
        log.append(ExperimentCreated(name="b"))
    with pytest.raises(AppendFailed):
        log.close()


def test_out_of_descriptors(store: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    log = SegmentLog(store)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) - 1, hard))
    try:
        with pytest.raises(AppendFailed):
            log_step(log, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    log_step(log, 1)
    log.close()
    assert_whole(store)


@pytest.mark.parametrize("durability", ["always", "interval", "os"])
def test_when_what_is_synced(store: Path, durability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = SegmentLog(store, durability=durability)  # type: ignore[arg-type]
    log_step(log, 0)
    calls: list[int] = []
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: calls.append(fd) or sync(fd))
    log.append(MetricsRecorded(stream="0" * 32 + ":1", values={"a": 1.0}))
    metrics = len(calls)
    log.append(ExperimentCreated(name="a"))
    structural = len(calls) - metrics
    log_step(log, 1)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and len(calls) == metrics + structural:
        time.sleep(0.05)
    later = len(calls) - metrics - structural
    expected = {"always": (1, 1, 1), "interval": (0, 1, 1), "os": (0, 0, 0)}
    assert (metrics, structural, later) == expected[durability]
    log.close()
