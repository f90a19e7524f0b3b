"""MemoryLog keeps the contract of every log, and takes in what others wrote."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mltracker.errors import InvalidValue
from mltracker.events.clock import Clock, wall_clock
from mltracker.events.envelope import format_time
from mltracker.events.log import Line, LostEvents
from mltracker.events.memory import MemoryLog
from tests.contracts.event_log import STREAM, EventLogContract, drain, lines_of, note, record

A, B = "a" * 32, "b" * 32


class TestMemoryLog(EventLogContract):
    @pytest.fixture
    def open_log(self) -> Callable[..., MemoryLog]:
        return MemoryLog


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


def others(count: int = 6) -> tuple[str, list[Line]]:
    """A writer and its lines, out of another log."""
    source = MemoryLog()
    for step in range(count - 1):
        record(source, step)
    return str(source.writer), lines_of(source)


def test_what_others_wrote_counts_once(log: MemoryLog) -> None:
    writer, lines = others()
    log.deliver(writer, lines)
    log.deliver(writer, lines[2:])
    assert drain(log.reader()) == [(writer, seq) for seq in range(6)]
    assert log.verify().ok
    assert log.verify().events == 6


def test_late_lines_wait_for_those_before_them(log: MemoryLog) -> None:
    writer, lines = others()
    reader = log.reader()
    log.deliver(writer, [*lines[:2], *lines[4:]])
    assert drain(reader) == [(writer, 0), (writer, 1)]
    assert [problem.reason for problem in reader.notices] == [f"event {writer}:2 is missing"]
    assert not log.verify().ok
    log.deliver(writer, lines[2:4])
    assert drain(reader) == [(writer, seq) for seq in range(2, 6)]
    assert reader.notices == []
    assert log.verify().ok


def test_any_order_of_arrival_is_the_same_history(log: MemoryLog) -> None:
    deliveries = [(writer, [line]) for writer, lines in (others(), others(), others()) for line in lines]
    for writer, lines in deliveries:
        log.deliver(writer, lines)
    shuffled = MemoryLog()
    random.Random(7).shuffle(deliveries)
    for writer, lines in deliveries * 2:
        shuffled.deliver(writer, lines)
    assert list(log.history()) == list(shuffled.history())
    assert len(list(log.history())) == 18


def test_own_events_are_later_than_all_that_was_delivered(log: MemoryLog) -> None:
    _, lines = others()
    ahead = wall_clock() + 3_600_000_000
    log.deliver(A, [{**lines[0], "at": format_time(0)}])
    log.deliver(B, [{**lines[0], "at": format_time(ahead)}])
    receipt = log.append(note("now"))
    assert receipt.at > ahead
    recorded = list(log.history())[-1]
    assert recorded.wall < recorded.at == receipt.at


def test_a_stamp_taken_before_another_thread_appended_is_taken_anew(log: MemoryLog) -> None:
    earlier = log.append(note("one"))
    log._clock = Clock(now=lambda: earlier.at - 10)
    assert log.append(note("two")).at == earlier.at + 1


def test_a_checkpoint_of_other_bytes_is_noticed(log: MemoryLog) -> None:
    writer, lines = others()
    log.deliver(writer, lines)
    reader = log.reader()
    drain(reader)
    other = MemoryLog()
    other.deliver(writer, [*lines[:5], {**lines[5], "crc": "00000000"}])
    with pytest.raises(LostEvents, match=f"{writer}:5"):
        other.reader(reader.checkpoint())


def test_an_altered_line_is_found(log: MemoryLog) -> None:
    writer, lines = others()
    lines[3]["data"] = {"values": {"loss": 0}}
    log.deliver(writer, lines)
    assert [(problem.file, problem.line) for problem in log.verify().problems] == [(writer, 4)]


@pytest.mark.parametrize("writer", ["", "a", "A" * 32, "a" * 33])
def test_a_writer_is_32_hex_digits(log: MemoryLog, writer: str) -> None:
    with pytest.raises(InvalidValue, match="writer"):
        log.deliver(writer, [])


def test_own_lines_are_not_delivered(log: MemoryLog) -> None:
    record(log, 1)
    with pytest.raises(InvalidValue, match="another's"):
        log.deliver(str(log.writer), lines_of(log))


def test_life_of_others_is_what_was_said(log: MemoryLog) -> None:
    log.deliver(A, [], alive=True)
    assert log.alive(A)
    log.deliver(A, [])
    assert not log.alive(A)


def test_the_stream_of_an_event_is_kept(log: MemoryLog) -> None:
    record(log, 1)
    assert lines_of(log)[1]["stream"] == STREAM
