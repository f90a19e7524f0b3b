"""History is one order of many sections; moments cut it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mltracker.errors import InvalidValue, NotFound, UnreadableEvent
from mltracker.events.envelope import format_time, parse_time
from mltracker.events.history import LAST_SEQ, merged, parse_moment
from mltracker.events.log import Batch, Line, Section
from mltracker.events.memory import MemoryLog
from tests.contracts.event_log import note, record

A, B = "a" * 32, "b" * 32
NOON = parse_time("2026-11-24T12:00:00Z")


def line(seq: int, at: int, type: str = "NoteChanged", v: int = 1, **data: object) -> Line:
    return {"seq": seq, "at": format_time(NOON + at), "type": type, "v": v, "stream": f"{A}:1", "data": data}


def ids(*sections: list[Batch], up_to: tuple[int, str, int] | None = None) -> list[str]:
    return [event.id[31:] for event in merged([Section(0, batches) for batches in sections], up_to)]


def test_no_sections_no_history() -> None:
    assert ids() == []


def test_sections_are_merged_by_time() -> None:
    assert ids([Batch(A, [line(0, 0), line(1, 20)])], [Batch(B, [line(0, 10), line(1, 30)])]) == [
        "a:0",
        "b:0",
        "a:1",
        "b:1",
    ]


def test_at_one_time_the_writer_decides() -> None:
    assert ids([Batch(B, [line(0, 5)])], [Batch(A, [line(0, 5)])]) == ["a:0", "b:0"]


def test_an_event_met_twice_counts_once_and_the_first_section_holds() -> None:
    copy = [Batch(A, [line(1, 10, text="copy"), line(2, 20)])]
    events = list(merged([Section(0, [Batch(A, [line(0, 0), line(1, 10, text="first")])]), Section(0, copy)]))
    assert [event.seq for event in events] == [0, 1, 2]
    assert events[1].data == {"text": "first"}


def test_one_section_may_repeat_itself() -> None:
    assert ids([Batch(A, [line(0, 0), line(1, 1)]), Batch(A, [line(1, 1), line(2, 2)])]) == ["a:0", "a:1", "a:2"]


def test_it_ends_with_the_stamp_it_is_asked_for() -> None:
    sections = [Batch(A, [line(0, 0), line(1, 20)])], [Batch(B, [line(0, 10), line(1, 20)])]
    assert ids(*sections, up_to=(NOON + 20, A, 1)) == ["a:0", "b:0", "a:1"]
    assert ids(*sections, up_to=(NOON - 1, A, 1)) == []


def test_a_section_is_not_begun_before_its_turn() -> None:
    begun: list[str] = []

    def section(writer: str, start: int) -> Iterator[Batch]:
        begun.append(writer)
        yield Batch(writer, [line(0, start), line(1, start + 5)])

    events = merged([Section(NOON + 10, section(B, 10)), Section(NOON, section(A, 0))])
    seen = [(event.writer[0], list(begun)) for event in events]
    assert seen == [("a", [A]), ("a", [A]), ("b", [A, B]), ("b", [A, B])]


def test_what_lies_beyond_is_not_read() -> None:
    def section() -> Iterator[Batch]:
        yield Batch(A, [line(0, 0)])
        yield Batch(A, [line(1, 10)])
        raise AssertionError("read too far")

    assert [event.seq for event in merged([Section(0, section())], (NOON + 5, A, 0))] == [0]


def test_times_are_microseconds_and_wall_is_the_clock() -> None:
    pushed = {**line(0, 30), "wall": format_time(NOON + 10)}
    (event,) = merged([Section(0, [Batch(A, [pushed])])])
    assert (event.at, event.wall) == (NOON + 30, NOON + 10)
    assert event.stamp == (NOON + 30, A, 0)
    assert event.session == f"{A}:0"


def test_old_versions_are_upcast() -> None:
    (event,) = merged([Section(0, [Batch(A, [line(0, 0, "TrainingFailed", training="x", error="OSError: full")])])])
    assert (event.version, event.data) == (2, {"training": "x", "error_type": "OSError", "message": "full"})


def test_one_unreadable_event_does_not_end_history() -> None:
    broken, fine = merged([Section(0, [Batch(A, [line(0, 0, "TrainingFailed", error=7), line(1, 1, text="fine")])])])
    assert (broken.version, broken.data) == (1, {"error": 7})
    with pytest.raises(UnreadableEvent, match="TrainingFailed v1"):
        _ = broken.event
    assert fine.event.data() == {"text": "fine"}


# Moments -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    for step in range(5):
        record(log, step)
    return log


def test_a_time_means_all_events_at_it(log: MemoryLog) -> None:
    assert parse_moment("2026-11-24T12:00:00Z", log) == (NOON, "~", LAST_SEQ)
    assert parse_moment("2026-11-24T14:00:00.000001+02:00", log)[0] == NOON + 1
    assert parse_moment("2026-11-24T12:00:00", log)[0] == NOON
    last = list(log.history())[-1]
    assert len(list(log.history(parse_moment(format_time(last.at), log)))) == 6


def test_an_id_means_history_through_that_event(log: MemoryLog) -> None:
    receipt = log.append(note("here"))
    record(log, 9)
    assert parse_moment(receipt.id, log) == (receipt.at, receipt.writer, receipt.seq)
    assert list(log.history(parse_moment(receipt.id, log)))[-1].id == receipt.id


@pytest.mark.parametrize("id", [f"{'f' * 32}:0", "{writer}:99"])
def test_an_event_that_is_not_there(log: MemoryLog, id: str) -> None:
    with pytest.raises(NotFound, match="there is no event"):
        parse_moment(id.format(writer=log.writer), log)


@pytest.mark.parametrize("text", ["", "yesterday", "12", f"{'f' * 31}:0", f"{'f' * 32}:01", "2026-13-01T00:00:00Z"])
def test_neither_a_time_nor_an_id(log: MemoryLog, text: str) -> None:
    with pytest.raises(InvalidValue, match="moment: "):
        parse_moment(text, log)
